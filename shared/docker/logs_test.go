package docker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/docker/dockertest"
)

// kinds are the kinds of logs that there are.
var kinds = map[string]dockertest.Spec{
	"json-file":       {LogDriver: "json-file"},
	"json-file, TTY":  {LogDriver: "json-file", TTY: true},
	"local":           {LogDriver: "local"},
	"local, TTY":      {LogDriver: "local", TTY: true},
	"kept for syslog": {LogDriver: "syslog", LogOptions: map[string]string{"syslog-address": "udp://127.0.0.1:9"}},
}

// eachKind runs a test for each kind of log.
func eachKind(t *testing.T, args []string, test func(t *testing.T, e *docker.Engine, c *dockertest.Container)) {
	for name, spec := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec.Args = args
			test(t, open(t, dockertest.Require(t).Host), dockertest.Run(t, spec))
		})
	}
}

// seen collects what a log hands on.
type seen struct {
	mu     sync.Mutex
	stamps []time.Time
	texts  []string
	opened atomic.Bool
	done   chan error
}

func (s *seen) visit(l alerting.LogLine) {
	at, _ := l.At()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stamps, s.texts = append(s.stamps, at), append(s.texts, string(l.Text))
}

func (s *seen) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.texts...)
}

func (s *seen) count(text string) (n int) {
	for _, l := range s.lines() {
		if l == text {
			n++
		}
	}
	return n
}

// until waits for the log to hand on n lines with a text.
func (s *seen) until(t *testing.T, n int, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return s.count(text) >= n }, 20*time.Second, 5*time.Millisecond, "%d lines %q of %q", n, text, s.lines())
}

func (s *seen) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.done:
		return err
	case <-time.After(15 * time.Second):
		require.Fail(t, "the stream did not end")
		return nil
	}
}

func follow(ctx context.Context, t *testing.T, e *docker.Engine, c alerting.Container, since time.Time, backlog int) *seen {
	t.Helper()
	s := &seen{done: make(chan error, 1)}
	go func() { s.done <- e.FollowLog(ctx, c, since, backlog, func() { s.opened.Store(true) }, s.visit) }()
	require.Eventually(t, s.opened.Load, 10*time.Second, time.Millisecond)
	return s
}

func readAll(t *testing.T, e *docker.Engine, c alerting.Container, since time.Time) *seen {
	t.Helper()
	s := &seen{}
	require.NoError(t, e.ReadLog(t.Context(), c, since, s.visit))
	return s
}

func TestALogIsFollowedUntilItsContainerStops(t *testing.T) {
	eachKind(t, []string{"-tick", "100ms"}, func(t *testing.T, e *docker.Engine, c *dockertest.Container) {
		s := follow(t.Context(), t, e, inspect(t, e, c.Name), time.Time{}, -1)
		s.until(t, 5, "Ticker synced")
		assert.WithinDuration(t, time.Now(), s.stamps[len(s.stamps)-1], 2*time.Second, "stamped by the engine")
		c.Stop()
		require.NoError(t, s.end(t))
		assert.Equal(t, 1, s.count("told to stop: terminated"), "the last line before the end")
		c.Restart()
		assert.NotZero(t, readAll(t, e, inspect(t, e, c.Name), s.stamps[0]).count("Ticker synced"))
	})
}

func TestSinceIsInclusiveToTheNanosecond(t *testing.T) {
	eachKind(t, []string{"-tick", "50ms"}, func(t *testing.T, e *docker.Engine, c *dockertest.Container) {
		facts := inspect(t, e, c.Name)
		require.Eventually(t, func() bool { return len(readAll(t, e, facts, time.Time{}).texts) > 6 }, 10*time.Second, 50*time.Millisecond)
		all := readAll(t, e, facts, time.Time{})
		third := all.stamps[2]

		assert.Equal(t, third, readAll(t, e, facts, third).stamps[0])
		assert.Equal(t, all.stamps[3], readAll(t, e, facts, third.Add(1)).stamps[0])
		for since, first := range map[time.Time]time.Time{third: third, third.Add(1): all.stamps[3]} {
			s := follow(t.Context(), t, e, facts, since, -1)
			s.until(t, 1, "Ticker synced")
			assert.Equal(t, first, s.stamps[0])
		}
		c.Stop()
		assert.Empty(t, readAll(t, e, facts, time.Now().Add(time.Minute)).texts)
	})
}

