package watchdog_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/watchdog"
)

// monitor is Trade Monitor as the watchdog sees it: it writes down what arrives
// and answers as told.
type monitor struct {
	began time.Time

	mu       sync.Mutex
	arrivals []arrival
	answer   func(n int) (*http.Response, error) // nil: 200; n counts arrivals from 1
}

type arrival struct {
	at            time.Duration
	url           string
	key           string
	authorization string
	body          map[string]any
}

func (m *monitor) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a := arrival{at: time.Since(m.began), url: r.URL.String(), key: r.Header.Get("Idempotency-Key"), authorization: r.Header.Get("Authorization")}
	if err := json.Unmarshal(raw, &a.body); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arrivals = append(m.arrivals, a)
	if m.answer == nil {
		return reply(http.StatusOK), nil
	}
	return m.answer(len(m.arrivals))
}

// got is what has arrived by now.
func (m *monitor) got() []arrival {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.arrivals)
}

// comeBack forgets what arrived and answers 200 from here on.
func (m *monitor) comeBack() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arrivals, m.answer = nil, nil
}

func reply(status int) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"success":true}`))}
}

// resolved tells for each arrival whether it said that all is well again.
func (m *monitor) resolved() []bool {
	var all []bool
	for _, a := range m.got() {
		all = append(all, a.body["status"] == "RESOLVED")
	}
	return all
}

// watch starts a watchdog with the guide's numbers in the bubble.
func watch(t *testing.T, m *monitor, change ...func(*watchdog.Options)) *watchdog.Watchdog {
	t.Helper()
	m.began = time.Now()
	o := watchdog.Options{URL: "http://trade-monitor:5005/", Client: &http.Client{Transport: m}}
	for _, c := range change {
		c(&o)
	}
	w, err := watchdog.New(o)
	require.NoError(t, err)
	w.Start()
	t.Cleanup(w.Stop)
	return w
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestWhileTheWorkMovesNothingIsPosted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &monitor{}
		w := watch(t, m)
		for range 1000 {
			pass(179 * time.Second)
			w.Progress()
		}
		assert.Empty(t, m.got())
	})
}

func TestAStallPostsTheGuidesEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &monitor{}
		w := watch(t, m, func(o *watchdog.Options) { o.Token = "s3cret" })
		pass(90 * time.Second)
		w.Progress()
		synced := time.Now().Format(time.RFC3339)
		pass(3*time.Minute - time.Nanosecond)
		require.Empty(t, m.got(), "not yet")
		pass(time.Nanosecond)
		require.Len(t, m.got(), 1, "at the deadline, not at the next look")
		assert.Equal(t, "http://trade-monitor:5005/api/events/notify", m.got()[0].url)
		assert.Equal(t, "Bearer s3cret", m.got()[0].authorization)
		assert.Equal(t, map[string]any{
			"eventType": "TICKER_SYNC_TIMEOUT", "serviceName": "aifuturetrade-async-service", "severity": "ERROR",
			"title": "Ticker同步超时告警", "message": "Ticker数据同步已超过3分钟未输出日志",
			"metadata": map[string]any{"lastSyncTime": synced, "minutesSinceLastSync": 3.0},
		}, m.got()[0].body)
	})
}

func TestAServiceThatNeverSyncedIsStalledToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &monitor{}
		watch(t, m)
		pass(3 * time.Minute)
		require.Len(t, m.got(), 1)
		assert.Equal(t, map[string]any{"lastSyncTime": nil, "minutesSinceLastSync": 3.0}, m.got()[0].body["metadata"])
	})
}

func TestAStallIsPostedAgainEachIntervalUnderANewKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &monitor{}
		watch(t, m)
		pass(5*time.Minute + time.Second)
		keys := map[string]bool{}
		var at []time.Duration
		for _, a := range m.got() {
			keys[a.key] = true
			at = append(at, a.at)
		}
		assert.Equal(t, []time.Duration{3 * time.Minute, 4 * time.Minute, 5 * time.Minute}, at)
		assert.Len(t, keys, 3)
		assert.NotContains(t, keys, "")
		assert.Equal(t, 5.0, m.got()[2].body["metadata"].(map[string]any)["minutesSinceLastSync"])
	})
}

func TestWhenTheWorkMovesAgainOneResolvedIsPostedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &monitor{}
		w := watch(t, m)
		pass(3*time.Minute + 10*time.Second)
		w.Progress()
		synctest.Wait()
		require.Equal(t, []bool{false, true}, m.resolved())
		assert.Equal(t, 3*time.Minute+10*time.Second, m.got()[1].at)
		assert.Equal(t, "TICKER_SYNC_TIMEOUT", m.got()[1].body["eventType"])
		assert.Equal(t, "aifuturetrade-async-service", m.got()[1].body["serviceName"])
		for range 10 {
			w.Progress()
			pass(time.Minute)
		}
		assert.Len(t, m.got(), 2, "once")

		pass(3 * time.Minute)
		assert.Equal(t, []bool{false, true, false}, m.resolved()[:3], "a new stall is told again")
	})
}

func TestWhileTradeMonitorIsAwayTheSameEventIsRetriedWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &monitor{answer: func(n int) (*http.Response, error) {
			if n < 4 {
				return nil, errors.New("connection refused")
			}
			return reply(http.StatusOK), nil
		}}
		watch(t, m)
		pass(3*time.Minute + 50*time.Second)
		require.Len(t, m.got(), 4)
		for i, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			assert.Equal(t, m.got()[0].key, m.got()[i+1].key, "a retry is not counted twice")
			assert.Equal(t, m.got()[0].body, m.got()[i+1].body)
			waited := m.got()[i+1].at - m.got()[i].at
			assert.LessOrEqual(t, waited, wait)
			assert.GreaterOrEqual(t, waited, wait*8/10)
		}
	})
}

func TestHoweverLongTradeMonitorIsAwayTheTriesStayFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &monitor{answer: func(int) (*http.Response, error) { return reply(http.StatusServiceUnavailable), nil }}
		w := watch(t, m)
		pass(3*time.Minute + time.Hour)
		assert.Less(t, len(m.got()), 8*61)
		assert.Greater(t, len(m.got()), 60)

		m.comeBack()
		w.Progress()
		synctest.Wait()
		assert.Equal(t, []bool{true}, m.resolved(), "an alarm about a stall that is over is not sent any more")
	})
}

func TestRetryAfterIsHonouredUpToTheInterval(t *testing.T) {
	for after, want := range map[string]time.Duration{"7": 7 * time.Second, "86400": time.Minute, "soon": time.Second, "-5": time.Second} {
		synctest.Test(t, func(t *testing.T) {
			m := &monitor{answer: func(n int) (*http.Response, error) {
				resp := reply(http.StatusServiceUnavailable)
				resp.Header.Set("Retry-After", after)
				return resp, nil
			}}
			watch(t, m)
			pass(4*time.Minute + time.Millisecond)
			require.GreaterOrEqual(t, len(m.got()), 2)
			assert.InDelta(t, want.Seconds(), (m.got()[1].at - m.got()[0].at).Seconds(), want.Seconds()/5, after)
		})
	}
}

func TestARefusedEventIsNotRetriedBeforeTheNextInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &monitor{answer: func(int) (*http.Response, error) { return reply(http.StatusUnauthorized), nil }}
		var posts []watchdog.Post
		watch(t, m, func(o *watchdog.Options) { o.OnPost = func(p watchdog.Post) { posts = append(posts, p) } })
		pass(4 * time.Minute)
		require.Len(t, posts, 2)
		assert.Equal(t, 401, posts[0].Status)
		assert.EqualError(t, posts[0].Err, "trade monitor refused the event: HTTP 401")
		assert.Equal(t, time.Minute, m.got()[1].at-m.got()[0].at)
	})
}

func TestATradeMonitorThatHangsIsGivenUpAfterTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		var posts []watchdog.Post
		w := watch(t, &monitor{}, func(o *watchdog.Options) {
			o.Client = &http.Client{Transport: hang}
			o.OnPost = func(p watchdog.Post) { posts = append(posts, p) }
		})
		pass(3*time.Minute + 10*time.Second)
		require.Len(t, posts, 1)
		assert.ErrorIs(t, posts[0].Err, context.DeadlineExceeded)
		assert.NotContains(t, posts[0].Err.Error(), "trade-monitor:5005", "the URL may hold a password")

		pass(2 * time.Second) // the next try hangs
		began := time.Now()
		w.Progress()
		w.Stop()
		assert.Zero(t, time.Since(began), "neither waits for a hanging try")
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAPanicInACallbackOrTransportNeverReachesTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries, calls := 0, 0
		w := watch(t, &monitor{}, func(o *watchdog.Options) {
			o.Client = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				if tries++; tries == 1 {
					panic("transport")
				}
				return reply(http.StatusOK), nil
			})}
			o.OnPost = func(watchdog.Post) { calls++; panic("callback") }
		})
		pass(3*time.Minute + 10*time.Second)
		assert.Equal(t, 2, tries)
		assert.Equal(t, 1, calls)
		w.Progress()
		synctest.Wait()
		assert.Equal(t, 3, tries, "the watch went on")
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := watchdog.New(watchdog.Options{URL: "http://tm", Client: &http.Client{Transport: &monitor{began: time.Now()}}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		pass(10 * time.Minute)
		cancel()
		<-done
	})
}

func TestStartAndStopMayBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &monitor{}
		w := watch(t, m)
		w.Start()
		pass(3 * time.Minute)
		assert.Len(t, m.got(), 1, "one watch, however often it is started")
		w.Stop()
		w.Stop()
		pass(time.Hour)
		assert.Len(t, m.got(), 1)
		w.Start()
		synctest.Wait()
		assert.Len(t, m.got(), 2)
	})
}

func TestANilWatchdogDoesNothing(t *testing.T) {
	var w *watchdog.Watchdog
	w.Start()
	w.Progress()
	w.Run(t.Context())
	w.Stop()
}

func TestProgressAllocatesNothing(t *testing.T) {
	w, err := watchdog.New(watchdog.Options{URL: "http://tm"})
	require.NoError(t, err)
	assert.Zero(t, testing.AllocsPerRun(100, w.Progress))
}

func TestTheMessageNamesTheTimeout(t *testing.T) {
	for timeout, want := range map[time.Duration]string{
		10 * time.Minute: "10分钟", 90 * time.Second: "1分30秒", 20 * time.Second: "20秒", 50 * time.Millisecond: "50ms",
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &monitor{}
			watch(t, m, func(o *watchdog.Options) { o.Timeout = timeout })
			pass(timeout)
			require.Len(t, m.got(), 1)
			assert.Equal(t, "Ticker数据同步已超过"+want+"未输出日志", m.got()[0].body["message"])
		})
	}
}

func TestFromEnvReadsTheGuidesNames(t *testing.T) {
	for _, c := range []struct {
		timeout, interval         string
		wantTimeout, wantInterval time.Duration
	}{
		{"", "", 0, 0}, {"3", "60", 3 * time.Minute, time.Minute}, {"90s", "1m", 90 * time.Second, time.Minute}, {"0.5", "2.5", 30 * time.Second, 2500 * time.Millisecond},
	} {
		env := map[string]string{
			"TRADE_MONITOR_URL": " http://tm:5005 ", "ASYNC_MONITOR_CONTAINER": "async",
			"ASYNC_MONITOR_TICKER_TIMEOUT": c.timeout, "ASYNC_MONITOR_CHECK_INTERVAL": c.interval,
		}
		o, err := watchdog.FromEnv(func(name string) string { return env[name] })
		require.NoError(t, err)
		assert.Equal(t, watchdog.Options{URL: "http://tm:5005", Service: "async", Timeout: c.wantTimeout, CheckInterval: c.wantInterval}, o)
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	for _, url := range []string{"", "trade-monitor:5005", "ftp://tm", "http://", "http://s3cret@[/"} {
		_, err := watchdog.New(watchdog.Options{URL: url})
		require.Error(t, err, url)
		assert.NotContains(t, err.Error(), "s3cret")
	}
	_, err := watchdog.New(watchdog.Options{URL: "http://tm", Timeout: -1})
	assert.Error(t, err)
	for _, value := range []string{"x", "0", "-1", "1e300", "NaN", "9999h"} {
		_, err := watchdog.FromEnv(func(name string) string {
			return map[string]string{"ASYNC_MONITOR_TICKER_TIMEOUT": value, "ASYNC_MONITOR_CHECK_INTERVAL": value}[name]
		})
		require.Error(t, err, value)
		assert.Contains(t, err.Error(), "ASYNC_MONITOR_TICKER_TIMEOUT")
		assert.Contains(t, err.Error(), "ASYNC_MONITOR_CHECK_INTERVAL")
	}
}
