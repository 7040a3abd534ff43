package alerting

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPingsDoNotOverruleThePolicy(t *testing.T) {
	d, err := HeartbeatDeclaration{Name: "sync", HeartbeatTerms: HeartbeatTerms{Period: time.Hour, Severity: "crit"}}.Check()
	require.NoError(t, err)
	h := d.Declare(nil, t0)
	assert.Equal(t, Critical, h.Severity)
	assert.Equal(t, 15*time.Minute, h.Grace)
	h = h.Ping(HeartbeatPing{Signal: SignalOK, HeartbeatTerms: HeartbeatTerms{Period: time.Minute, Service: "other"}}, at(time.Second))
	assert.Equal(t, time.Hour, h.Period)
	assert.Equal(t, "sync", h.Service)
	assert.True(t, d.Declares(h))
	d.Grace = of(time.Minute)
	assert.False(t, d.Declares(h))
}

func TestThePolicyTakesANameOverWithItsHistory(t *testing.T) {
	h := backup().Ping(HeartbeatPing{Signal: SignalOK, Note: "fine"}, at(time.Minute))
	d := HeartbeatDeclaration{Name: "backup", HeartbeatTerms: HeartbeatTerms{Period: time.Hour}}
	taken := d.Declare(&h, at(5*time.Minute))
	assert.Equal(t, FromPolicy, taken.Declared)
	assert.Equal(t, "fine", taken.Note)
	assert.Equal(t, at(time.Minute), taken.LastPingAt)
	assert.Equal(t, at(65*time.Minute), taken.Deadline, "a period that changed counts anew")
	assert.True(t, d.Declares(taken))
}

func TestAPingChangesWhatPingsDeclared(t *testing.T) {
	h := DeclareHeartbeat(FromPing, "x", HeartbeatTerms{Period: time.Hour}, t0)
	h = h.Ping(HeartbeatPing{Signal: SignalOK, HeartbeatTerms: HeartbeatTerms{Period: 2 * time.Minute, Service: "async"}}, at(time.Minute))
	assert.Equal(t, 2*time.Minute, h.Period)
	assert.Equal(t, 30*time.Second, h.Grace, "the default of the new period")
	assert.Equal(t, "async", h.Service)
	h = h.Ping(HeartbeatPing{Signal: SignalOK, HeartbeatTerms: HeartbeatTerms{Grace: of(time.Minute)}}, at(2*time.Minute))
	h = h.Ping(HeartbeatPing{Signal: SignalOK, HeartbeatTerms: HeartbeatTerms{Period: time.Hour}}, at(3*time.Minute))
	assert.Equal(t, time.Minute, h.Grace, "a grace that was named stays")
}

func TestEverythingWrongWithAPingIsNamed(t *testing.T) {
	_, err := HeartbeatPing{Name: "../etc", Signal: "maybe", HeartbeatTerms: HeartbeatTerms{
		Period: time.Millisecond, Grace: of(-time.Second), AlertType: strings.Repeat("长", 51), Service: strings.Repeat("长", 101), Severity: "purple",
	}}.Check()
	var invalid *InvalidError
	require.ErrorAs(t, err, &invalid)
	var fields []string
	for _, p := range invalid.Problems {
		fields = append(fields, p.Field)
	}
	assert.Equal(t, []string{"name", "signal", "period", "grace", "type", "service", "severity"}, fields)

	_, err = HeartbeatPing{Name: "x", Signal: SignalStart, Exit: of(int64(0))}.Check()
	assert.ErrorContains(t, err, "exit")
	_, err = HeartbeatDeclaration{Name: "x"}.Check()
	assert.ErrorContains(t, err, "period")
	for _, name := range []string{"", "-x", ".x", "a b", "a/b", "心跳", "a\n", strings.Repeat("a", 101)} {
		assert.Error(t, CheckHeartbeatName(name), name)
	}
	for _, name := range []string{"a", "nightly-backup.v2_x", strings.Repeat("a", 100)} {
		assert.NoError(t, CheckHeartbeatName(name), name)
	}
}

