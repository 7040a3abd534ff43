package alerting

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 2, 25, 4, 0, 0, 0, time.UTC)

const service = "aifuturetrade-async-service"

func testPolicy(changes ...func(*Policy)) *Policy {
	p := DefaultPolicy()
	p.Fallback = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=test"
	for _, change := range changes {
		change(&p)
	}
	return &p
}

func event(changes ...func(*Event)) Event {
	ev := Event{Type: TickerSyncTimeout, Service: service, Severity: Error, Title: "t", Message: "m"}
	for _, change := range changes {
		change(&ev)
	}
	return ev
}

// opened is the alert that an event opened, some time ago.
func opened(p *Policy, ago time.Duration, changes ...func(*Alert)) *Alert {
	c, _ := Decide(State{}, event(), p, nil, noon.Add(-ago))
	a := *c.Alert
	a.ID = 7
	for _, change := range changes {
		change(&a)
	}
	return &a
}

func TestAnEventOpensAnAlertTellsAndActs(t *testing.T) {
	p := testPolicy()
	c, receipt := Decide(State{}, event(), p, nil, noon)
	require.NotNil(t, c.Alert)
	assert.Equal(t, Open, c.Alert.Status)
	assert.Equal(t, Fingerprint(TickerSyncTimeout, service), c.Alert.Fingerprint)
	assert.EqualValues(t, 1, c.Alert.Occurrences)
	assert.Nil(t, c.Event, "the alert itself keeps the first event's words")
	require.Len(t, c.Notifications, 1)
	assert.Equal(t, Firing, c.Notifications[0].Kind)
	assert.Equal(t, Pending, c.Notifications[0].Status)
	assert.Equal(t, noon, c.Notifications[0].NextAt)
	require.NotNil(t, c.Remediation)
	assert.Equal(t, Requested, c.Remediation.Status)
	assert.Equal(t, Restart, c.Remediation.Action)
	assert.Equal(t, service, c.Remediation.Container)
	assert.Equal(t, noon, c.Remediation.NextAt)
	assert.Equal(t, "told", c.Decision.Word.Code)
	assert.Equal(t, "requested", c.Decision.Remedy.Code)
	assert.Equal(t, []string{"WECHAT_WEBHOOK_URL"}, receipt.Groups)
	assert.Equal(t, Requested, receipt.RemediationStatus)
}

func TestEveryCombinationOfWordAndRemedy(t *testing.T) {
	restarts := restarted
	words := map[string]struct {
		alert  func(*Alert)
		policy func(*Policy)
		event  func(*Event)
	}{
		"told":        {alert: func(a *Alert) { a.Words.At = noon.Add(-30 * time.Minute) }},
		"repeat_wait": {},
		"no_group":    {policy: func(p *Policy) { p.Fallback = "" }},
	}
	remedies := map[string]struct {
		ledger Ledger
		policy func(*Policy)
		alert  func(*Alert)
		event  func(*Event)
	}{
		"requested":   {},
		"":            {policy: func(p *Policy) { p.Rules = nil }},
		"mode_off":    {policy: func(p *Policy) { p.Mode = Off }},
		"not_allowed": {policy: func(p *Policy) { p.Containers = nil }},
		"bad_target":  {event: func(ev *Event) { ev.Service = "not a name" }, alert: func(a *Alert) { a.Service = "not a name" }},
		"under_way":   {ledger: Ledger{Active: &Remediation{RequestedAt: noon}}},
		"cooldown":    {ledger: restarts(4 * time.Minute)},
		"budget":      {ledger: restarts(50*time.Minute, 30*time.Minute, 10*time.Minute)},
	}
	for word, w := range words {
		for remedy, r := range remedies {
			t.Run(word+"+"+remedy, func(t *testing.T) {
				p, ev := testPolicy(), event()
				alert := opened(p, 10*time.Minute)
				for _, change := range []func(*Policy){w.policy, r.policy} {
					if change != nil {
						change(p)
					}
				}
				for _, change := range []func(*Alert){w.alert, r.alert} {
					if change != nil {
						change(alert)
					}
				}
				if r.event != nil {
					r.event(&ev)
				}
				c, receipt := Decide(State{Alert: alert, Ledger: r.ledger}, ev, p, nil, noon)
				assert.Equal(t, word, c.Decision.Word.Code)
				assert.Equal(t, remedy, c.Decision.Remedy.Code)
				requireReceipt(t, receipt, c, word, remedy)
				outcome := remedy == "budget" && word == "repeat_wait"
				assert.Equal(t, word == "told" || outcome, len(c.Notifications) > 0, "an open breaker asks a person")
				assert.Equal(t, remedy == "cooldown" || remedy == "under_way", !c.Alert.RecheckAt.IsZero())
				if remedy != "" && remedy != "requested" {
					assert.Equal(t, Skipped, c.Remediation.Status)
					assert.Equal(t, noon, c.Remediation.EndedAt)
				}
			})
		}
	}
}

