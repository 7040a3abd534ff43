package config_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
)

func TestContradictionsAreRefusedWhereTheyAreWritten(t *testing.T) {
	for text, want := range map[string][]string{
		"repeat: 5m\nchangedWord: 6m":                                                         {"2 changedWord"},
		"repeat: 4m":                                                                          {"1 changedWord"}, // the default is 5m
		"defaults:\n  cooldown: 20m":                                                          {"2 defaults.budget"},
		"defaults:\n  cooldown: 90m\n  budget: {max: 1}":                                      {"3 defaults.budget"},
		"defaults: {budget: {per: 15m}}":                                                      {"1 defaults.budget"},
		"types:\n  A:\n    action: restart\n    cooldown: 1h":                                 {"4 types.A.budget"},
		"defaults:\n  backoff: 2\n  budget: {per: 35m}":                                       {"3 defaults.budget"}, // 5m + 10m + 20m
		"types:\n  A: {action: restart, backoff: 3.3}":                                        {"2 types.A.budget"},
		"defaults: {budget: {max: 100}, backoff: 10}":                                         {"1 defaults.budget"},
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
		"defaults: {backoff: 2, budget: {per: 36m}}", "types: {A: {action: restart, cooldown: 10m, backoff: 1.5}}",
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
	accepted := map[float64]int{}
	for _, backoff := range []float64{1, 1.5, 2, 10} {
		for budget := 1; budget <= 4; budget++ {
			for cooldown := 1; cooldown <= 9; cooldown++ {
				for per := 1; per <= 25; per++ {
					g := alerting.Guard{Cooldown: time.Duration(cooldown) * time.Minute, Backoff: backoff, Budget: budget, Per: time.Duration(per) * time.Minute}
					_, err := cfg.ParsePolicy("", fmt.Appendf(nil, "defaults: {cooldown: %dm, backoff: %v, budget: {max: %d, per: %dm}}", cooldown, backoff, budget, per))
					require.Equal(t, bites(g), err == nil, "max %d, cooldown %dm, back-off %v, per %dm: %v", budget, cooldown, backoff, per, err)
					if err == nil {
						accepted[backoff]++
					}
				}
			}
		}
	}
	require.Len(t, accepted, 4)
	require.Less(t, accepted[2], accepted[1], "the back-off matters")
}

// bites tells whether the budget ever forbids what the cooldown allows.
func bites(g alerting.Guard) bool {
	now := time.Unix(1_800_000_000, 0)
	policy, endless := alerting.DefaultPolicy(), alerting.DefaultPolicy()
	policy.Containers, policy.Default.Guard = []string{"gateway"}, g
	endless.Containers, endless.Default.Guard = []string{"gateway"}, g
	endless.Default.Guard.Budget = 1000
	ask := alerting.Ask{Type: "A", Action: alerting.Restart, Container: "gateway"}
	for range g.Budget + 1 {
		ask.Now = now
		if wait := endless.Guard(ask); wait.Code == "cooldown" {
			ask.Now = wait.Until
		}
		if policy.Guard(ask).Code == "budget" {
			return true
		}
		now = ask.Now
		ask.Ledger.Enter(&alerting.Remediation{Status: alerting.Failed, OrderedAt: now, EndedAt: now})
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

		"types: {A: {action: [restart, stop]}, B: {action: [start, escalate]}, CONTAINER_DOWN: {action: [start, restart, escalate]}}": nil,
		"types: {A: {action: [restart, restart, restart, escalate]}}":                                                                 nil, // as many as the budget
		"types:\n  A:\n    action: [restart, restart, restart, stop]":                                                                 {"3 types.A.action"},
		"types:\n  A:\n    action: [restart, restart, escalate]\n    budget: {max: 1}":                                                {"4 types.A.action"},
		"defaults:\n  action: [stop, start]":                                                                                          {"2 defaults.action"},
		"types:\n  A: {action: [restart, stop, restart]}":                                                                             {"2 types.A.action"},
		"types: {CONTAINER_STOPPED: {action: start}}":                                                                                 {"1 types.CONTAINER_STOPPED.action"},
		"types: {CONTAINER_DOWN: {action: restart}}":                                                                                  {"1 types.CONTAINER_DOWN.action"},
		"types: {CONTAINER_DOWN: {action: [stop]}}":                                                                                   {"1 types.CONTAINER_DOWN.action"},
		"types: {CONTAINER_UNHEALTHY: {action: start}}":                                                                               {"1 types.CONTAINER_UNHEALTHY.action"},
		"types: {CONTAINER_UNHEALTHY: {action: [restart, stop]}}":                                                                     nil,
		"types: {A: {action: restart, backoff: 2, budget: {max: 1}}}":                                                                 {"1 types.A.backoff"},
		"types: {A: {manual: restart, backoff: 2, startGrace: 1m, minSeverity: ERROR}}":                                               {"1 types.A.backoff", "1 types.A.minSeverity", "1 types.A.startGrace"},
		"types: {A: {verify: {steady: 1m}, host: h}}":                                                                                 {"1 types.A.host", "1 types.A.verify.steady"},
		"types: {A: {manual: restart, verify: {steady: 1m}, host: h}}":                                                                nil,
		"types: {A: {action: stop, verify: {steady: 1m, stable: 1m}}}":                                                                {"1 types.A.verify.steady"},
		"types: {A: {action: stop, manual: restart, verify: {steady: 1m}}}":                                                           nil,

		"types: {A: {mention: ['1380000000', 13800000000, '+85261234567', zhang]}}": {"1 types.A.mention"},
		"types: {A: {mention: [138000000001]}}":                                     {"1 types.A.mention"},
		"types:\n  A: {mention: {ERROR: ['85261234567'], CRITICAL: ['12345']}}":     {"2 types.A.mention.ERROR"},

		"repeat: 1h\ndefaults: {repeat: never}":   {"1 repeat"},
		"repeat: 1h\ntypes: {A: {repeat: never}}": nil,
		"types: {CONTAINER_UNHEALTHY: {escalate: [{after: 1m, groups: [a]}, {after: 2m, groups: [b], severity: CRITICAL}]}}": {"1 types.CONTAINER_UNHEALTHY.escalate[1].severity"},
		"types: {A: {escalate: [{after: 1m, groups: [a], severity: CRITICAL}]}}":                                             nil,
		"defaults: {escalate: [{after: 1m, groups: [a], severity: CRITICAL}]}":                                               nil, // for types that get worse

		"types: {CONTAINER_UNHEALTHY: {verify: {steady: 5m}}}":                                                                   nil,
		"types: {CONTAINER_UNHEALTHY: {verify: {steady: 6m}}}":                                                                   {"1 types.CONTAINER_UNHEALTHY.verify.steady"},
		"types:\n  CONTAINER_UNHEALTHY:\n    symptom: 1m":                                                                        {"3 types.CONTAINER_UNHEALTHY.verify.steady"},
		"types: {A: {action: restart, verify: {steady: 6m}}}":                                                                    nil, // no watch of ours tells of it
		"types: {TICKER_SYNC_TIMEOUT: {minSeverity: ERROR}}":                                                                     nil,
		"types:\n  TICKER_SYNC_TIMEOUT: {minSeverity: CRITICAL}":                                                                 {"2 types.TICKER_SYNC_TIMEOUT.minSeverity"},
		"defaults: {minSeverity: CRITICAL}":                                                                                      {"1 types.TICKER_SYNC_TIMEOUT.minSeverity"},
		"defaults: {minSeverity: CRITICAL}\nlogs: {aifuturetrade-async-service: {severity: CRITICAL}}":                           nil,
		"types: {BEAT: {action: restart, minSeverity: CRITICAL}}\nheartbeats: {b: {period: 1m, type: BEAT}}":                     {"1 types.BEAT.minSeverity"},
		"types: {BEAT: {action: restart, minSeverity: CRITICAL}}\nheartbeats: {b: {period: 1m, type: BEAT, severity: CRITICAL}}": nil,

		"brake: {containers: 0}":            nil,
		"brake: {containers: 0, hold: 20m}": {"1 brake.hold"},
		"brake: {per: 20m}":                 {"1 brake.hold"},
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

// TestTheSeveritiesOfTheContainerWatchAreThoseThatItReports holds the table of
// the check to the domain.
func TestTheSeveritiesOfTheContainerWatchAreThoseThatItReports(t *testing.T) {
	for _, name := range []string{alerting.ContainerDown, alerting.ContainerOOM, alerting.ContainerRestarting, alerting.ContainerUnhealthy} {
		policy := alerting.DefaultPolicy()
		reports := alerting.ContainerNotice{Type: name, Resolved: true}.Event(&policy).Severity
		for _, least := range alerting.Severities {
			in := parse(t, env{}, fmt.Sprintf("types: {%s: {action: [restart, stop], minSeverity: %s}}", name, least))
			warned := slices.Contains(warnings(in), "1 types."+name+".minSeverity")
			assert.Equal(t, least.Rank() > reports.Rank(), warned, "%s from %s", name, least)
		}
	}
}

// TestALongSteadyProofDelaysTheVerdictAndDoesNotForbidIt is what the warning
// says, by the domain.
func TestALongSteadyProofDelaysTheVerdictAndDoesNotForbidIt(t *testing.T) {
	began := time.Unix(1_800_000_000, 0)
	c := alerting.Container{ID: "c", Running: true, StartedAt: began, Health: alerting.Healthy}
	r := alerting.Remediation{Action: alerting.Restart, ContainerID: "c", StartedAfter: began, ProvenFrom: began}
	const steady, symptom = 10 * time.Minute, 5 * time.Minute
	assess := func(s alerting.Symptom, after time.Duration) alerting.Step {
		return r.Assess(&c, alerting.Verify{Steady: steady}, s, symptom, began.Add(after))
	}
	assert.Equal(t, alerting.StepWait, assess(alerting.SymptomStays, steady-1).Do, "later than symptom")
	assert.Equal(t, alerting.Failed, assess(alerting.SymptomStays, steady).Status)
	assert.Equal(t, alerting.Succeeded, assess(alerting.NoSymptom, steady).Status)
}
