package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

// targets holds rules that name their container: its past counts, whatever
// service an event is about.
var targets = suite{
	"events of two services share the named container": testTargetShared,
	"a person's request goes to the named container":   testTargetByHand,
	"the re-check looks at the named container's past": testTargetRecheck,
}

// acting makes the rule act on the container, whoever the service is.
func acting(p *alerting.Policy) {
	rule := p.Rule(alerting.TickerSyncTimeout)
	rule.Target = container
	p.Rules = map[string]alerting.Rule{alerting.TickerSyncTimeout: rule}
}

func testTargetShared(t *testing.T, e Engine) {
	s := e.open(t, acting)
	receipts, err := s.RecordEvents(t.Context(), []alerting.Event{Event("gateway"), Event("not a container name")})
	require.NoError(t, err)
	require.Equal(t, alerting.Requested, receipts[0].RemediationStatus)
	require.Equal(t, "under_way", receipts[1].NotRemedied.Code, "within one batch")
	require.NotEqual(t, receipts[0].AlertID, receipts[1].AlertID, "two incidents")
	require.Equal(t, "under_way", record(t, s, Event("third")).NotRemedied.Code, "and after it")
	require.Equal(t, container, end(t, s, alerting.Failed, "not_stable").Container)
	require.Equal(t, "cooldown", record(t, s, Event("fourth")).NotRemedied.Code)
}

func testTargetByHand(t *testing.T, e Engine) {
	s := e.open(t, acting)
	record(t, s, Event("gateway"))
	_, err := s.Handle(t.Context(), 1, "li")
	var refused *alerting.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "under_way", refused.Reason.Code)
	end(t, s, alerting.Failed, "not_stable")
	r, err := s.Handle(t.Context(), 1, "li")
	require.NoError(t, err)
	require.Equal(t, container, r.Container)
}

func testTargetRecheck(t *testing.T, e Engine) {
	s := e.open(t, acting)
	record(t, s, Event("gateway"))
	end(t, s, alerting.Failed, "not_stable")
	require.Equal(t, "cooldown", record(t, s, Event("other")).NotRemedied.Code)
	e.pass(t, 4*time.Minute)
	record(t, s, Event("other"))
	record(t, s, Event("gateway"))
	e.pass(t, time.Minute+time.Second)
	_, err := s.Recheck(t.Context())
	require.NoError(t, err, "both are due, and only one may act")
	require.EqualValues(t, 1, active(t, e))
	require.Equal(t, container, work(t, s).Remediation.Container)
}
