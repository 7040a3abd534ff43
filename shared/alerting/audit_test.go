package alerting

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var auditNow = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return auditNow.Add(-d) }

func TestWordsAreStuckWhenNobodyLooksAfterTheirRobot(t *testing.T) {
	for name, c := range map[string]struct {
		lane  Lane
		stuck bool
	}{
		"due for five minutes, and the robot was never sent anything": {Lane{Since: ago(5 * time.Minute)}, true},
		"due for a little less":                           {Lane{Since: ago(5*time.Minute - time.Second)}, false},
		"the robot was sent something lately":             {Lane{Since: ago(50 * time.Minute), LastSent: ago(4 * time.Minute)}, false},
		"and nothing since the word was due":              {Lane{Since: ago(50 * time.Minute), LastSent: ago(6 * time.Minute)}, true},
		"the robot rests":                                 {Lane{Robot: Robot{PausedUntil: auditNow.Add(time.Second)}, Since: ago(time.Hour)}, false},
		"its rest is over":                                {Lane{Robot: Robot{PausedUntil: auditNow, Failures: 3}, Since: ago(time.Hour)}, true},
		"it is broken, which people were told":            {Lane{Robot: Robot{Broken: true}, Since: ago(24 * time.Hour)}, false},
		"others went at its time, and it did not for 1 h": {Lane{Since: ago(time.Hour), LastSent: ago(time.Second), Passed: true}, true},
		"a little less":                                   {Lane{Since: ago(time.Hour - time.Second), LastSent: ago(time.Second), Passed: true}, false},
		"nothing went at its time: we were away":          {Lane{Since: ago(3 * time.Hour), LastSent: ago(time.Second)}, false},
		"the robot fails now and then":                    {Lane{Robot: Robot{Failures: 1}, Since: ago(3 * time.Hour), LastSent: ago(time.Second), Passed: true}, false},
	} {
		assert.Equal(t, c.stuck, c.lane.Stuck(auditNow), name)
	}
}

func TestARemediationIsLateBeyondAllItsLimits(t *testing.T) {
	p := DefaultPolicy()
	rule := p.Rule(TickerSyncTimeout)
	rule.Guard.EngineWait = 2 * time.Minute
	p.Rules[TickerSyncTimeout] = rule
	proof := rule.Verify.Stable + rule.Verify.Healthy + rule.Verify.Steady + rule.Symptom
	const beyond, slack = time.Hour, time.Second
	for name, c := range map[string]struct {
		r    Remediation
		due  time.Time
		late bool
	}{
		"requested, waits for its engine":             {Remediation{Status: Requested, RequestedAt: ago(7*time.Minute + 29*time.Second)}, time.Time{}, false},
		"requested, and its host did not end it":      {Remediation{Status: Requested, RequestedAt: ago(7*time.Minute + 30*time.Second)}, time.Time{}, true},
		"requested long ago, and due again just now":  {Remediation{Status: Requested, RequestedAt: ago(30 * time.Minute)}, ago(time.Second), false},
		"requested, and due again for ever":           {Remediation{Status: Requested, RequestedAt: ago(beyond + 150*time.Second)}, ago(time.Second), true},
		"begun, and its host is away for ten minutes": {Remediation{Status: Running, RequestedAt: ago(30 * time.Minute)}, ago(15*time.Minute - slack), false},
		"begun, and nobody looked":                    {Remediation{Status: Verifying, RequestedAt: ago(30 * time.Minute)}, ago(15 * time.Minute), true},
		"its call may take long":                      {Remediation{Status: Running, RequestedAt: ago(5 * time.Hour), CallLimit: auditNow.Add(time.Minute)}, auditNow.Add(time.Minute), false},
		"being proven":                                {Remediation{Status: Verifying, RequestedAt: ago(beyond + proof - slack)}, auditNow, false},
		"being proven for ever":                       {Remediation{Status: Verifying, RequestedAt: ago(beyond + proof)}, auditNow, true},
	} {
		assert.Equal(t, c.late, p.Late(&c.r, TickerSyncTimeout, c.due, auditNow), name)
	}
}

func found(checks ...Check) (all []Finding) {
	for _, c := range checks {
		all = append(all, Finding{Check: c, Count: 3, Since: ago(time.Hour), Example: 12})
	}
	return all
}

func inARow(s Standing) map[Check]int {
	all := map[Check]int{}
	for _, f := range s.Findings {
		all[f.Check] = f.Times
	}
	return all
}

