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

// heartbeatProcesses holds what several processes on one database owe each
// other.
var heartbeatProcesses = suite{
	"several come back at once, the limits move once":          testTwoTouches,
	"two judge at once, the event is recorded once":            testTwoJudges,
	"two take pings of the same heartbeats at once":            testTwoPingers,
	"two declare at once":                                      testTwoDeclarers,
	"pings, judgements, touches and policies at the same time": testHeartbeatCrossing,
}

func (e Engine) several(t *testing.T, n int) (stores []*store.Store) {
	for range n {
		stores = append(stores, e.open(t, silent))
	}
	return stores
}

func testTwoTouches(t *testing.T, e Engine) {
	stores := e.several(t, 4)
	touch(t, stores[0], true)
	for i := range 20 {
		pinged(t, stores[0], first(fmt.Sprint("job-", i)))
	}
	e.pass(t, 10*period)
	var mu sync.Mutex
	var moved time.Duration
	var wg sync.WaitGroup
	for _, s := range stores {
		wg.Go(func() {
			d, err := s.TouchLiveness(t.Context(), 15*time.Second, true)
			assert.NoError(t, err)
			mu.Lock()
			moved += d
			mu.Unlock()
		})
	}
	wg.Wait()
	require.InDelta(t, 10*period, moved, float64(slack))
	j := judge(t, stores[1])
	require.Empty(t, j.Owed)
	require.InDelta(t, period, j.Next.Sub(j.At), float64(slack))
}

func testTwoJudges(t *testing.T, e Engine) {
	stores := e.several(t, 3)
	const n = 20
	for i := range n {
		pinged(t, stores[0], first(fmt.Sprint("job-", i)))
	}
	e.live(t, 2*period)
	var wg sync.WaitGroup
	for _, s := range stores {
		wg.Go(func() {
			for range 3 {
				j, err := s.JudgeHeartbeats(t.Context())
				assert.NoError(t, err)
				posted(t, s, j.Owed)
				assert.NoError(t, s.SettleHeartbeats(t.Context(), j.Owed))
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, n, e.count(t, "SELECT COUNT(*) FROM alert_records"))
	require.EqualValues(t, n, e.count(t, "SELECT SUM(occurrences) FROM alert_records"), "one event each")
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats WHERE owed_us IS NOT NULL"))
}

func testTwoPingers(t *testing.T, e Engine) {
	stores := e.several(t, 2)
	const names, each = 10, 30
	var wg sync.WaitGroup
	for p, s := range stores {
		for i := range names * each {
			wg.Go(func() {
				_, err := s.Ping(t.Context(), first(fmt.Sprint("job-", (i*7+p*3)%names)))
				assert.NoError(t, err)
			})
		}
	}
	wg.Wait()
	require.EqualValues(t, names, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats"))
	require.EqualValues(t, 2*names*each, e.count(t, "SELECT SUM(pings) FROM alert_heartbeats"), "none is lost")
}

func testTwoDeclarers(t *testing.T, e Engine) {
	stores := e.several(t, 2)
	var all []alerting.HeartbeatDeclaration
	for i := range 30 {
		all = append(all, declaration(fmt.Sprint("job-", i), period))
	}
	var wg sync.WaitGroup
	for range 3 {
		for _, s := range stores {
			wg.Go(func() { assert.NoError(t, s.DeclareHeartbeats(t.Context(), all)) })
		}
	}
	wg.Wait()
	require.EqualValues(t, 30, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats WHERE declared = 'policy'"))
}

func testHeartbeatCrossing(t *testing.T, e Engine) {
	stores := e.several(t, 2)
	touch(t, stores[0], true)
	const rounds, names = 40, 8
	var wg sync.WaitGroup
	for p, s := range stores {
		for caller := range 4 {
			wg.Go(func() {
				for i := range rounds {
					ping := first(fmt.Sprint("job-", (i*(caller+1)+p)%names))
					if i%3 == 0 {
						ping.Signal = alerting.SignalFail
					}
					_, err := s.Ping(t.Context(), ping)
					assert.NoError(t, err)
				}
			})
		}
		wg.Go(func() {
			for range rounds {
				j, err := s.JudgeHeartbeats(t.Context())
				assert.NoError(t, err)
				assert.NoError(t, s.SettleHeartbeats(t.Context(), j.Owed))
				_, err = s.TouchLiveness(t.Context(), 15*time.Second, true)
				assert.NoError(t, err)
			}
		})
		wg.Go(func() {
			for range rounds / 4 {
				assert.NoError(t, s.DeclareHeartbeats(t.Context(), []alerting.HeartbeatDeclaration{declaration("of-policy", period)}))
				_, err := s.PauseHeartbeat(t.Context(), "of-policy", "li")
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 2*4*rounds, e.count(t, "SELECT SUM(pings) FROM alert_heartbeats"))
}