func requireReceipt(t *testing.T, r Receipt, c Change, word, remedy string) {
	t.Helper()
	assert.EqualValues(t, 2, r.Occurrences)
	assert.Equal(t, word == "told", len(r.Groups) > 0)
	if word != "told" {
		assert.Equal(t, word, r.NotTold.Code)
	}
	switch remedy {
	case "":
		assert.Equal(t, "no_action", r.NotRemedied.Code)
		assert.Empty(t, r.RemediationStatus)
		assert.Nil(t, c.Remediation)
	case "requested":
		assert.Equal(t, Requested, r.RemediationStatus)
		assert.True(t, r.NotRemedied.IsZero())
	default:
		assert.Equal(t, Skipped, r.RemediationStatus)
		assert.Equal(t, remedy, r.NotRemedied.Code)
	}
}

func TestARefusalIsRecordedOnceWhateverComesBetween(t *testing.T) {
	p := testPolicy()
	ledger := restarted(50*time.Minute, 30*time.Minute, 10*time.Minute)
	first, _ := Decide(State{Alert: opened(p, time.Minute), Ledger: ledger}, event(), p, nil, noon)
	require.NotNil(t, first.Remediation)
	require.Len(t, first.Notifications, 1)
	delivered := Told(*first.Alert, Notification{Status: Sent, GroupName: "g"}, Chinese, noon)
	taken, err := Acknowledge(*delivered.Alert, "li", noon)
	require.NoError(t, err)
	again, receipt := Decide(State{Alert: taken.Alert, Ledger: ledger}, event(), p, nil, noon)
	assert.Nil(t, again.Remediation)
	assert.Empty(t, again.Notifications, "a person is asked once")
	assert.Equal(t, "budget", receipt.NotRemedied.Code)
}

func TestEqualDecisionsInARowCountUp(t *testing.T) {
	p := testPolicy(func(p *Policy) { p.Rules = nil })
	a := opened(p, time.Minute)
	first, _ := Decide(State{Alert: a}, event(), p, nil, noon)
	second, _ := Decide(State{Alert: first.Alert}, event(), p, nil, noon)
	assert.Equal(t, 2, first.Decision.Seq)
	assert.Equal(t, 2, second.Decision.Seq)
	worse, _ := Decide(State{Alert: second.Alert}, event(func(ev *Event) { ev.Severity = Critical }), p, nil, noon)
	assert.Equal(t, 3, worse.Decision.Seq)
	assert.Equal(t, Critical, worse.Alert.Severity)
	milder, _ := Decide(State{Alert: worse.Alert}, event(func(ev *Event) { ev.Severity = Info }), p, nil, noon)
	assert.Equal(t, Critical, milder.Alert.Severity)
}

func TestTheIncidentGap(t *testing.T) {
	p := testPolicy()
	within, _ := Decide(State{Alert: opened(p, p.IncidentGap-1)}, event(), p, nil, noon)
	assert.Nil(t, within.Stale)
	beyond, receipt := Decide(State{Alert: opened(p, p.IncidentGap)}, event(), p, nil, noon)
	require.NotNil(t, beyond.Stale)
	assert.Equal(t, Resolved, beyond.Stale.Status)
	assert.EqualValues(t, 7, beyond.StaleDecision.AlertID)
	assert.Zero(t, beyond.Alert.ID)
	assert.EqualValues(t, 1, receipt.Occurrences)
	over, _ := Decide(State{Alert: opened(p, p.IncidentGap)}, event(func(ev *Event) { ev.Resolved = true }), p, nil, noon)
	assert.Nil(t, over.Stale, "an end opens nothing")
	assert.Equal(t, Resolved, over.Alert.Status)
}