func TestOnlyWhatIsFoundTwiceInARowCounts(t *testing.T) {
	var s Standing
	require.False(t, s.Clean(auditNow), "nobody has looked yet")

	s = s.Judge(Audit{At: auditNow, Compared: true, Findings: found(OwedCheck, LateWords)})
	require.Empty(t, s.Stuck())
	require.True(t, s.Unsure(), "so that it is compared again soon")
	require.False(t, s.Clean(auditNow))

	s = s.Judge(Audit{At: auditNow, Findings: found(LateWords)})
	require.Equal(t, map[Check]int{OwedCheck: 1, LateWords: 2}, inARow(s), "a look that compared nothing says nothing of differences")
	require.Equal(t, []Check{LateWords}, []Check{s.Stuck()[0].Check})
	require.True(t, s.Unsure())

	s = s.Judge(Audit{At: auditNow, Compared: true, Findings: found(OwedCheck)})
	require.Equal(t, map[Check]int{OwedCheck: 2}, inARow(s), "the words went: away at once")
	require.False(t, s.Unsure())
	s = s.Judge(Audit{At: auditNow, Findings: found(LateWords)})
	require.Equal(t, map[Check]int{OwedCheck: 2, LateWords: 1}, inARow(s), "not in a row: from the beginning")

	s = s.Judge(Audit{At: auditNow, Compared: true})
	require.Empty(t, s.Findings)
	require.True(t, s.Clean(auditNow.Add(5*time.Minute-1)))
	require.False(t, s.Clean(auditNow.Add(5*time.Minute)), "nobody has looked for too long")
}

func TestTheAuditorsAlarm(t *testing.T) {
	stuck := Standing{At: auditNow, Findings: []Finding{{Check: LateWords, Count: 3, Since: ago(time.Hour), Example: 12, Times: 2}}}
	once := Standing{At: auditNow, Findings: []Finding{{Check: LateWords, Count: 3, Times: 1}}}
	clean := Standing{At: auditNow}
	open := AuditAlarm{Known: true, Open: true, At: ago(time.Minute), About: "words"}
	for name, c := range map[string]struct {
		s     Standing
		told  AuditAlarm
		event string // firing, resolved or none
		after AuditAlarm
	}{
		"nobody has looked yet":                        {Standing{}, AuditAlarm{}, "none", AuditAlarm{}},
		"all is well at the start: an old alarm ends":  {clean, AuditAlarm{}, "resolved", AuditAlarm{Known: true}},
		"all is well, as was said":                     {clean, AuditAlarm{Known: true}, "none", AuditAlarm{Known: true}},
		"found once":                                   {once, AuditAlarm{}, "none", AuditAlarm{}},
		"found once while the alarm is open":           {once, open, "none", open},
		"found twice":                                  {stuck, AuditAlarm{Known: true}, "firing", AuditAlarm{Known: true, Open: true, At: auditNow, About: "words"}},
		"the same a minute later":                      {stuck, open, "none", open},
		"the same ten minutes later: the alert is one": {stuck, AuditAlarm{Known: true, Open: true, At: ago(10 * time.Minute), About: "words"}, "firing", AuditAlarm{Known: true, Open: true, At: auditNow, About: "words"}},
		"something else as well":                       {stuck, AuditAlarm{Known: true, Open: true, At: auditNow, About: "owed"}, "firing", AuditAlarm{Known: true, Open: true, At: auditNow, About: "words"}},
		"over":                                         {clean, open, "resolved", AuditAlarm{Known: true}},
	} {
		ev, after := c.s.Alarm(c.told, Chinese, time.UTC)
		assert.Equal(t, c.after, after, name)
		switch {
		case ev == nil:
			assert.Equal(t, "none", c.event, name)
		case ev.Resolved:
			assert.Equal(t, "resolved", c.event, name)
		default:
			assert.Equal(t, "firing", c.event, name)
			assert.Equal(t, TradeMonitorStuck, ev.Type)
			assert.Equal(t, "3 条通知早该发送（最早 2026-11-25 09:00:00，如通知 12）\n请运行 trade-monitor doctor；说明见 docs/audit.md。", ev.Message)
		}
	}
}

func TestEveryCheckHasItsWords(t *testing.T) {
	for _, check := range slices.Concat(Differences, Lates) {
		for _, lang := range []Language{Chinese, English} {
			text := Finding{Check: check, Count: 7}.Text(lang, nil)
			assert.Equal(t, 1, strings.Count(text, "7"), "%s: %s", check, text)
			assert.NotContains(t, text, "%", check)
		}
	}
	text := Finding{Check: LateMessages, Count: 2, Since: auditNow, Example: 5}.Text(English, nil)
	assert.Equal(t, "2 messages are left SENDING (since 2026-11-25 10:00:00, such as message 5)", text)
}
