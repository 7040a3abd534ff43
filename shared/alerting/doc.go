// Package alerting is the domain: the words of Trade Monitor as types, its
// state machines, and every decision as a pure function over what is stored,
// the event, the policy and the time. It knows no database, no network and no
// clock; it imports the standard library only.
package alerting