func TestASuccessIsDisprovedOnlyByItsOwnSymptomInTime(t *testing.T) {
	p := testPolicy()
	last := Remediation{ID: 3, Status: Succeeded, Fingerprint: Fingerprint(TickerSyncTimeout, service), EndedAt: noon.Add(-5*time.Minute + time.Second)}
	for name, c := range map[string]struct {
		change    func(*Remediation)
		disproved bool
	}{
		"in time":           {func(*Remediation) {}, true},
		"too late":          {func(r *Remediation) { r.EndedAt = noon.Add(-5 * time.Minute) }, false},
		"of another alert":  {func(r *Remediation) { r.Fingerprint = "other" }, false},
		"failed already":    {func(r *Remediation) { r.Status = Failed }, false},
		"outcome not known": {func(r *Remediation) { r.Status = UnknownOutcome }, false},
	} {
		r := last
		c.change(&r)
		change, _ := Decide(State{Ledger: Ledger{Last: &r}}, event(), p, nil, noon)
		require.Equal(t, c.disproved, change.Disproved != nil, name)
		if c.disproved {
			assert.Equal(t, Failed, change.Disproved.Status)
			assert.Equal(t, Succeeded, r.Status, "the caller's is left alone")
			assert.Contains(t, change.Decision.Note, "同样的症状再次出现")
		}
	}
}

func TestTheEndIsToldToWhoHeardOfTheBeginning(t *testing.T) {
	p, ending := testPolicy(), event(func(ev *Event) { ev.Resolved = true })
	for name, c := range map[string]struct {
		alert  func(*Alert)
		policy func(*Policy)
		word   string
	}{
		"told":         {func(*Alert) {}, func(*Policy) {}, "told"},
		"was not told": {func(a *Alert) { a.Words = Words{} }, func(*Policy) {}, "was_not_told"},
		"nobody left":  {func(*Alert) {}, func(p *Policy) { p.Fallback = "" }, "no_group"},
	} {
		q := *p
		c.policy(&q)
		change, receipt := Decide(State{Alert: opened(p, time.Minute, c.alert)}, ending, &q, nil, noon)
		assert.Equal(t, c.word, change.Decision.Word.Code, name)
		assert.Equal(t, c.word == "told", len(change.Notifications) == 1, name)
		assert.Equal(t, Resolved, receipt.Status, name)
		assert.EqualValues(t, 1, receipt.Occurrences, name)
	}
	nothing, receipt := Decide(State{}, ending, p, nil, noon)
	assert.Equal(t, Change{}, nothing)
	assert.Equal(t, "not_opened", receipt.NotTold.Code)
}

func TestRecheck(t *testing.T) {
	p := testPolicy()
	three := restarted(50*time.Minute, 30*time.Minute, 10*time.Minute)
	for name, c := range map[string]struct {
		alert  *Alert
		ledger Ledger
		remedy string
		words  int
	}{
		"the symptom is there":      {opened(p, 4*time.Minute), Ledger{}, "requested", 0},
		"the symptom is gone":       {opened(p, 5*time.Minute), Ledger{}, "symptom_gone", 0},
		"another restart came":      {opened(p, time.Minute), restarted(time.Minute), "cooldown", 0},
		"the budget is used up now": {opened(p, time.Minute), three, "budget", 1},
		"the alert is over":         {opened(p, time.Minute, func(a *Alert) { a.finish(noon) }), Ledger{}, "", 0},
	} {
		change := Recheck(State{Alert: c.alert, Ledger: c.ledger}, p, nil, noon)
		if c.remedy == "" {
			assert.Nil(t, change.Decision, name)
			continue
		}
		assert.Equal(t, c.remedy, change.Decision.Remedy.Code, name)
		assert.Equal(t, c.remedy == "cooldown", !change.Alert.RecheckAt.IsZero(), name)
		assert.Len(t, change.Notifications, c.words, name)
	}
}

func TestFingerprint(t *testing.T) {
	assert.Len(t, Fingerprint("A", "b"), 32)
	all := map[string]bool{}
	for _, f := range []string{
		Fingerprint("A", "b"), Fingerprint("Ab", ""), Fingerprint("", "Ab"), Fingerprint("A", "b", ""), Fingerprint("A", "b", "c"),
		Fingerprint("A", "bc"), Fingerprint("A", "b", "c", ""), Fingerprint("A", "b", "", "c"), Fingerprint("A", "B"),
	} {
		assert.False(t, all[f], "no two identities share one")
		all[f] = true
	}
	p := testPolicy(func(p *Policy) { p.Default.Labels = []string{"shard", "missing"} })
	one := Event{Type: "X", Service: "s", Metadata: []byte(`{"shard": 1, "noise": 5}`)}
	two := Event{Type: "X", Service: "s", Metadata: []byte(`{"noise": 6, "shard": 1}`)}
	three := Event{Type: "X", Service: "s", Metadata: []byte(`{"shard": "2"}`)}
	assert.Equal(t, p.Fingerprint(&one), p.Fingerprint(&two))
	assert.NotEqual(t, p.Fingerprint(&one), p.Fingerprint(&three))
}

