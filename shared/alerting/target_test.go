package alerting_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

func TestWhatARuleActsOnIsItsTargetWhateverAnEventSays(t *testing.T) {
	p := alerting.DefaultPolicy()
	rule := p.Rule(alerting.TickerSyncTimeout)
	rule.Target = "aifuturetrade-async-service"
	p.Rules["FIXED"] = rule
	require.Equal(t, "aifuturetrade-async-service", p.Target("FIXED", "somebody-elses"))
	require.Equal(t, "gateway", p.Target(alerting.TickerSyncTimeout, "gateway"))
	require.Equal(t, "gateway", p.Target("UNKNOWN", "gateway"))

	ev := alerting.Event{Type: "FIXED", Service: "somebody-elses", Severity: alerting.Error, Title: "t", Message: "m"}
	now := time.Unix(1_800_000_000, 0)
	change, receipt := alerting.Decide(alerting.State{}, ev, &p, nil, now)
	require.Equal(t, alerting.Requested, receipt.RemediationStatus)
	require.Equal(t, "aifuturetrade-async-service", change.Remediation.Container)

	p.Containers = []string{"somebody-elses"}
	_, receipt = alerting.Decide(alerting.State{}, ev, &p, nil, now)
	require.Equal(t, "not_allowed", receipt.NotRemedied.Code, "a target needs the allow-list like any other")
}
