package alerting

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTheDefaultPatternKnowsATickersProgress(t *testing.T) {
	progress := []string{
		"Ticker synced", "2026-11-25 10:00:00 INFO ticker sync completed: 320 symbols", "Ticker数据同步成功", "[MarketTicker] 同步完成，耗时 12ms",
		"行情同步完成", "synced 320 tickers in 1.2s", "TICKER SYNC OK", "Ticker同步完成，成功 320，失败 0", "ticker sync done, errors: 0", "ticker sync done (0 failed)",
	}
	for _, line := range progress {
		assert.True(t, TickerLine().Matches([]byte(line)), line)
	}
	none := []string{
		"", "GET /health 200", "ticker", "order synced", "Ticker同步失败：连接超时", "ticker sync failed: timeout", "ticker sync error", "开始同步ticker", "Starting ticker sync",
		"Ticker同步监控服务已启动", "ticker sync: exception in thread", "Ticker同步完成，成功 318，失败 2", "ticker sync done, errors: 10", "Ticker同步未完成",
	}
	for _, line := range none {
		assert.False(t, TickerLine().Matches([]byte(line)), line)
	}
}

func TestAPatternOfOnesOwnIsTheOnlyRule(t *testing.T) {
	p := NewLinePattern(regexp.MustCompile(`tick \d+`))
	assert.True(t, p.Matches([]byte("tick 7 failed")))
	assert.False(t, p.Matches([]byte("Ticker synced")))
	assert.Equal(t, `tick \d+`, p.String())
	assert.False(t, LinePattern{}.Matches([]byte("anything")))
}

func TestALineThatIsAboutSomethingElseCostsLittle(t *testing.T) {
	line := []byte(`2026-11-25 10:00:00.123 INFO  [http-nio-8080-exec-7] c.a.OrderController - GET /api/orders/12345 200 in 12ms ok`)
	pattern := TickerLine()
	assert.Zero(t, testing.AllocsPerRun(100, func() { pattern.Matches(line) }))
}

func TestADeadlineIsThatOfTheNewestSign(t *testing.T) {
	start := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	rule := LogRule{Timeout: 3 * time.Minute, Interval: time.Minute}
	running := LogState{Running: true, RunSince: start, HeardSince: start}
	moved := running
	moved.Armed, moved.ProgressAt = true, at(10*time.Minute)
	before := moved
	before.ProgressAt = at(-time.Second)
	silent := moved
	silent.Silent, silent.RepeatAt = true, at(14*time.Minute)
	restarted := silent
	restarted.RunSince = at(13*time.Minute + 30*time.Second)
	warned := running
	warned.WarnedUnmatched = true
	late := running
	late.HeardSince = at(time.Hour)
	for name, c := range map[string]struct {
		state LogState
		at    time.Time
		due   Due
	}{
		"not running":                        {LogState{Armed: true}, time.Time{}, DueNothing},
		"never matched":                      {running, at(4 * time.Minute), DueUnmatched},
		"never matched, we came late":        {late, at(time.Hour + 3*time.Minute), DueUnmatched},
		"never matched, said so":             {warned, time.Time{}, DueNothing},
		"moved":                              {moved, at(13 * time.Minute), DueSilence},
		"moved in the run before":            {before, at(4 * time.Minute), DueSilence},
		"silent: again after the interval":   {silent, at(14 * time.Minute), DueSilence},
		"silent, restarted: after its grace": {restarted, at(17*time.Minute + 30*time.Second), DueSilence},
	} {
		got, due := c.state.Deadline(rule)
		assert.Equal(t, c.at, got, name)
		assert.Equal(t, c.due, due, name)
	}
	assert.Equal(t, 5*time.Second, LogRule{Timeout: 5 * time.Second}.Grace())
	assert.Equal(t, time.Minute, rule.Grace())
}

// A container that goes on after a pause is seen to run a moment after its first
// line: that line counts, or the next silence would be told late by a grace.
func TestTheFirstLineAfterAPauseCounts(t *testing.T) {
	start := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	rule := LogRule{Timeout: 5 * time.Second}
	runs, paused := &Container{ID: "a", Running: true, StartedAt: start}, &Container{ID: "a", Running: true, Paused: true, StartedAt: start}
	state := LogState{}.See(runs, start, start)
	state, _ = state.Progress(at(time.Minute), at(time.Minute))
	state = state.See(paused, at(time.Minute), at(time.Minute))
	state = state.See(paused, at(2*time.Minute), at(2*time.Minute)).See(runs, at(time.Hour), at(time.Hour))
	for line, want := range map[time.Duration]time.Duration{
		time.Hour - 20*time.Millisecond:    time.Hour - 20*time.Millisecond + 5*time.Second,
		time.Hour + 20*time.Millisecond:    time.Hour + 20*time.Millisecond + 5*time.Second,
		time.Minute + 100*time.Millisecond: time.Hour + 10*time.Second, // from before the pause, by clocks that do not quite agree
	} {
		next, _ := state.Progress(at(line), at(line))
		deadline, due := next.Deadline(rule)
		assert.Equal(t, DueSilence, due)
		assert.Equal(t, at(want), deadline, "a line at %s", line)
	}
}
