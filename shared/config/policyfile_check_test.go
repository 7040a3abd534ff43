package config_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
)

func TestContradictionsAreRefusedWhereTheyAreWritten(t *testing.T) {
	for text, want := range map[string][]string{
		"repeat: 5m\nchangedWord: 6m":                         {"2 changedWord"},
		"repeat: 4m":                                          {"1 changedWord"}, // the default is 5m
		"defaults:\n  cooldown: 20m":                          {"2 defaults.budget"},
		"defaults:\n  cooldown: 90m\n  budget: {max: 1}":      {"3 defaults.budget"},
		"defaults: {budget: {per: 15m}}":                      {"1 defaults.budget"},
		"types:\n  A:\n    action: restart\n    cooldown: 1h": {"4 types.A.budget"},
		"types:\n  A: {action: restart, cooldown: 20m}\n  B: {action: restart, cooldown: 2h}": {"2 types.A.budget", "3 types.B.budget"},
		"defaults:\n  verify: {stable: 4m}":                                                   {"2 defaults.verify"},
		"types: {A: {action: restart, verify: {stable: 1m, healthy: 30s}}}":                   {"1 types.A.verify"},
		"types:\n  TICKER_SYNC_TIMEOUT: {symptom: 4m}":                                        {"2 types.TICKER_SYNC_TIMEOUT.symptom"},
		"defaults:\n  cooldown: 20m\ntypes:\n  A: {action: restart, labels: []}":              {"2 defaults.budget"}, // not once more for A
	} {
		places, err := complaints(t, env{}, text)
		assert.Equal(t, want, places, "%s: %v", text, err)
	}
	for _, text := range []string{
		"repeat: 5m", "defaults: {cooldown: 19m}", "defaults: {cooldown: 20m, budget: {per: 61m}}", "defaults: {cooldown: 20m, budget: {max: 2}}",
		"defaults: {verify: {stable: 3m}}", "types: {TICKER_SYNC_TIMEOUT: {symptom: 241s}}",
		"defaults: {cooldown: 20m, budget: {max: 2}}\ntypes: {A: {action: restart, budget: {max: 1, per: 21m}}}",
	} {
		parse(t, env{}, text)
	}
}

// TestABudgetIsRefusedExactlyWhenItCanNeverHoldAnythingBack compares the check
// with what the domain does when every restart is ordered as soon as may be.
func TestABudgetIsRefusedExactlyWhenItCanNeverHoldAnythingBack(t *testing.T) {
	cfg := load(t, env{})
	accepted := 0
	for budget := 1; budget <= 4; budget++ {
		for cooldown := 1; cooldown <= 9; cooldown++ {
			for per := 1; per <= 25; per++ {
				g := alerting.Guard{Cooldown: time.Duration(cooldown) * time.Minute, Budget: budget, Per: time.Duration(per) * time.Minute}
				_, err := cfg.ParsePolicy("", fmt.Appendf(nil, "defaults: {cooldown: %dm, budget: {max: %d, per: %dm}}", cooldown, budget, per))
				require.Equal(t, bites(g), err == nil, "max %d, cooldown %dm, per %dm: %v", budget, cooldown, per, err)
				if err == nil {
					accepted++
				}
			}
		}
	}
	require.Positive(t, accepted)
}

// bites tells whether the budget ever forbids what the cooldown allows.
func bites(g alerting.Guard) bool {
	now := time.Unix(1_800_000_000, 0)
	policy := alerting.DefaultPolicy()
	policy.Containers, policy.Default.Guard = []string{"gateway"}, g
	ask := alerting.Ask{Type: "A", Action: alerting.Restart, Container: "gateway"}
	for range g.Budget + 1 {
		ask.Now = now
		if policy.Guard(ask).Code == "budget" {
			return true
		}
		ask.Ledger.Enter(&alerting.Remediation{Status: alerting.Failed, OrderedAt: now, EndedAt: now})
		now = now.Add(g.Cooldown)
	}
	return false
}

func TestDoubtsAreWarnedOfAndDoNotRefuse(t *testing.T) {
	for text, want := range map[string][]string{
		"types:\n  A: {action: restart, target: gateway}":                                 {"2 types.A.target"},
		"containers: []\ntypes:\n  A: {action: restart}":                                  {"3 types.A.action"},
		"containers: [gateway]\ntypes:\n  A: {action: restart, target: gateway}":          nil,
		"types: {A: {action: restart}}":                                                   nil,
		"types: {A: {cooldown: 1m, target: aifuturetrade-async-service}}":                 {"1 types.A.cooldown", "1 types.A.target"},
		"types: {A: {manual: restart, target: aifuturetrade-async-service, symptom: 1m}}": nil,
		"types: {A: {manual: restart, cooldown: 1m}}":                                     {"1 types.A.cooldown"},
		"incidentGap: 4m": {"1 types.CONTAINER_DOWN.symptom", "1 types.CONTAINER_OOM.symptom", "1 types.CONTAINER_RESTARTING.symptom",
			"1 types.CONTAINER_STOPPED.symptom", "1 types.CONTAINER_UNHEALTHY.symptom", "1 types.TICKER_SYNC_TIMEOUT.symptom"},
		"types:\n  A: {action: restart, symptom: 31m}": {"2 types.A.symptom"},
	} {
		assert.ElementsMatch(t, want, warnings(parse(t, env{}, text)), text)
	}
	off := parse(t, env{"REMEDIATION_MODE": "off"}, "types: {A: {action: restart}}")
	assert.Equal(t, []string{"1 types.A.action"}, warnings(off))
	assert.Empty(t, parse(t, env{}, "{}").Warnings)
}

func warnings(in config.PolicyInForce) []string {
	var places []string
	for _, w := range in.Warnings {
		places = append(places, fmt.Sprintf("%d %s", w.Line, w.Where))
	}
	return places
}
