package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A proof has two forms of the same code: `make test` runs the short one, which
// shows that it holds, and `make watches` the long one, whose numbers are those
// of the promise.

// proofLong tells whether the long form is asked for.
func proofLong() bool { return os.Getenv("TRADE_MONITOR_PROOF") == "long" }

// shortOr gives the number of the form that runs.
func shortOr[T any](short, long T) T {
	if proofLong() {
		return long
	}
	return short
}

// figures logs what was measured, as one line of a table: a name, and values as
// p50=12ms. Without t.Helper: all of them come from this file, by which `make
// watches` finds them again.
func figures(t testing.TB, name, format string, values ...any) {
	t.Logf("%s: %s", name, fmt.Sprintf(format, values...))
}

// spread is how long something took, again and again.
type spread []time.Duration

// p is the time that the share q of them did not exceed.
func (s spread) p(q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func (s spread) String() string {
	ms := func(q float64) time.Duration { return s.p(q).Round(time.Millisecond) }
	return fmt.Sprintf("n=%d p50=%s p90=%s max=%s", len(s), ms(.5), ms(.9), ms(1))
}

// processorTime is what a process has used of the processors so far, to 10 ms.
func processorTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(raw), ") ") // the name may hold spaces
	require.True(t, found)
	const user, system = 11, 12 // of the fields after the name
	var ticks int64
	for _, n := range []int{user, system} {
		used, err := strconv.ParseInt(strings.Fields(after)[n], 10, 64)
		require.NoError(t, err)
		ticks += used
	}
	return time.Duration(ticks) * (time.Second / 100) // USER_HZ is 100 on every Linux
}

// instant reads a time of the API.
func instant(t testing.TB, fields map[string]any, name string) time.Time {
	t.Helper()
	text, _ := fields[name].(string)
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err, "%s of %v", name, fields)
	return at
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

// alertsOf lists the alerts of a service, oldest first.
func (s *runningService) alertsOf(service string) []map[string]any {
	s.t.Helper()
	all := objects(s.get("/api/alerts?pageSize=200&serviceName="+service).fields, "data")
	slices.Reverse(all)
	return all
}

// typesOf tells the alerts of a service by their types, oldest first; an alert
// that is over ends in "-".
func (s *runningService) typesOf(service string) string {
	s.t.Helper()
	var types []string
	for _, a := range s.alertsOf(service) {
		text := a["alertType"].(string)
		if a["status"] == "RESOLVED" {
			text += "-"
		}
		types = append(types, text)
	}
	return strings.Join(types, " ")
}

// number writes an id of the API.
func number(id any) string {
	n, _ := id.(float64)
	return strconv.FormatInt(int64(n), 10)
}
