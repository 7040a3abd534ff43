package delivery_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/delivery"
	"trade-monitor/shared/store"
	"trade-monitor/shared/store/sqlite"
	"trade-monitor/shared/wecom"
	"trade-monitor/shared/wecom/wecomtest"
)

// The rules of delivery that go by time, on the real store, the real rendering
// and the real client, by the clock of a bubble: hours of it take milliseconds.
// CONTRIBUTING.md lists which test holds which rule.

// hours is such a world: one robot, that of WECHAT_WEBHOOK_URL.
type hours struct {
	*testing.T
	db     *sqlite.Database
	robots *wecomtest.Robots
	key    string
	loop   *delivery.Loop
	began  time.Time
	asleep bool // the loop is not woken by what happens

	mu       sync.Mutex
	requests []request
}

// request is one that reached the robot, whatever it answered.
type request struct {
	at   time.Duration // since the beginning
	body string
}

// tick is how much later than its instant a message may leave: the loop makes no
// more than 20 passes a second.
const tick = 250 * time.Millisecond

// inTime plays in a world whose robot's rests are shortened by jitter.
func inTime(t *testing.T, jitter float64, play func(w *hours)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &hours{T: t, robots: wecomtest.New(), began: time.Now()}
		w.key = w.robots.Key("ops")
		policy := alerting.DefaultPolicy()
		policy.Mode, policy.Fallback = alerting.Off, webhook(w.key)
		db, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Policy: func() alerting.Policy { return policy }, OnCommit: func(c store.Commit) {
			if c.Words && !w.asleep {
				w.loop.Wake()
			}
		}})
		require.NoError(t, err)
		w.db = db
		w.loop = delivery.New(db, w.client(), delivery.Options{
			Owner: "me", Fallback: func() alerting.Secret { return webhook(w.key) }, Render: w.render(),
			Log: slog.New(slog.DiscardHandler), Jitter: func() float64 { return jitter },
		})
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { _ = w.loop.Run(ctx) })
		play(w)
		cancel()
		done.Wait()
		require.NoError(t, db.Close())
	})
}

func (w *hours) render() alerting.Renderer {
	return wecom.RenderOptions{Language: alerting.Chinese, Location: time.UTC}
}

func (w *hours) client() *wecom.Client {
	return wecom.New(wecom.Options{HTTP: &http.Client{Transport: w}})
}

// RoundTrip notes when a request left.
func (w *hours) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.requests = append(w.requests, request{time.Since(w.began), string(body)})
	w.mu.Unlock()
	req.Body = io.NopCloser(bytes.NewReader(body))
	return w.robots.Transport().RoundTrip(req)
}

// happens records an event about a service, and gives its alert.
func (w *hours) happens(service string, severity alerting.Severity) int64 {
	w.Helper()
	return w.says(service, severity, "it does not answer")
}

func (w *hours) says(service string, severity alerting.Severity, message string) int64 {
	w.Helper()
	r, err := w.db.RecordEvent(w.Context(), alerting.Event{Type: "DISK_FULL", Service: service, Severity: severity, Title: "磁盘已满", Message: message}, nil)
	require.NoError(w, err)
	return r.AlertID
}

// burst lets many alerts happen before the loop looks: more than go singly.
func (w *hours) burst(name string, n int) {
	w.Helper()
	w.asleep = true
	for i := range n {
		w.happens(fmt.Sprintf("%s-%d", name, i), alerting.Error)
	}
	w.asleep = false
	w.loop.Wake()
}

// until sleeps until an instant after the beginning.
func (w *hours) until(at time.Duration) {
	time.Sleep(time.Until(w.began.Add(at)))
	synctest.Wait()
}

// left is when the requests left that have a text in them.
func (w *hours) left(text string) (times []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if strings.Contains(r.body, text) {
			times = append(times, r.at)
		}
	}
	return times
}

// wantLeft: the requests with a text in them left at these instants.
func (w *hours) wantLeft(text string, want ...time.Duration) {
	w.Helper()
	got := w.left(text)
	require.Len(w, got, len(want), "%v", got)
	for i := range want {
		assert.InDelta(w, want[i].Seconds(), got[i].Seconds(), tick.Seconds(), "%d of %v", i, got)
	}
}

// wantNoRefusal: the robot, which knows WeCom's limit, took everything.
func (w *hours) wantNoRefusal() {
	w.Helper()
	assert.Equal(w, len(w.robots.Messages(w.key)), w.robots.Attempts(w.key))
}

func times(n int, f wecomtest.Fault) (all []wecomtest.Fault) {
	for range n {
		all = append(all, f)
	}
	return all
}
