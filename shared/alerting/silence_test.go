package alerting

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rollout is a silence of the event's service that began a while ago.
func rollout(changes ...func(*Silence)) Silence {
	s := Silence{ID: 1, Service: service, StartsAt: noon.Add(-30 * time.Minute), EndsAt: noon.Add(20 * time.Minute), Author: "li", Comment: "rollout"}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func TestWhatASilenceCovers(t *testing.T) {
	for name, c := range map[string]struct {
		silence  Silence
		kind     string
		service  string
		severity Severity
		want     bool
	}{
		"its service":                         {Silence{Service: "a"}, "T", "a", Critical, true},
		"another service":                     {Silence{Service: "a"}, "T", "ab", Info, false},
		"case matters":                        {Silence{Service: "a"}, "T", "A", Info, false},
		"a prefix":                            {Silence{Service: "order-*"}, "T", "order-7", Info, true},
		"the prefix alone":                    {Silence{Service: "order-*"}, "T", "order-", Info, true},
		"not the prefix":                      {Silence{Service: "order-*"}, "T", "order", Info, false},
		"its type":                            {Silence{AlertType: "T"}, "T", "a", Critical, true},
		"a type that begins so":               {Silence{AlertType: "T"}, "TT", "a", Critical, false},
		"its severity":                        {Silence{Severity: Warning}, "T", "a", Warning, true},
		"a milder one":                        {Silence{Severity: Warning}, "T", "a", Info, true},
		"a worse one":                         {Silence{Severity: Warning}, "T", "a", Error, false},
		"all three":                           {Silence{AlertType: "T", Service: "a*", Severity: Error}, "T", "ab", Error, true},
		"all three, one wrong":                {Silence{AlertType: "T", Service: "a*", Severity: Error}, "U", "ab", Error, false},
		"our own alarm by its service":        {Silence{Service: "docker"}, WatchIsDeaf, "docker", Critical, false},
		"our own alarm by its severity":       {Silence{Severity: Critical}, WatchIsDeaf, "docker", Warning, false},
		"our own alarm by its type":           {Silence{AlertType: WatchIsDeaf}, WatchIsDeaf, "docker", Critical, true},
		"our own alarm by type, one service":  {Silence{AlertType: WatchIsDeaf, Service: "a"}, WatchIsDeaf, "docker", Critical, false},
		"a type that a subscription includes": {Silence{AlertType: ContainerDown}, ContainerOOM, "a", Critical, false},
	} {
		assert.Equal(t, c.want, c.silence.Covers(c.kind, c.service, c.severity), name)
	}
}

func TestASilencesStateGoesByTheClock(t *testing.T) {
	s := rollout()
	for at, want := range map[time.Duration]SilenceState{
		-30*time.Minute - 1: SilencePending, -30 * time.Minute: SilenceActive, 20*time.Minute - 1: SilenceActive, 20 * time.Minute: SilenceExpired,
	} {
		assert.Equal(t, want, s.State(noon.Add(at)), at)
	}
	ended := s.End("wang", noon)
	assert.Equal(t, SilenceExpired, ended.State(noon), "from that instant on")
	assert.Equal(t, "wang", ended.EndedBy)
	assert.Equal(t, ended, ended.End("zhao", noon.Add(time.Hour)), "once")
	never := s.End("wang", noon.Add(-time.Hour))
	assert.Equal(t, SilenceExpired, never.State(noon), "one that had not begun never does")
}

func TestTheOneThatEndsLastCounts(t *testing.T) {
	until := func(end time.Duration, changes ...func(*Silence)) Silence {
		return rollout(append(changes, func(s *Silence) { s.EndsAt = noon.Add(end) })...)
	}
	all := Silences{
		until(time.Minute, func(s *Silence) { s.HoldRemediation = true }),
		until(time.Hour), until(2 * time.Minute),
		until(3*time.Hour, func(s *Silence) { s.Service = "other" }),
		until(4*time.Hour, func(s *Silence) { s.StartsAt = noon.Add(time.Minute) }),
		until(-time.Minute),
	}
	assert.Equal(t, noon.Add(time.Hour), all.For("T", service, Error, noon).EndsAt)
	assert.Equal(t, noon.Add(time.Minute), all.Holding("T", service, Error, noon).EndsAt)
	assert.Nil(t, all.Holding("T", service, Error, noon.Add(time.Minute)), "the others hold words only")
	assert.Nil(t, all.For("T", "third", Error, noon))
	assert.Nil(t, Silences(nil).For("T", service, Error, noon))
}

func TestASilenceKeepsTheWordBackAndHealingGoesOn(t *testing.T) {
	p := testPolicy()
	c, receipt := Decide(State{Silences: Silences{rollout()}}, event(), p, nil, noon)
	assert.Empty(t, c.Notifications)
	assert.Equal(t, Reason{Code: "silenced", Detail: "li: rollout", Until: noon.Add(20 * time.Minute)}, c.Decision.Word)
	assert.Equal(t, c.Decision.Word, receipt.NotTold)
	assert.Equal(t, "告警静默中（li: rollout），20分钟后结束", receipt.NotTold.Text(Chinese, noon))
	require.NotNil(t, c.Remediation)
	assert.Equal(t, Requested, c.Remediation.Status)
	assert.Equal(t, noon.Add(20*time.Minute), c.Alert.RecheckAt)
	assert.True(t, c.Alert.Words.At.IsZero(), "nobody was told")

	again, _ := Decide(State{Alert: c.Alert, Ledger: Ledger{Active: c.Remediation}, Silences: Silences{rollout()}}, event(), p, nil, noon.Add(time.Minute))
	assert.Empty(t, again.Notifications)
	assert.Equal(t, noon.Add(5*time.Minute), again.Alert.RecheckAt, "the remedy is decided again before")
	later := Recheck(State{Alert: again.Alert, Silences: Silences{rollout()}}, p, nil, noon.Add(5*time.Minute))
	assert.Empty(t, later.Notifications)
	assert.Equal(t, noon.Add(20*time.Minute), later.Alert.RecheckAt, "whatever was decided about the remedy")
}

// alarm is an event of a type without an action: all that happens is a word.
func alarm(changes ...func(*Event)) Event {
	return event(append(changes, func(ev *Event) { ev.Type = "DISK_FULL" })...)
}

// silencedAlert is what an alert is after some events within a silence.
func silencedAlert(t *testing.T, p *Policy, before *Alert, events ...Event) *Alert {
	t.Helper()
	for _, ev := range events {
		c, _ := Decide(State{Alert: before, Silences: Silences{rollout()}}, ev, p, nil, noon)
		require.Empty(t, c.Notifications)
		before = c.Alert
	}
	return before
}

func TestWhatIsStillGoingOnIsToldWhenTheSilenceEnds(t *testing.T) {
	p, end := testPolicy(), noon.Add(20*time.Minute)
	told := func(ago time.Duration) *Alert {
		c, _ := Decide(State{}, alarm(), p, nil, noon.Add(-ago))
		return c.Alert
	}
	worse, changed := func(ev *Event) { ev.Severity = Critical }, func(ev *Event) { ev.Message = "other" }
	for name, c := range map[string]struct {
		alert *Alert
		want  string // at the end
	}{
		"it began within the silence":         {silencedAlert(t, p, nil, alarm()), "told"},
		"and went on":                         {silencedAlert(t, p, nil, alarm(), alarm()), "told"},
		"people knew, and it goes on":         {silencedAlert(t, p, told(29*time.Minute), alarm()), ""},
		"people knew, and it got worse":       {silencedAlert(t, p, told(29*time.Minute), alarm(worse)), "told"},
		"and went on, no worse than that":     {silencedAlert(t, p, told(29*time.Minute), alarm(worse), alarm()), "told"},
		"people knew, and the words changed":  {silencedAlert(t, p, told(29*time.Minute), alarm(changed)), "told"},
		"it changed too soon after the words": {silencedAlert(t, p, told(time.Minute), alarm(changed)), ""},
	} {
		assert.Equal(t, c.want != "", c.alert.RecheckAt.Equal(end), name)
		if c.want == "" {
			continue
		}
		after := Recheck(State{Alert: c.alert, Silences: Silences{rollout()}}, p, nil, end)
		require.Len(t, after.Notifications, 1, name)
		assert.Equal(t, Firing, after.Notifications[0].Kind, name)
		assert.Equal(t, c.want, after.Decision.Word.Code, name)
		assert.True(t, after.Alert.RecheckAt.IsZero(), name)

		again, _ := Decide(State{Alert: after.Alert}, alarm(), p, nil, end.Add(time.Minute))
		assert.Equal(t, "repeat_wait", again.Decision.Word.Code, "%s: it was told", name)
		event, _ := Decide(State{Alert: c.alert}, alarm(), p, nil, end.Add(time.Second))
		assert.Len(t, event.Notifications, 1, "%s: an event that comes first tells at once", name)
	}
}

func TestNothingIsToldAtTheEndOfWhatIsOver(t *testing.T) {
	p, end := testPolicy(), noon.Add(20*time.Minute)
	kept := silencedAlert(t, p, nil, alarm())
	resolved, receipt := Decide(State{Alert: kept, Silences: Silences{rollout()}}, alarm(func(ev *Event) { ev.Resolved = true }), p, nil, noon)
	assert.Equal(t, "was_not_told", receipt.NotTold.Code)
	assert.True(t, resolved.Alert.RecheckAt.IsZero())

	taken, err := Acknowledge(*kept, "wang", noon)
	require.NoError(t, err)
	after := Recheck(State{Alert: taken.Alert}, p, nil, end)
	assert.Empty(t, after.Notifications, "who took it knows")
	assert.Nil(t, after.Decision)
	assert.True(t, after.Alert.RecheckAt.IsZero())

	longer := Silences{rollout(), rollout(func(s *Silence) { s.EndsAt = end.Add(time.Hour) })}
	after = Recheck(State{Alert: kept, Silences: longer}, p, nil, end)
	assert.Empty(t, after.Notifications)
	assert.Equal(t, silenced, after.Decision.Word.Code)
	assert.Equal(t, end.Add(time.Hour), after.Alert.RecheckAt, "another one keeps it back")

	nobody := Recheck(State{Alert: kept}, testPolicy(func(p *Policy) { p.Fallback = "" }), nil, end)
	assert.Equal(t, "no_group", nobody.Decision.Word.Code)
	event, _ := Decide(State{Alert: nobody.Alert}, alarm(), p, nil, end.Add(time.Minute))
	assert.Len(t, event.Notifications, 1, "and is told when there is somebody")
}

func TestAnEndAndAnOutcomeAreKeptBackToo(t *testing.T) {
	p, end, all := testPolicy(), noon.Add(20*time.Minute), Silences{rollout()}
	over, _ := Decide(State{Alert: opened(p, time.Hour, func(a *Alert) { a.LastSeenAt = noon }), Silences: all}, event(func(ev *Event) { ev.Resolved = true }), p, nil, noon)
	assert.Equal(t, silenced, over.Decision.Word.Code)
	assert.Empty(t, over.Notifications)
	assert.True(t, over.Alert.RecheckAt.IsZero())

	resolved, err := Resolve(State{Alert: opened(p, time.Minute), Silences: all}, "wang", p, nil, noon)
	require.NoError(t, err)
	assert.Empty(t, resolved.Notifications)

	r := Remediation{ID: 3, Action: Restart, Container: service, Status: UnknownOutcome, Reason: Reason{Code: "engine_error", Detail: "x"}}
	failed := Settle(State{Alert: opened(p, time.Minute), Silences: all}, r, p, nil, noon)
	assert.Empty(t, failed.Notifications)
	assert.Equal(t, silenced, failed.Decision.Word.Code)
	assert.Equal(t, end, failed.Alert.RecheckAt, "people knew of the alert, and not that it could not be mended")
	assert.NotEmpty(t, failed.Alert.ActionTaken)
	after := Recheck(State{Alert: failed.Alert}, p, nil, end)
	require.Len(t, after.Notifications, 1)
	assert.Equal(t, "symptom_gone", after.Decision.Remedy.Code, "the last event is long ago")

	r.Status, r.Reason = Succeeded, Reason{Code: "stable"}
	well := Settle(State{Alert: opened(p, time.Minute), Silences: all}, r, p, nil, noon)
	assert.Empty(t, well.Notifications)
	assert.Equal(t, Resolved, well.Alert.Status)
	assert.True(t, well.Alert.RecheckAt.IsZero())
}

func TestNewsThatIsKeptBackIsNotForgottenMeanwhile(t *testing.T) {
	p, end, all := testPolicy(), noon.Add(20*time.Minute), Silences{rollout()}
	r := Remediation{ID: 3, Action: Restart, Container: service, Status: UnknownOutcome, Reason: Reason{Code: "engine_error", Detail: "x"}}
	kept := Settle(State{Alert: opened(p, time.Minute), Silences: all}, r, p, nil, noon).Alert

	again := Settle(State{Alert: kept, Silences: all}, Remediation{ID: 4, Action: Restart, Container: service, Status: Skipped, Reason: Reason{Code: "not_running", Detail: service}}, p, nil, noon)
	assert.Equal(t, end, again.Alert.RecheckAt)
	twice := Settle(State{Alert: again.Alert, Silences: all}, Remediation{ID: 5, Action: Restart, Container: service, Status: Skipped, Reason: Reason{Code: "not_running", Detail: service}}, p, nil, noon)
	assert.Equal(t, "said_before", twice.Decision.Word.Code)
	assert.Equal(t, end, twice.Alert.RecheckAt, "what was kept back before is told all the same")

	repeated, _ := Decide(State{Alert: kept, Silences: all}, event(), p, nil, noon)
	assert.Equal(t, silenced, repeated.Decision.Word.Code, "a minute after the first words")
	assert.Equal(t, end, repeated.Alert.RecheckAt, "whatever became of the remedy")
	after, _ := Decide(State{Alert: kept}, event(), p, nil, noon)
	assert.Len(t, after.Notifications, 1, "at once, not when a repeat is due")
}

func TestASilenceHoldsHealingOnlyWhereItSaysSo(t *testing.T) {
	p, end := testPolicy(), noon.Add(20*time.Minute)
	holding := Silences{rollout(func(s *Silence) { s.HoldRemediation = true })}
	c, receipt := Decide(State{Silences: holding}, event(), p, nil, noon)
	assert.Equal(t, Skipped, c.Remediation.Status)
	assert.Equal(t, holding[0].Reason(), receipt.NotRemedied)
	assert.Equal(t, end, c.Alert.RecheckAt)
	c.Alert.LastSeenAt = end
	after := Recheck(State{Alert: c.Alert, Silences: holding}, p, nil, end)
	assert.Equal(t, Requested, after.Remediation.Status)
	assert.Len(t, after.Notifications, 1)

	asked, err := Handle(State{Alert: c.Alert, Silences: holding}, "wang", p, noon)
	require.NoError(t, err, "a person who asks is not held")
	assert.Equal(t, Requested, asked.Remediation.Status)
}

func TestABreakerThatOpensInASilenceIsToldAtItsEnd(t *testing.T) {
	p := testPolicy()
	spent := restarted(0, 0, 0)
	c, _ := Decide(State{Alert: opened(p, time.Minute), Ledger: spent, Silences: Silences{rollout()}}, event(), p, nil, noon)
	assert.Empty(t, c.Notifications)
	assert.Equal(t, "budget", c.Decision.Remedy.Code)
	assert.Equal(t, noon.Add(20*time.Minute), c.Alert.RecheckAt)
	assert.Len(t, Recheck(State{Alert: c.Alert, Ledger: spent}, p, nil, noon.Add(20*time.Minute)).Notifications, 1)
}

func TestACooldownDecidedAgainWithinASilenceTellsNothing(t *testing.T) {
	p := testPolicy()
	cooling := restarted(4 * time.Minute)
	c, _ := Decide(State{Ledger: cooling, Silences: Silences{rollout()}}, event(), p, nil, noon)
	assert.Equal(t, "cooldown", c.Decision.Remedy.Code)
	at := noon.Add(time.Minute)
	assert.Equal(t, at, c.Alert.RecheckAt, "the first of both")
	again := Recheck(State{Alert: c.Alert, Ledger: cooling, Silences: Silences{rollout()}}, p, nil, at)
	assert.Equal(t, Requested, again.Remediation.Status)
	assert.Empty(t, again.Notifications)
	assert.Equal(t, noon.Add(20*time.Minute), again.Alert.RecheckAt)
}

func TestASeverityThatGrowsBeyondTheSilenceIsTold(t *testing.T) {
	p := testPolicy()
	mild := Silences{rollout(func(s *Silence) { s.Severity = Error })}
	c, _ := Decide(State{Silences: mild}, alarm(), p, nil, noon)
	assert.Equal(t, silenced, c.Decision.Word.Code)
	worse, _ := Decide(State{Alert: c.Alert, Silences: mild}, alarm(func(ev *Event) { ev.Severity = Critical }), p, nil, noon)
	assert.Len(t, worse.Notifications, 1)
	back, _ := Decide(State{Alert: worse.Alert, Silences: mild}, alarm(), p, nil, noon.Add(time.Hour))
	assert.NotEqual(t, silenced, back.Decision.Word.Code, "the alert is as bad as its worst event")
}

func TestASilencesDraft(t *testing.T) {
	s, err := SilenceDraft{AlertType: " container_down ", Service: " order-* ", Severity: "warn", Duration: 2 * time.Hour, Author: "li", Comment: " a\nb ", HoldRemediation: true}.Make(noon)
	require.NoError(t, err)
	assert.Equal(t, Silence{AlertType: "CONTAINER_DOWN", Service: "order-*", Severity: Warning, StartsAt: noon, EndsAt: noon.Add(2 * time.Hour),
		Author: "li", Comment: "a b", HoldRemediation: true, CreatedAt: noon}, s)

	shanghai := time.FixedZone("", 8*3600)
	s, err = SilenceDraft{Service: "a", StartsAt: noon.Add(-time.Hour), EndsAt: noon.Add(time.Hour + 7).In(shanghai), Author: "li", Comment: "c"}.Make(noon)
	require.NoError(t, err)
	assert.Equal(t, noon, s.StartsAt, "what was said cannot be kept back")
	assert.Equal(t, noon.Add(time.Hour), s.EndsAt, "as it is stored")

	for name, c := range map[string]struct {
		change func(*SilenceDraft)
		fields []string
	}{
		"nothing":              {func(d *SilenceDraft) { *d = SilenceDraft{} }, []string{"serviceName", "endsAt", "author", "comment"}},
		"no matcher":           {func(d *SilenceDraft) { d.Service = " " }, []string{"serviceName"}},
		"everything by a star": {func(d *SilenceDraft) { d.Service = "*" }, []string{"serviceName"}},
		"a star in the middle": {func(d *SilenceDraft) { d.Service = "a*b*" }, []string{"serviceName"}},
		"a star in the type":   {func(d *SilenceDraft) { d.AlertType = "CONTAINER_*" }, []string{"alertType"}},
		"an unknown severity":  {func(d *SilenceDraft) { d.Service, d.Severity = "", "purple" }, []string{"severity"}},
		"too long": {func(d *SilenceDraft) {
			d.AlertType, d.Service, d.Comment = strings.Repeat("长", 51), strings.Repeat("长", 101), strings.Repeat("长", 301)
		}, []string{"alertType", "serviceName", "comment"}},
		"an end that is past":   {func(d *SilenceDraft) { d.EndsAt = noon.Add(-time.Second) }, []string{"endsAt"}},
		"an end that is now":    {func(d *SilenceDraft) { d.EndsAt = noon }, []string{"endsAt"}},
		"an end before it":      {func(d *SilenceDraft) { d.StartsAt = noon.Add(2 * time.Hour) }, []string{"endsAt"}},
		"a length below 0":      {func(d *SilenceDraft) { d.EndsAt, d.Duration = time.Time{}, -time.Hour }, []string{"duration"}},
		"a length of 31 days":   {func(d *SilenceDraft) { d.EndsAt, d.Duration = time.Time{}, 31*24*time.Hour }, []string{"duration"}},
		"an end in 31 days":     {func(d *SilenceDraft) { d.EndsAt = noon.Add(31 * 24 * time.Hour) }, []string{"endsAt"}},
		"an end and a length":   {func(d *SilenceDraft) { d.Duration = time.Hour }, []string{"duration"}},
		"a start in two years":  {func(d *SilenceDraft) { d.StartsAt, d.EndsAt = noon.AddDate(2, 0, 0), noon.AddDate(2, 0, 1) }, []string{"startsAt"}},
		"nothing worth reading": {func(d *SilenceDraft) { d.Comment = "\x00\u200b \n" }, []string{"comment"}},
	} {
		d := SilenceDraft{Service: "a", EndsAt: noon.Add(time.Hour), Author: "li", Comment: "c"}
		c.change(&d)
		_, err := d.Make(noon)
		var invalid *InvalidError
		require.ErrorAs(t, err, &invalid, name)
		var fields []string
		for _, p := range invalid.Problems {
			fields = append(fields, p.Field)
		}
		assert.Equal(t, c.fields, fields, name)
	}
}
