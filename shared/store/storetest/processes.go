package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// processes holds what several processes on one database owe each other.
var processes = suite{
	"two record the same alerts at once":                     testTwoRecorders,
	"two get the same request at once":                       testTwoSameRequests,
	"two request the same container, one gets it":            testTwoRequests,
	"two senders share one robot's budget and lease":         testTwoSenders,
	"two claim remediations, each is one's":                  testTwoClaimers,
	"two recount at once and mend the drift once":            testTwoRecounts,
	"events, verdicts and people on the same alerts at once": testCrossing,
}

func testTwoRecorders(t *testing.T, e Engine) {
	stores := []*store.Store{e.open(t, silent), e.open(t, silent)}
	var wg sync.WaitGroup
	const rounds, names = 12, 20
	for p, s := range stores {
		wg.Go(func() {
			for round := range rounds {
				batch := make([]alerting.Event, names)
				for i := range batch {
					batch[i] = plainEvent(fmt.Sprint("service-", (i*7+p*11)%names)) // each in its own order
				}
				if round%4 == 3 {
					batch = append(batch, over(batch[0]), over(batch[1]))
				}
				_, err := s.RecordEvents(t.Context(), batch)
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	requireReconciled(t, e, 2*rounds*names)
}

func testTwoSameRequests(t *testing.T, e Engine) {
	stores := []*store.Store{e.open(t, silent), e.open(t, silent)}
	var id int64 // not always 1: whoever lost the race for the first used that number up
	for round := range 10 {
		idem := &alerting.Idempotency{Key: fmt.Sprint("key-", round), Body: "b"}
		receipts := make([]alerting.Receipt, 2)
		var wg sync.WaitGroup
		for p, s := range stores {
			wg.Go(func() {
				var err error
				receipts[p], err = s.RecordEvent(t.Context(), plainEvent("a"), idem)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		require.Equal(t, receipts[0], receipts[1])
		id = receipts[0].AlertID
	}
	require.EqualValues(t, 10, storyOf(t, stores[0], id).Alert.Occurrences)
}

func testTwoRequests(t *testing.T, e Engine) {
	stores := []*store.Store{e.open(t), e.open(t, labelled)}
	for round := range 5 {
		ev := Event(container)
		ev.Metadata = fmt.Appendf(nil, `{"shard":"%d"}`, round)
		var wg sync.WaitGroup
		for _, s := range stores { // by the second's policy it is another alert
			wg.Go(func() {
				_, err := s.RecordEvent(t.Context(), ev, nil)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_remediations WHERE status = 'REQUESTED'"))
		e.exec(t, "UPDATE alert_remediations SET status = 'FAILED', requested_us = 0, ended_us = 0 WHERE status = 'REQUESTED'")
	}
}

func testTwoSenders(t *testing.T, e Engine) {
	stores := []*store.Store{e.open(t, bare), e.open(t, bare)}
	const owed = 30
	for i := range owed {
		record(t, stores[0], plainEvent(fmt.Sprint("service-", i)))
	}
	var mu sync.Mutex
	flying, sent := 0, 0
	var wg sync.WaitGroup
	for p, s := range stores {
		wg.Go(func() {
			for until := time.Now().Add(2 * slack); time.Now().Before(until); {
				claim, next := claimAs(t, s, fmt.Sprint("process-", p))
				if claim == nil {
					if next.IsZero() || time.Until(next) > 5*time.Second {
						return // nothing waits, but for the end of the storm
					}
					time.Sleep(10 * time.Millisecond)
					continue
				}
				mu.Lock()
				flying++
				assert.Equal(t, 1, flying, "one message in flight per robot")
				mu.Unlock()
				mu.Lock()
				flying--
				sent++
				mu.Unlock()
				assert.NoError(t, s.SettleMessage(t.Context(), claim, accepted, 0))
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, sent, e.count(t, "SELECT COUNT(*) FROM alert_messages WHERE status = 'ACCEPTED'"))
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status <> 'SENT'"), "all of them went into one digest")
	require.LessOrEqual(t, sent, alerting.RobotBudget)
	requireDelivered(t, e)
}

func testTwoClaimers(t *testing.T, e Engine) {
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprint("container-", i))
	}
	stores := []*store.Store{e.open(t, listing(names...)), e.open(t, listing(names...))}
	for _, name := range names {
		record(t, stores[0], Event(name))
	}
	var mu sync.Mutex
	owners := map[int64]int{}
	var wg sync.WaitGroup
	for p, s := range stores {
		wg.Go(func() {
			for range 3 {
				work, _, err := s.ClaimRemediations(t.Context(), fmt.Sprint("process-", p), host, time.Minute)
				assert.NoError(t, err)
				mu.Lock()
				for _, w := range work {
					owners[w.Remediation.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Len(t, owners, 20)
	for id, n := range owners {
		require.Equal(t, 1, n, "remediation %d is one process's", id)
	}
}

func testTwoRecounts(t *testing.T, e Engine) {
	stores := []*store.Store{e.open(t, silent), e.open(t, silent)}
	insertByHand(t, e, 10)
	var wg sync.WaitGroup
	for range 4 {
		for _, s := range stores {
			wg.Go(func() { assert.NoError(t, s.Recount(t.Context())) })
		}
	}
	wg.Wait()
	requireTotals(t, e, stores[0])
}

// testCrossing mixes everything that locks an alert, from two processes: it
// must neither fail nor lose a count.
func testCrossing(t *testing.T, e Engine) {
	stores := []*store.Store{e.open(t), e.open(t)}
	for i := range 4 {
		record(t, stores[0], plainEvent(fmt.Sprint("service-", i)))
	}
	record(t, stores[0], Event(container))
	var wg sync.WaitGroup
	for p, s := range stores {
		wg.Go(func() {
			for i := range 40 {
				ev := plainEvent(fmt.Sprint("service-", i%4))
				ev.Severity = alerting.Severities[i%4]
				_, err := s.RecordEvent(t.Context(), ev, nil)
				assert.NoError(t, err)
				_, err = s.RecordEvent(t.Context(), Event(container), nil)
				assert.NoError(t, err)
			}
		})
		wg.Go(func() {
			for range 30 {
				if claim, _ := claimAs(t, s, fmt.Sprint("process-", p)); claim != nil {
					assert.NoError(t, s.SettleMessage(t.Context(), claim, accepted, 0))
				}
			}
		})
		wg.Go(func() {
			for i := range 8 {
				_, err := s.Acknowledge(t.Context(), int64(i%4+1), "li")
				assert.NoError(t, err)
				work, _, err := s.ClaimRemediations(t.Context(), fmt.Sprint("process-", p), host, time.Minute)
				assert.NoError(t, err)
				for _, w := range work {
					w.Remediation.Status = alerting.Failed
					w.Remediation.Reason = alerting.Reason{Code: "not_stable"}
					assert.NoError(t, s.SaveRemediation(t.Context(), fmt.Sprint("process-", p), w.Remediation, 0))
				}
			}
		})
	}
	wg.Wait()
	requireReconciled(t, e, 5+2*80)
	requireTotals(t, e, stores[0])
	requireDelivered(t, e)
}
