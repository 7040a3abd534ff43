package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// proofLong tells whether the long form of the proofs is run (make watches): the
// same code with larger numbers.
func proofLong() bool { return os.Getenv("TRADE_MONITOR_PROOF") == "long" }

// either picks a number for the short or for the long form.
func either[T any](short, long T) T {
	if proofLong() {
		return long
	}
	return short
}

// spread is the median, the 90th percentile and the maximum of some times, fit
// for a line of a table.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "n=0"
	}
	slices.Sort(all)
	at := func(share float64) time.Duration {
		return all[int(share*float64(len(all)-1)+0.5)].Round(time.Millisecond)
	}
	return fmt.Sprintf("n=%d p50=%s p90=%s max=%s", len(all), at(0.5), at(0.9), at(1))
}