func TestEventSlot(t *testing.T) {
	for n, slot := range map[int64]int{1: 0, 2: 1, 50: 49, 51: 50, 100: 99, 101: 50, 150: 99, 151: 50, 1_000_000: 99} {
		assert.Equal(t, slot, EventSlot(n), "event %d", n)
	}
}

func TestPeople(t *testing.T) {
	p := testPolicy()
	a := opened(p, time.Minute)
	taken, err := Acknowledge(*a, "li", noon)
	require.NoError(t, err)
	assert.Equal(t, Acknowledged, taken.Alert.Status)
	same, err := Acknowledge(*taken.Alert, "wang", noon)
	require.NoError(t, err)
	assert.Equal(t, Change{}, same)
	over, err := Resolve(State{Alert: taken.Alert}, "li", p, nil, noon)
	require.NoError(t, err)
	assert.Equal(t, Resolved, over.Alert.Status)
	assert.Equal(t, Reason{Code: "by_person", Detail: "li"}, over.Decision.Remedy)
	_, err = Acknowledge(*over.Alert, "li", noon)
	var refused *RefusedError
	require.ErrorAs(t, err, &refused)
	nothing, err := Resolve(State{Alert: over.Alert}, "li", p, nil, noon)
	require.NoError(t, err)
	assert.Equal(t, Change{}, nothing)
	again, err := Handle(State{Alert: over.Alert, Ledger: restarted(0, 0, 0)}, "li", p, noon)
	require.NoError(t, err, "a person overrides cooldown and budget")
	assert.Equal(t, "li", again.Remediation.RequestedBy)
}

func TestWhyNobodyIsTold(t *testing.T) {
	const robot = Secret("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=test-robot")
	ev := Event{Type: "ANY", Service: "s", Severity: Error, Title: "t", Message: "m"}
	policy := DefaultPolicy()
	_, receipt := Decide(State{}, ev, &policy, nil, noon)
	assert.Equal(t, "no_group", receipt.NotTold.Code)

	policy.Fallback = robot
	off := []Group{{ID: 1, Name: "off", Webhook: robot}}
	_, receipt = Decide(State{}, ev, &policy, off, noon)
	assert.Equal(t, "switched_off", receipt.NotTold.Code, "it is configured, and a person switched it off")

	opened, _ := Decide(State{}, ev, &policy, nil, noon)
	taken, err := Acknowledge(*opened.Alert, "li", noon)
	require.NoError(t, err)
	_, receipt = Decide(State{Alert: taken.Alert}, ev, &policy, nil, noon.Add(time.Minute))
	assert.Equal(t, Reason{Code: "in_hand"}, receipt.NotTold)
}

// What one remediation keeps another alert from is not forgotten when it ends:
// no further event may come.
func TestWhatAnotherRemediationHeldUpIsDecidedAgain(t *testing.T) {
	p := testPolicy()
	other := &Remediation{AlertID: 9, RequestedAt: noon}
	c, _ := Decide(State{Ledger: Ledger{Active: other}}, event(), p, nil, noon)
	require.Equal(t, "under_way", c.Decision.Remedy.Code)
	require.Equal(t, noon.Add(5*time.Minute), c.Alert.RecheckAt, "when its cooldown ends")

	at := noon.Add(5 * time.Minute) // it lasts
	c = Recheck(State{Alert: c.Alert, Symptom: SymptomStays, Ledger: Ledger{Active: other}}, p, nil, at)
	require.Equal(t, at.Add(stillUnderWay), c.Alert.RecheckAt)
	require.Nil(t, c.Remediation, "refused as before: the trail counts it")

	at = at.Add(stillUnderWay) // it is over, and the symptom is not
	c = Recheck(State{Alert: c.Alert, Symptom: SymptomStays}, p, nil, at)
	require.Equal(t, Requested, c.Remediation.Status)
	c = Recheck(State{Alert: c.Alert}, p, nil, at)
	require.Equal(t, "symptom_gone", c.Decision.Remedy.Code)
}
