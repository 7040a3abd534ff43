package main

import (
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/store/storetest"
)

// A database that hangs is worse than one that is gone: connections stay, and
// answers do not come. Callers are told within 2 s, what they were told did not
// happen does not happen later, and a stop ends in time.
func TestADatabaseThatHangsHoldsNobodyUp(t *testing.T) {
	db := storetest.OwnMariaDB(t)
	s := launch(t, append(databaseSettings(db), "REMEDIATION_MODE=off")...)
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	require.Equal(t, http.StatusOK, s.notify(ticker("before")).status)

	db.Signal(t, syscall.SIGSTOP)
	for range 4 { // the first is in a batch; the others wait behind it
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				begun := time.Now()
				r, err := s.do(http.MethodPost, "/api/events/notify", "application/json", ticker("hung").json())
				if err != nil || r.status != http.StatusServiceUnavailable || time.Since(begun) > 2500*time.Millisecond {
					t.Errorf("%v after %s: %d %s", err, time.Since(begun), r.status, r.text)
				}
			})
		}
		all.Wait()
	}
	db.Signal(t, syscall.SIGCONT)
	await(t, 30*time.Second, "events are taken again", func() bool { return s.notify(ticker("after")).status == http.StatusOK })
	hung := objects(s.get("/api/alerts?serviceName=hung").fields, "data")
	if len(hung) > 0 {
		require.LessOrEqual(t, hung[0]["occurrences"], 8.0, "at most the batch that was under way")
	}

	db.Signal(t, syscall.SIGSTOP)
	go func() { _, _ = s.do(http.MethodPost, "/api/events/notify", "application/json", ticker("late").json()) }()
	time.Sleep(200 * time.Millisecond)
	begun := time.Now()
	s.stop()
	require.Less(t, time.Since(begun), 13*time.Second)
	db.Signal(t, syscall.SIGCONT)
}
