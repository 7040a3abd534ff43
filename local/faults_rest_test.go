package main

var identityFaults, engineFaults, killFaults, guardFaults, neighbourFaults []fault
