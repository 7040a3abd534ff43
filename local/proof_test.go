package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A proof has two forms of the same code: `make test` runs the short one, and
// `make watches` the long one, whose numbers are those of the promise. What was
// measured is logged as a line that begins with "figures: ", by which `make
// watches` finds it again.

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
	at := func(share float64) time.Duration { return quantile(all, share).Round(time.Millisecond) }
	return fmt.Sprintf("n=%d p50=%s p90=%s max=%s", len(all), at(0.5), at(0.9), at(1))
}

// quantile is the time that this share of them did not exceed.
func quantile(all []time.Duration, share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(share*float64(len(all)-1)+0.5)]
}

// processorTime is what a process has used of all cores so far, to 10 ms.
func processorTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(raw), ") ") // the name may hold spaces
	require.True(t, found)
	var ticks int64
	for _, field := range strings.Fields(after)[11:13] { // utime, stime
		used, err := strconv.ParseInt(field, 10, 64)
		require.NoError(t, err)
		ticks += used
	}
	return time.Duration(ticks) * (time.Second / 100) // USER_HZ is 100 on every Linux
}

// policyAt writes a policy file into a folder of the test's own.
func policyAt(t testing.TB, content string) (path string, replace func(string)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "policy.yaml")
	replace = func(content string) {
		t.Helper()
		require.NoError(t, os.WriteFile(path+".new", []byte(content), 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	replace(content)
	return path, replace
}

// typesOf tells the alerts of a service by their types, oldest first; the type
// of one that is over ends in "-".
func (s *runningService) typesOf(service string) string {
	s.t.Helper()
	var types []string
	for _, a := range slices.Backward(s.alarms(service)) {
		text := a["alertType"].(string)
		if a["status"] == "RESOLVED" {
			text += "-"
		}
		types = append(types, text)
	}
	return strings.Join(types, " ")
}

// idOf writes an id of the API.
func idOf(o map[string]any) string {
	n, _ := o["id"].(float64)
	return strconv.FormatInt(int64(n), 10)
}
