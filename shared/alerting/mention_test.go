package alerting

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// calling is a policy that mentions zhang always and boss from CRITICAL on.
func calling() *Policy {
	return testPolicy(func(p *Policy) {
		rule := p.Rules[TickerSyncTimeout]
		rule.Mentions = []Mention{{Error, []string{"zhang", "li"}}, {Critical, []string{"boss", "li"}}}
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
		assert.Equal(t, c.want, calling().Mention(&b, c.told), name)
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
