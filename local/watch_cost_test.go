package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pinger sends heartbeats at a pace.
type pinger struct {
	t      testing.TB
	client *http.Client
	base   string // of the server
}

func newPinger(t testing.TB, base string) *pinger {
	return &pinger{t: t, base: base, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

// ping sends one, and gives until when the heartbeat is not down.
func (p *pinger) ping(name string, period, grace time.Duration) (downFrom string, err error) {
	res, err := p.client.Get(fmt.Sprintf("%s/api/heartbeats/%s?period=%s&grace=%s", p.base, name, period, grace))
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", errors.New(res.Status + ": " + string(body))
	}
	var answer struct{ Data struct{ DownFrom string } }
	return answer.Data.DownFrom, json.Unmarshal(body, &answer)
}

// pace sends n pings at so many a second, to names in turn, and gives how long
// that took.
func (p *pinger) pace(n int, perSecond float64, period, grace time.Duration, name func(int) string) time.Duration {
	p.t.Helper()
	var next, failed atomic.Int64
	began := time.Now()
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				time.Sleep(time.Until(began.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))))
				if _, err := p.ping(name(int(i)), period, grace); err != nil && failed.Add(1) == 1 {
					p.t.Errorf("a ping failed: %v", err)
				}
			}
		})
	}
	all.Wait()
	require.Zero(p.t, failed.Load(), "pings that failed, of %d", n)
	return time.Since(began)
}

const thousand = 1000

func living(i int) string { return fmt.Sprintf("living-%d", i%thousand) }

// A thousand services that ping every minute cost at most 5 % of one core, and
// who dies is told within a second of the deadline.
func TestWatchAThousandHeartbeatsCostLittle(t *testing.T) {
	s := launch(t, "REMEDIATION_MODE=off", "ASYNC_MONITOR_LOG_PATTERN=off")
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	p := newPinger(t, s.url)
	p.pace(thousand, 500, time.Minute, 10*time.Second, living)

	const dying = 20
	period, during := either(6*time.Second, time.Minute), either(20*time.Second, 2*time.Minute)
	deadlines := map[string]string{}
	for n := range dying {
		name := fmt.Sprintf("dying-%d", n)
		deadline, err := p.ping(name, period, 2*time.Second)
		require.NoError(t, err)
		deadlines[name] = deadline
		time.Sleep(97 * time.Millisecond) // each has a deadline of its own
	}
	const perSecond = thousand / 60.0
	before := processorTime(t, s.cmd.Process.Pid)
	took := p.pace(int(perSecond*during.Seconds()), perSecond, time.Minute, 10*time.Second, living)
	share := 100 * (processorTime(t, s.cmd.Process.Pid) - before).Seconds() / took.Seconds()

	var late []time.Duration
	for _, alert := range allAlerts(t, s) {
		name := alert["serviceName"].(string)
		require.Contains(t, deadlines, name, "an alarm about a service that lives")
		deadline, err := time.Parse(time.RFC3339, deadlines[name])
		require.NoError(t, err)
		late = append(late, at(t, alert, "createdAt").Sub(deadline))
	}
	require.Len(t, late, dying)
	assert.GreaterOrEqual(t, quantile(late, 0), -time.Millisecond, "not before the deadline; times are cut to a millisecond")
	assert.LessOrEqual(t, quantile(late, 1), time.Second)
	assert.LessOrEqual(t, share, 5.0, "per cent of one core")
	t.Logf("figures: %d heartbeats every 60 s: %.2f %% of one core over %s; deadline → DOWN: %s", thousand+dying, share, took.Round(time.Second), spread(late))
}

// A thousand pings a second: the processor time of one is at most three times
// that of a bare server's answer to the same request, by the same client.
func TestWatchAPingCostsLittleMoreThanAnAnswer(t *testing.T) {
	s := launch(t, "REMEDIATION_MODE=off", "ASYNC_MONITOR_LOG_PATTERN=off")
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	url, pid := bareServer(t)
	n := either(10_000, 30_000)
	cost := func(url string, pid int) (each time.Duration, perSecond float64) {
		p := newPinger(t, url)
		p.pace(thousand, thousand, time.Minute, 10*time.Second, living) // connections stand, heartbeats are declared
		before := processorTime(t, pid)
		took := p.pace(n, thousand, time.Minute, 10*time.Second, living)
		return (processorTime(t, pid) - before) / time.Duration(n), float64(n) / took.Seconds()
	}
	bare, _ := cost(url, pid)
	ours, rate := cost(s.url, s.cmd.Process.Pid)
	require.Positive(t, bare)
	ratio := float64(ours) / float64(bare)
	t.Logf("figures: %.0f pings a second, processor time of one: %s, a bare server's %s: %.2f times (n=%d)", rate, ours, bare, ratio, n)
	assert.LessOrEqual(t, ratio, either(4.0, 3.0))
}

// bareServer runs the bench's yardstick: net/http and encoding/json, and nothing
// kept.
func bareServer(t testing.TB) (url string, pid int) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "bench")
	build := exec.Command("go", "build", "-o", program, "./bench")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	cmd := exec.Command(program, "bare-server")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan(), "it says where it listens")
	return lines.Text(), cmd.Process.Pid
}
