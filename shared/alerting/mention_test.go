package alerting

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// calling is a policy that mentions zhang always and boss from CRITICAL on.
func calling() *Policy {
	return testPolicy(func(p *Policy) {
		rule := p.Rules[TickerSyncTimeout]
		rule.Mentions = []Mention{{From: Error, Users: []string{"zhang", "li"}}, {From: Critical, Users: []string{"boss", "li"}}}
		p.Rules[TickerSyncTimeout] = rule
	})
}

func TestWhoIsMentionedWhen(t *testing.T) {
	all := []string{"zhang", "li", "boss"}
	two := all[:2]
	outcome := func(status RemediationStatus, code string) *Remediation {
		return &Remediation{Status: status, Reason: Reason{Code: code}}
	}
	for name, c := range map[string]struct {
		kind     Kind
		severity Severity
		told     []Severity
		remedy   *Remediation
		status   AlertStatus
		want     []string
	}{
		"the first word":                          {Firing, Error, nil, nil, Open, two},
		"the first word, critical":                {Firing, Critical, nil, nil, Open, all},
		"below the severity":                      {Firing, Warning, nil, nil, Open, nil},
		"a repeat":                                {Firing, Error, []Severity{Error}, nil, Open, nil},
		"a repeat after worse":                    {Firing, Error, []Severity{Error, Critical}, nil, Open, nil},
		"worse than before":                       {Firing, Critical, []Severity{Error}, nil, Open, all},
		"worse than before, now enough":           {Firing, Error, []Severity{Info, Warning}, nil, Open, two},
		"worse, and a person has it":              {Firing, Critical, []Severity{Error}, nil, Acknowledged, all},
		"worse, still too mild":                   {Firing, Warning, []Severity{Info}, nil, Open, nil},
		"held up until it was over":               {Firing, Critical, nil, nil, Resolved, nil},
		"the end":                                 {Over, Critical, nil, nil, Resolved, nil},
		"recovered":                               {Outcome, Critical, []Severity{Critical}, outcome(Succeeded, "stable"), Resolved, nil},
		"not recovered":                           {Outcome, Error, []Severity{Error}, outcome(Failed, "not_stable"), Open, two},
		"nobody knows":                            {Outcome, Critical, []Severity{Critical}, outcome(UnknownOutcome, "call_timeout"), Open, all},
		"the breaker is open":                     {Outcome, Error, []Severity{Error}, outcome(Skipped, "budget"), Open, two},
		"not done for a reason that ends":         {Outcome, Critical, []Severity{Critical}, outcome(Skipped, "not_running"), Open, nil},
		"an outcome without its remediation":      {Outcome, Critical, nil, nil, Open, nil},
		"not recovered, asked for after the end":  {Outcome, Critical, nil, outcome(Failed, "not_stable"), Resolved, nil},
		"not recovered, milder than is called at": {Outcome, Info, nil, outcome(Failed, "not_stable"), Open, nil},
	} {
		b := Brief{Notification: Notification{Kind: c.kind, Severity: c.severity}, Alert: Alert{Type: TickerSyncTimeout, Status: c.status, Severity: c.severity}, Remediation: c.remedy}
		assert.Equal(t, People{Users: c.want}, calling().Mention(&b, c.told), name)
		b.Alert.Type = ContainerDown
		assert.Empty(t, calling().Mention(&b, c.told), "another type: %s", name)
	}
}

func TestAUserIDIsNothingElse(t *testing.T) {
	for s, want := range map[string]bool{
		"zhang.san": true, "ZhangSan": true, "z@corp.example": true, "1": true, "a_b-c": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "all": false, "ALL": false, "@all": false, "<@zhang>": false, "@zhang": false, "a b": false, "a>": false, "张三": false, "a\n": false, ".a": false,
	} {
		assert.Equal(t, want, UserID(s), "%q", s)
	}
}

