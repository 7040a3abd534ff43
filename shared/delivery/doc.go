// Package delivery sends what is owed to groups: it claims a word and its slot
// in the robot's budget, sends one message, settles it by the answer, and goes
// on until the robot has nothing left or has to wait. One message is in flight
// per robot; robots never wait for each other.
package delivery