func TestABacklogIsAsLongAsAskedFor(t *testing.T) {
	eachKind(t, []string{"-tick", "1h", "-line", "first"}, func(t *testing.T, e *docker.Engine, c *dockertest.Container) {
		facts := inspect(t, e, c.Name)
		for range 3 {
			c.Kill("HUP")
		}
		require.Eventually(t, func() bool { return len(readAll(t, e, facts, time.Time{}).texts) == 4 }, 10*time.Second, 50*time.Millisecond)
		for backlog, old := range map[int]int{0: 0, 2: 2, -1: 4, 100: 4} {
			s := follow(t.Context(), t, e, facts, time.Time{}, backlog)
			s.until(t, old, "first")
			time.Sleep(100 * time.Millisecond)
			assert.Equal(t, old, s.count("first"), "backlog %d", backlog)
		}
		s := follow(t.Context(), t, e, facts, time.Time{}, 0)
		c.Kill("HUP")
		s.until(t, 1, "first")
	})
}

func TestLongLinesArriveWhole(t *testing.T) {
	const long = 40_000 // three pieces
	eachKind(t, []string{"-tick", "300ms", "-long", fmt.Sprint(long), "-long-end", "Ticker synced at last"}, func(t *testing.T, e *docker.Engine, c *dockertest.Container) {
		want := strings.Repeat("x", long-len("Ticker synced at last")) + "Ticker synced at last"
		facts := inspect(t, e, c.Name)
		s := follow(t.Context(), t, e, facts, time.Time{}, -1)
		s.until(t, 3, "Ticker synced")
		s.until(t, 3, want)
		assert.Equal(t, []string{want, "Ticker synced", want, "Ticker synced"}, readAll(t, e, facts, time.Time{}).texts[:4])
		last, err := e.LastLines(t.Context(), facts, time.Time{}, 2)
		require.NoError(t, err)
		assert.Len(t, last, 2)
		assert.Contains(t, last, strings.Repeat("x", 2048))
	})
}

func TestALineBeyondTheLimitLosesItsEndOnly(t *testing.T) {
	eachKind(t, []string{"-tick", "300ms", "-long", "200000"}, func(t *testing.T, e *docker.Engine, c *dockertest.Container) {
		s := follow(t.Context(), t, e, inspect(t, e, c.Name), time.Time{}, -1)
		s.until(t, 3, "Ticker synced")
		assert.Equal(t, []string{strings.Repeat("x", alerting.MaxLogLine), "Ticker synced"}, s.lines()[:2])
	})
}

// twoStreams prints long lines to both streams at the same time.
const twoStreams = `package main

import ("bytes"; "os"; "sync"; "time")

func main() {
	var both sync.WaitGroup
	for _, out := range []*os.File{os.Stdout, os.Stderr} {
		letter := []byte{'o'}
		if out == os.Stderr { letter[0] = 'e' }
		both.Go(func() {
			for i := range 50 {
				if i % 40 == 39 { out.Write([]byte("\n")) } else { out.Write(bytes.Repeat(letter, 1000)) }
				time.Sleep(2 * time.Millisecond)
			}
			out.Write([]byte("\nend\n"))
		})
	}
	both.Wait()
}
`

func TestTheStreamsAreNotMixed(t *testing.T) {
	for _, driver := range []string{"json-file", "local"} {
		e := open(t, dockertest.Require(t).Host)
		c := dockertest.Run(t, dockertest.Spec{Image: dockertest.Image(t, twoStreams), LogDriver: driver})
		s := follow(t.Context(), t, e, inspect(t, e, c.Name), time.Time{}, -1)
		require.NoError(t, s.end(t))
		want := []string{"end", "end"}
		for _, letter := range []string{"o", "e"} {
			want = append(want, strings.Repeat(letter, 39_000), strings.Repeat(letter, 10_000))
		}
		assert.ElementsMatch(t, want, s.lines())
	}
}

func TestACutStreamIsAnErrorAndComesBack(t *testing.T) {
	eachKind(t, []string{"-tick", "50ms"}, func(t *testing.T, _ *docker.Engine, c *dockertest.Container) {
		proxy := dockertest.NewProxy(t, dockertest.Require(t))
		e := open(t, proxy.Host)
		facts := inspect(t, e, c.Name)
		s := follow(t.Context(), t, e, facts, time.Time{}, -1)
		s.until(t, 5, "Ticker synced")
		proxy.CutAll()
		var cut *docker.Error
		require.ErrorAs(t, s.end(t), &cut)
		assert.True(t, cut.Unreachable())
		assert.False(t, cut.Unreadable())

		again := follow(t.Context(), t, e, facts, s.stamps[len(s.stamps)-1].Add(1), -1)
		again.until(t, 5, "Ticker synced")
		c.Stop()
		require.NoError(t, again.end(t))
		assert.Equal(t, readAll(t, e, facts, time.Time{}).stamps, append(s.stamps, again.stamps...), "no line is lost, and none doubled")
	})
}

