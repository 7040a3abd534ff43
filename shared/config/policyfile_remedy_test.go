package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/alerting"
)

func TestEachMistakeInLaddersGuardsAndBrakeIsNamedWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"types:\n  A:\n    action: []":                                         "3 types.A.action",
		"types:\n  A:\n    action: [" + strings.Repeat("stop, ", 11) + "]":     "3 types.A.action",
		"types:\n  A:\n    action:\n      - restart\n      - none":             "5 types.A.action[1]",
		"types:\n  A:\n    action:\n      - restart\n      -":                  "5 types.A.action[1]",
		"types:\n  A:\n    action: [restart, [stop]]":                          "3 types.A.action[1]",
		"types:\n  A:\n    action: [escalate, restart]":                        "3 types.A.action[0]",
		"types:\n  A:\n    action:\n    - restart\n    - escalate\n    - stop": "5 types.A.action[1]",
		// Numbers and waits that may be none.
		"defaults: {backoff: 0.5}":                               "1 defaults.backoff",
		"defaults: {backoff: 10.1}":                              "1 defaults.backoff",
		"defaults: {backoff: .nan}":                              "1 defaults.backoff",
		"defaults: {backoff: .inf}":                              "1 defaults.backoff",
		"defaults: {backoff: \"2\"}":                             "1 defaults.backoff",
		"defaults: {backoff: 2x}":                                "1 defaults.backoff",
		"defaults: {backoff: [2]}":                               "1 defaults.backoff",
		"defaults: {startGrace: 0}":                              "1 defaults.startGrace",
		"defaults: {startGrace: 999ms}":                          "1 defaults.startGrace",
		"defaults: {startGrace: -1s}":                            "1 defaults.startGrace",
		"defaults: {verify: {steady: 721h}}":                     "1 defaults.verify.steady",
		"defaults: {verify: {stable: 0s}}":                       "1 defaults.verify.stable",
		"defaults: {minSeverity: worst}":                         "1 defaults.minSeverity",
		"defaults: {minSeverity: }":                              "1 defaults.minSeverity",
		"brake: {containers: 1}":                                 "1 brake.containers",
		"brake: {containers: -1}":                                "1 brake.containers",
		"brake: {containers: 101}":                               "1 brake.containers",
		"brake: {per: 0s}":                                       "1 brake.per",
		"types: {A: {host: ''}}":                                 "1 types.A.host",
		"types: {A: {host: 'trading-*'}}":                        "1 types.A.host",
		"types: {A: {host: 'tcp://h:2375'}}":                     "1 types.A.host",
		"types: {A: {host: '" + strings.Repeat("h", 201) + "'}}": "1 types.A.host",
	} {
		places, err := complaints(t, env{}, text)
		assert.Equal(t, []string{want}, places, "%q: %v", text, err)
	}
}

func TestAWordEndsTheLadderOfTheDefaults(t *testing.T) {
	p := parse(t, env{}, "defaults: {action: [stop, escalate]}\ntypes: {A: {cooldown: 1m}, B: {action: restart}, C: {action: none}, D: {action: [start]}}").Policy
	assert.Equal(t, []alerting.Action{alerting.Stop, alerting.Escalate}, p.Rule("A").Ladder)
	assert.Equal(t, alerting.Stop, p.Rule("A").Manual, "by hand its first step")
	for name, want := range map[string]alerting.Action{"B": alerting.Restart, "C": alerting.NoAction, alerting.TickerSyncTimeout: alerting.Restart, alerting.ContainerDown: alerting.NoAction} {
		assert.Empty(t, p.Rule(name).Ladder, name)
		assert.Equal(t, want, p.Rule(name).Action, name)
	}
	d := p.Rule("D")
	assert.Equal(t, alerting.Start, d.Manual)
	assert.Equal(t, []alerting.Action{alerting.Start, alerting.NoAction}, []alerting.Action{d.Step(0), d.Step(1)}, "a list is done once, a word again and again")
}

func TestWhatIsNotActedOnIsWrittenAsSuch(t *testing.T) {
	for _, text := range []string{"action: escalate", "action: [escalate]", "action: []"} {
		places, err := complaints(t, env{}, "defaults: {"+text+"}")
		assert.Len(t, places, 1, text)
		assert.ErrorContains(t, err, "请写 action: none")
		assert.ErrorContains(t, err, "write action: none")
	}
	_, err := complaints(t, env{}, "brake: off")
	assert.ErrorContains(t, err, "to switch it off {containers: 0}")
	assert.Zero(t, parse(t, env{}, "brake: {containers: 0}").Policy.Brake.Containers)
}