func TestANoteKeepsItsReadableEnd(t *testing.T) {
	long := strings.Repeat("长", 10_000) + "\x00\x1b[31mdisk full\r\n\xff"
	p, err := HeartbeatPing{Name: "x", Note: long}.Check()
	require.NoError(t, err)
	assert.Equal(t, SignalOK, p.Signal)
	assert.LessOrEqual(t, len(p.Note), MaxHeartbeatNote)
	assert.True(t, utf8.ValidString(p.Note))
	assert.True(t, strings.HasPrefix(p.Note, "…长"))
	assert.True(t, strings.HasSuffix(p.Note, "disk full\n\uFFFD"))
	assert.NotContains(t, p.Note, "\x00")
	assert.NotContains(t, p.Note, "\x1b")
}

func TestTheEventTellsTheEvidence(t *testing.T) {
	shanghai := time.FixedZone("", 8*3600)
	h := backup().Ping(HeartbeatPing{Signal: SignalOK}, at(5*time.Minute)).Judge(at(17 * time.Minute))
	ev := h.Event(Chinese, shanghai, at(17*time.Minute))
	assert.Equal(t, HeartbeatDown, ev.Type)
	assert.Equal(t, "backup", ev.Service)
	assert.Equal(t, Error, ev.Severity)
	assert.Equal(t, "心跳超时：backup", ev.Title)
	assert.Equal(t, "超过 12分钟 没有收到正常的心跳（周期 10分钟，宽限 2分钟），最近一次：2026-02-25 10:05:00。", ev.Message)
	assert.JSONEq(t, `{"heartbeat":"backup","lastPingTime":"2026-02-25 10:05:00","secondsSinceLastPing":720,"minutesSinceLastPing":12,"period":"10分钟","grace":"2分钟"}`, string(ev.Metadata))

	reminder := h.Settled(h.Seq, at(18*time.Minute)).Judge(at(27 * time.Minute))
	again := reminder.Event(Chinese, shanghai, at(27*time.Minute))
	assert.Equal(t, []string{ev.Title, ev.Message}, []string{again.Title, again.Message}, "a reminder has no other words: time alone is no news")

	up := reminder.Settled(reminder.Seq, at(27*time.Minute)).Ping(HeartbeatPing{Signal: SignalOK}, at(30*time.Minute))
	ev = up.Event(Chinese, shanghai, at(30*time.Minute))
	assert.True(t, ev.Resolved)
	assert.Contains(t, ev.Message, "13分钟")

	failed := backup().Ping(HeartbeatPing{Signal: SignalFail, Exit: of(int64(3)), Note: "disk full"}, at(time.Minute))
	ev = failed.Event(English, shanghai, at(time.Minute))
	assert.Equal(t, "job failed: backup", ev.Title)
	assert.Equal(t, "The job reported a failure, exit status 3.\ndisk full", ev.Message)
	var facts map[string]any
	require.NoError(t, json.Unmarshal(ev.Metadata, &facts))
	assert.EqualValues(t, 3, facts["exitCode"])
	assert.Equal(t, "disk full", facts["note"])

	started := backup().Ping(HeartbeatPing{Signal: SignalStart}, at(time.Minute)).Judge(at(3 * time.Minute))
	assert.Contains(t, started.Event(Chinese, shanghai, at(3*time.Minute)).Message, "任务于 2026-02-25 10:01:00 开始，2分钟 内没有报告结束")
	assert.Contains(t, of(backup().Judge(at(12*time.Minute))).Event(English, nil, at(12*time.Minute)).Message, "None was received since it was declared at 2026-02-25 02:00:00")
}

func TestEveryHeartbeatIsAWatch(t *testing.T) {
	h := backup()
	w := h.Watch(Chinese)
	assert.Equal(t, Watch{Kind: HeartbeatWatch, Name: "backup", State: WatchNew, Since: t0, AlertType: HeartbeatDown, Service: "backup",
		DeadlineAt: at(12 * time.Minute), Limit: 12 * time.Minute, Detail: "从未收到心跳"}, w)
	paused := h.Pause("李", at(time.Minute))
	assert.Equal(t, "已暂停，操作人 李", paused.Watch(Chinese).Detail)
	failed := h.Ping(HeartbeatPing{Signal: SignalOK, Exit: of(int64(2))}, at(time.Minute))
	assert.Equal(t, "the job reported a failure, exit status 2", failed.Watch(English).Detail)
}