func TestWhoIsCalledByPhone(t *testing.T) {
	p := testPolicy(func(p *Policy) {
		p.Default.Mentions = []Mention{
			{From: Warning, Users: []string{"zhang"}, Mobiles: []Mobile{"13800000000"}},
			{From: Critical, Mobiles: []Mobile{"13900000000", "13800000000"}, All: true},
		}
	})
	b := Brief{Notification: Notification{Kind: Firing, Severity: Error}, Alert: Alert{Type: "DISK", Status: Open, Severity: Error}}
	assert.Equal(t, People{Users: []string{"zhang"}, Mobiles: []Mobile{"13800000000"}}, p.Mention(&b, nil))
	b.Notification.Severity = Critical
	all := People{Users: []string{"zhang"}, Mobiles: []Mobile{"13800000000", "13900000000"}, All: true}
	assert.Equal(t, all, p.Mention(&b, []Severity{Error}), "each of them once")
	assert.Equal(t, People{}, p.Mention(&b, []Severity{Critical}), "a repeat")
	assert.Equal(t, all, p.CallsForUs(), "that the database is away is CRITICAL")
	assert.True(t, p.Calls())
	assert.False(t, testPolicy().Calls())
	assert.True(t, calling().Calls())
	assert.False(t, People{Users: []string{"zhang"}}.ByPhone())
	assert.True(t, People{All: true}.ByPhone())
	assert.True(t, People{}.Nobody())
	assert.Len(t, People{}.And(People{Users: strings.Split(strings.Repeat("u ", 5)+"a b c d e f g h i j k l m n o p q r s t u v", " ")}).Users, MaxMentions)
}

func TestACallIsDecidedWhenItsTurnComes(t *testing.T) {
	p := testPolicy(func(p *Policy) {
		p.Default.Mentions = []Mention{{From: Error, Users: []string{"zhang"}, Mobiles: []Mobile{"13800000000"}}}
	})
	n := Notification{ID: 7, AlertID: 3, GroupID: 2, GroupName: "ops", Kind: Firing, Severity: Error, Status: Sent, Attempts: 2, MessageID: 9}
	call := n.Call(noon)
	assert.Equal(t, Notification{AlertID: 3, GroupID: 2, GroupName: "ops", Kind: Call, Severity: Error, Status: Pending, NextAt: noon, CreatedAt: noon}, call)
	for name, c := range map[string]struct {
		alert Alert
		want  People
		why   string
	}{
		"it goes on":          {Alert{Type: "DISK", Status: Open}, People{Mobiles: []Mobile{"13800000000"}}, ""},
		"somebody has it":     {Alert{Type: "DISK", Status: Acknowledged}, People{Mobiles: []Mobile{"13800000000"}}, ""},
		"it is over":          {Alert{Type: "DISK", Status: Resolved}, People{}, "alert_over"},
		"nobody is named now": {Alert{Type: TickerSyncTimeout, Status: Open}, People{}, "nobody_to_call"},
	} {
		people, why := p.Answers(call, c.alert)
		assert.Equal(t, c.want, people, name)
		assert.Equal(t, c.why, why.Code, name)
	}
}

func TestAMobileNumberIsReadAsPeopleWriteIt(t *testing.T) {
	for word, want := range map[string]Mobile{
		"13800000000": "13800000000", "138-0000-0000": "13800000000", "+86 138 0000 0000": "13800000000", "8613800000000": "13800000000", "+85261234567": "+85261234567",
	} {
		got, ok := ParseMobile(word)
		assert.True(t, ok, word)
		assert.Equal(t, want, got, word)
	}
	for _, word := range []string{"", "1380000000", "23800000000", "zhang", "@all", "1", "+", "+86x", "138000000001", "mum"} {
		_, ok := ParseMobile(word)
		assert.False(t, ok, word)
	}
}

func TestAMobileNumberIsNotPrinted(t *testing.T) {
	m := Mobile("13812345678")
	raw, err := json.Marshal(map[string]any{"m": m, "all": []Mobile{m}})
	assert.NoError(t, err)
	for _, text := range []string{fmt.Sprint(m), fmt.Sprintf("%s %v %q %x %+v", m, m, m, m, People{Mobiles: []Mobile{m}}), string(raw), m.String()} {
		assert.NotContains(t, text, "1234")
		assert.Contains(t, text, "138****5678")
	}
	assert.Equal(t, "***", Mobile("123").String())
	assert.Equal(t, "13812345678", m.Reveal())
}