func TestTheEndOfAContextEndsALog(t *testing.T) {
	c := dockertest.Run(t, dockertest.Spec{Args: []string{"-tick", "1h"}})
	proxy := dockertest.NewProxy(t, dockertest.Require(t))
	e := open(t, proxy.Host)
	facts := inspect(t, e, c.Name)
	for name, hung := range map[string]bool{"of a quiet container": false, "behind a proxy that hangs": true} {
		ctx, cancel := context.WithCancel(t.Context())
		s := follow(ctx, t, e, facts, time.Time{}, -1)
		s.until(t, 1, "Ticker synced")
		proxy.Hang(hung)
		time.Sleep(50 * time.Millisecond) // the reader waits in a read
		cancel()
		start := time.Now()
		require.Equal(t, context.Canceled, s.end(t), name)
		assert.Less(t, time.Since(start), time.Second, name)
		require.Eventually(t, func() bool { return hung || proxy.Conns() <= 1 }, 5*time.Second, 10*time.Millisecond, "its connection is closed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := e.ReadLog(ctx, facts, facts.StartedAt, func(alerting.LogLine) {})
	require.ErrorIs(t, err, context.DeadlineExceeded, "a second read has its own end")
	var late *docker.Error
	require.ErrorAs(t, err, &late)
	assert.True(t, late.Unreachable())
}

func TestALogThatNobodyCanReadSaysSo(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	for name, spec := range map[string]dockertest.Spec{
		"none":            {LogDriver: "none"},
		"only for syslog": {LogDriver: "syslog", LogOptions: map[string]string{"syslog-address": "udp://127.0.0.1:9", "cache-disabled": "true"}},
	} {
		c := dockertest.Run(t, spec)
		facts := inspect(t, e, c.Name)
		_, last := e.LastLines(t.Context(), facts, time.Time{}, 3)
		for _, err := range []error{
			last, e.ReadLog(t.Context(), facts, facts.StartedAt, nil), e.FollowLog(t.Context(), facts, time.Time{}, 0, nil, nil),
		} {
			var no *docker.Error
			require.ErrorAs(t, err, &no, name)
			assert.True(t, no.Unreadable(), "%s: %s", name, no)
		}
	}
	err := e.ReadLog(t.Context(), alerting.Container{ID: strings.Repeat("0", 64)}, time.Time{}, nil)
	var no *docker.Error
	require.ErrorAs(t, err, &no)
	assert.True(t, no.Refused())
	assert.False(t, no.Unreadable(), "no such container")
}

func TestALogOutlivesItsContainersEnd(t *testing.T) {
	eachKind(t, []string{"-tick", "1h", "-exit-after", "50ms"}, func(t *testing.T, e *docker.Engine, c *dockertest.Container) {
		c.Until(10*time.Second, "ended", func(s dockertest.State) bool { return !s.Running })
		facts := inspect(t, e, c.Name)
		s := follow(t.Context(), t, e, facts, time.Time{}, -1)
		require.NoError(t, s.end(t), "it does not wait for what never comes")
		assert.Equal(t, []string{"Ticker synced"}, s.texts)
		assert.Equal(t, s.texts, readAll(t, e, facts, time.Time{}).texts)
		last, err := e.LastLines(t.Context(), facts, time.Time{}, 5)
		require.NoError(t, err)
		assert.Equal(t, s.texts, last)
	})
}

func TestLastLines(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	c := dockertest.Run(t, dockertest.Spec{Args: []string{"-tick", "1h", "-line", "bad \xff 行情"}})
	facts := inspect(t, e, c.Name)
	c.Kill("TERM") // ends it, with one more line
	c.Until(10*time.Second, "ended", func(s dockertest.State) bool { return !s.Running })
	for n, want := range map[int][]string{0: nil, 1: {"told to stop: terminated"}, 9: {"bad \uFFFD 行情", "told to stop: terminated"}} {
		got, err := e.LastLines(t.Context(), facts, time.Time{}, n)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	all := readAll(t, e, facts, time.Time{})
	got, err := e.LastLines(t.Context(), facts, all.stamps[1], 9)
	require.NoError(t, err)
	assert.Equal(t, []string{"told to stop: terminated"}, got, "only what is newer than since")
}
