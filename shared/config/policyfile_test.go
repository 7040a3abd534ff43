package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
)

func parse(t testing.TB, e env, text string) config.PolicyInForce {
	t.Helper()
	cfg, err := config.Load(t.Context(), e.lookup)
	require.NoError(t, err)
	in, err := cfg.ParsePolicy("policy.yaml", []byte(text))
	require.NoError(t, err)
	return in
}

// complaints parses what must be refused and gives "line where" of each
// problem.
func complaints(t *testing.T, e env, text string) (places []string, err error) {
	t.Helper()
	_, err = load(t, e).ParsePolicy("policy.yaml", []byte(text))
	var bad *config.PolicyError
	require.ErrorAs(t, err, &bad, text)
	for _, p := range bad.Problems {
		places = append(places, strings.TrimSpace(fmt.Sprintf("%d %s", p.Line, p.Where)))
		require.NotEmpty(t, p.Zh)
		require.NotEmpty(t, p.En)
		require.Contains(t, err.Error(), p.String())
	}
	return places, err
}

func TestEveryKeyOfThePolicyFileIsRead(t *testing.T) {
	in, err := load(t, env{}).ReadPolicy("testdata/policy.yaml")
	require.NoError(t, err)
	assert.Empty(t, in.Warnings)
	p := in.Policy
	assert.Equal(t, 45*time.Minute, p.IncidentGap)
	assert.Equal(t, time.Hour, p.Repeat)
	assert.Equal(t, 10*time.Minute, p.ChangedWord)
	assert.Equal(t, []string{"aifuturetrade-async-service", "gateway"}, p.Containers)

	assert.Equal(t, alerting.BrakeRule{Containers: 4, Per: 2 * time.Minute, Hold: 15 * time.Minute}, p.Brake)

	defaults := alerting.Rule{
		Action: alerting.NoAction, Manual: alerting.Restart, Labels: []string{"region"}, MinSeverity: alerting.Warning,
		Guard:   alerting.Guard{Cooldown: 6 * time.Minute, Budget: 4, Per: 2 * time.Hour, Backoff: 1.5, StartGrace: 20 * time.Second, EngineWait: 90 * time.Second},
		Verify:  alerting.Verify{Stable: 45 * time.Second, Healthy: 4 * time.Minute, Steady: time.Minute},
		Symptom: 7 * time.Minute,
		Groups:  []string{"运维群"}, Mentions: []alerting.Mention{{From: alerting.Critical, Users: []string{"boss"}}},
		Escalation: []alerting.EscalationStep{{After: 30 * time.Minute, Groups: []string{"经理群"}}},
	}
	assert.Equal(t, defaults, p.Rule("NEVER_NAMED"))

	ticker := defaults
	ticker.Action, ticker.Target = alerting.Restart, "aifuturetrade-async-service"
	ticker.Guard.Cooldown, ticker.Guard.Budget, ticker.Symptom = 10*time.Minute, 2, 8*time.Minute
	ticker.Host, ticker.Guard.Backoff, ticker.Verify.Steady = "trading-1", 2, 0
	ticker.Groups = []string{"值班群", "3"}
	ticker.Mentions = []alerting.Mention{{From: alerting.Warning, Users: []string{"zhang.san"}}, {From: alerting.Critical, Users: []string{"boss", "li.si"}}}
	ticker.Escalation = []alerting.EscalationStep{
		{After: 15 * time.Minute, Groups: []string{"值班经理群", "4"}, Severity: alerting.Error}, {After: time.Hour, Groups: []string{"总监群"}}, // INFO is every alert
	}
	assert.Equal(t, ticker, p.Rule(alerting.TickerSyncTimeout), "what a type does not say it takes from defaults")

	stuck := defaults
	stuck.Action, stuck.Target, stuck.Labels = alerting.Restart, "gateway", []string{}
	stuck.Ladder, stuck.Manual = []alerting.Action{alerting.Restart, alerting.Restart, alerting.Escalate}, alerting.Stop
	stuck.MinSeverity, stuck.Guard.StartGrace, stuck.Verify.Steady = "", 0, 0 // INFO is what holds without one
	stuck.Groups, stuck.Mentions = []string{}, []alerting.Mention{{From: alerting.Info, Users: []string{"li.si"}}}
	stuck.Escalation, stuck.Repeat = nil, alerting.Never
	assert.Equal(t, stuck, p.Rule("ORDER_STUCK"))

	require.Len(t, p.Logs, 2)
	assert.Equal(t, alerting.LogRule{
		Container: "aifuturetrade-async-service", Progress: alerting.TickerLine(), Timeout: 2 * time.Minute, Interval: time.Minute,
		AlertType: alerting.TickerSyncTimeout, Severity: alerting.Error,
	}, p.Logs[0])
	assert.Equal(t, alerting.LogRule{
		Container: "order.service", Progress: alerting.NewLinePattern(regexp.MustCompile("order (synced|同步)")), Timeout: 90 * time.Second, Interval: 30 * time.Second,
		AlertType: "ORDER_STUCK", Severity: alerting.Warning, Service: "gateway", Required: true,
	}, p.Logs[1])
	hour := time.Hour
	assert.Equal(t, []alerting.HeartbeatDeclaration{
		{Name: "gateway", HeartbeatTerms: alerting.HeartbeatTerms{Period: 30 * time.Second, AlertType: "ORDER_STUCK", Service: "gateway"}},
		{Name: "nightly-backup", HeartbeatTerms: alerting.HeartbeatTerms{Period: 24 * time.Hour, Grace: &hour, Severity: alerting.Critical}},
	}, p.Heartbeats)
}

func TestWhatIsWatchedIsCheckedByName(t *testing.T) {
	places, _ := complaints(t, env{}, `logs:
  not/a/name: {timeout: 1m}
  good:
    pattern: '('
    timeout: 5
    type: lower
    severity: bad
    every: 1m
heartbeats:
  no period: {period: 1m}
  missing: {grace: 1m}
  short: {period: 1ms}
  long: {period: 1m, grace: 9999h, severity: loud}
`)
	assert.Equal(t, []string{"2 logs.…", "4 logs.good.pattern", "5 logs.good.timeout", "6 logs.good.type", "7 logs.good.severity", "8 logs.good.every",
		"10 heartbeats.…", "11 heartbeats.missing.period", "12 heartbeats.short.period", "13 heartbeats.long.severity", "13 heartbeats.long.grace"}, places)
}

func TestWhatTheFileDoesNotSayStaysAsItWas(t *testing.T) {
	e := env{"REMEDIATION_CONTAINERS": "one", "ASYNC_MONITOR_TICKER_TIMEOUT": "10", "REMEDIATION_MODE": "dry-run", "WECHAT_WEBHOOK_URL": "https://qyapi.weixin.qq.com/x?key=k"}
	want := load(t, e).Policy()
	for _, text := range []string{"{}", "# only words\n", "---\n", "defaults:\ntypes:\n  # nothing yet\n", "types: {TICKER_SYNC_TIMEOUT: }", "defaults: {budget: , verify: {}}", "\uFEFFtypes: {}"} {
		assert.Equal(t, want, parse(t, e, text).Policy, text)
	}
	none, err := load(t, e).ReadPolicy("")
	require.NoError(t, err)
	assert.Equal(t, want, none.Policy, "no file")
}

func TestDefaultsReachEveryTypeExceptInWhatMakesABuiltInOneWhatItIs(t *testing.T) {
	p := parse(t, env{}, "types: {MINE: {cooldown: 1m}}\ndefaults: {action: restart, cooldown: 2m, symptom: 20m, verify: {steady: 1m}}").Policy
	assert.Equal(t, 2*time.Minute, p.Rule(alerting.TickerSyncTimeout).Guard.Cooldown)
	assert.Equal(t, 5*time.Minute, p.Rule(alerting.TickerSyncTimeout).Symptom, "it follows from how a stall is found")
	assert.Equal(t, alerting.NoAction, p.Rule(alerting.ContainerDown).Action, "a container that somebody stopped stays down")
	assert.Equal(t, alerting.Start, p.Rule(alerting.ContainerDown).Manual)
	assert.Equal(t, alerting.Restart, p.Rule("MINE").Action)
	assert.Equal(t, alerting.Restart, p.Rule("OTHER").Action)
	assert.Equal(t, time.Minute, p.Rule("MINE").Guard.Cooldown)
	assert.Equal(t, 20*time.Minute, p.Rule("MINE").Symptom)
	assert.Equal(t, time.Minute, p.Rule("MINE").Verify.Steady)
	assert.Equal(t, 2*time.Minute, p.Rule(alerting.ContainerUnhealthy).Verify.Steady, "longer than its check takes to fail")
	assert.Zero(t, p.Rule(alerting.TickerSyncTimeout).Verify.Steady)
}

func TestWhatIsDoneByItselfCanBeAskedForByHand(t *testing.T) {
	p := parse(t, env{}, "types: {A: {action: restart}, B: {action: restart, manual: none}, TICKER_SYNC_TIMEOUT: {action: none}, CONTAINER_DOWN: {action: restart}}").Policy
	assert.Equal(t, alerting.Restart, p.Rule("A").Manual)
	assert.Equal(t, alerting.NoAction, p.Rule("B").Manual, "unless the file says otherwise")
	assert.Equal(t, alerting.Restart, p.Rule(alerting.TickerSyncTimeout).Manual, "not by itself, still by hand")
	assert.Equal(t, alerting.Restart, p.Rule(alerting.ContainerDown).Manual)
}

func TestContainersReplaceTheAllowList(t *testing.T) {
	e := env{"REMEDIATION_CONTAINERS": "one"}
	assert.Equal(t, []string{"two"}, parse(t, e, "containers: [two]").Policy.Containers)
	assert.Empty(t, parse(t, e, "containers: []").Policy.Containers)
}

func TestEachMistakeIsNamedWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		// Keys.
		"repeat: 5m\nrepaet: 5m":                 "2 repaet",
		"repeat: 5m\n\nrepeat: 6m":               "3 repeat",
		"defaults: {}\ntypes: {}\ndefaults: {}":  "3 defaults",
		"types:\n  A: {}\n  B: {}\n  A: {}":      "4 types.A",
		"cooldown: 5m":                           "1 cooldown",
		"defaults:\n  target: gateway":           "2 defaults.target",
		"types:\n  A:\n    budget: {maximum: 3}": "3 types.A.budget.maximum",
		"? [a]\n: 5m":                            "1",
		// Types of values.
		"[]":                                     "1",
		"just words":                             "1",
		"types: []":                              "1 types",
		"defaults: none":                         "1 defaults",
		"defaults:\n  budget: 3":                 "2 defaults.budget",
		"repeat: [5m]":                           "1 repeat",
		"repeat:":                                "1 repeat",
		"containers: gateway":                    "1 containers",
		"containers:":                            "1 containers",
		"containers: [[a]]":                      "1 containers[0]",
		"types:\n  A:\n    action: {a: b}":       "3 types.A.action",
		"types:\n  A:\n    manual: [restart]":    "3 types.A.manual",
		"defaults:\n  host: trading-1":           "2 defaults.host",
		"defaults:\n  brake: {containers: 2}":    "2 defaults.brake",
		"Brake: {}":                              "1 Brake",
		"brake: 3":                               "1 brake",
		"brake: []":                              "1 brake",
		"brake: {max: 3}":                        "1 brake.max",
		"types:\n  A:\n    labels: {a: b}":       "3 types.A.labels",
		"defaults: {budget: {max: \"3\"}}":       "1 defaults.budget.max",
		"defaults: {budget: {max: 2.5}}":         "1 defaults.budget.max",
		"defaults: {budget: {max: 0}}":           "1 defaults.budget.max",
		"defaults: {budget: {max: 101}}":         "1 defaults.budget.max",
		"defaults: {budget: {max: 0x3}}":         "1 defaults.budget.max",
		"types:\n  A:\n    labels: ['a ']":       "3 types.A.labels[0]",
		"types:\n  A:\n    labels: [a,\n     a]": "4 types.A.labels[1]",
		// Durations.
		"repeat: 300":            "1 repeat",
		"repeat: 5":              "1 repeat",
		"repeat: 5 m":            "1 repeat",
		"repeat: 5min":           "1 repeat",
		"repeat: -5m":            "1 repeat",
		"repeat: 0s":             "1 repeat",
		"repeat: 999ms":          "1 repeat",
		"repeat: 721h":           "1 repeat",
		"repeat: 9999999999999h": "1 repeat",
		"repeat: 7d":             "1 repeat",
		"repeat: 2026-02-25":     "1 repeat",
		"repeat: true":           "1 repeat",
		// Words.
		"types:\n  A:\n    action: Restart":             "3 types.A.action",
		"types:\n  A:\n    action: kill":                "3 types.A.action",
		"types:\n  A:\n    manual: escalate":            "3 types.A.manual",
		"types:\n  A:\n    action: off":                 "3 types.A.action",
		"types:\n  A:\n    target: 'gate*'":             "3 types.A.target",
		"types:\n  A:\n    target: ''":                  "3 types.A.target",
		"types:\n  A:\n    target: a/b":                 "3 types.A.target",
		"containers:\n  - gateway\n  - 'gate?way'":      "3 containers[1]",
		"containers:\n  - gateway\n  - gateway":         "3 containers[1]",
		"types:\n  ticker: {}":                          "2 types.ticker",
		"types:\n  '': {}":                              "2 types.…",
		"types:\n  'A  B': {}":                          "2 types.…",
		"types:\n  " + strings.Repeat("A", 51) + ": {}": "2 types." + strings.Repeat("A", 51),
		// Groups and people.
		"groups: [a]":                 "1 groups",
		"types:\n  A:\n    groups: a": "3 types.A.groups",
		"types:\n  A:\n    groups:\n      - a\n      - ' '":                              "5 types.A.groups[1]",
		"defaults:\n  groups: [a,\n    a]":                                               "3 defaults.groups[1]",
		"defaults:\n  groups: ['https://h/send?key=x']":                                  "2 defaults.groups[0]",
		"defaults:\n  mention:":                                                          "2 defaults.mention",
		"defaults:\n  mention: zhang":                                                    "2 defaults.mention",
		"defaults:\n  mention: {ERROR: zhang}":                                           "2 defaults.mention.ERROR",
		"defaults:\n  mention:\n    error: [zhang]":                                      "3 defaults.mention.error",
		"defaults:\n  mention:\n    ERROR:\n      - a\n      - '@b'":                     "5 defaults.mention.ERROR[1]",
		"defaults:\n  mention: ['<@zhang>']":                                             "2 defaults.mention[0]",
		"defaults:\n  mention: [张三]":                                                     "2 defaults.mention[0]",
		"types:\n  A:\n    mentions: [zhang]":                                            "3 types.A.mentions",
		"defaults: {mention: [" + people(21) + "]}":                                      "1 defaults.mention",
		"defaults: {mention: {INFO: [" + people(11) + "], ERROR: [" + people(10) + "]}}": "1 defaults.mention",
		// Who is told when nobody acknowledges, and how often.
		"escalate: []":                                                                             "1 escalate",
		"types:\n  A:\n    escalation: []":                                                         "3 types.A.escalation",
		"defaults:\n  escalate: 15m":                                                               "2 defaults.escalate",
		"defaults:\n  escalate:":                                                                   "2 defaults.escalate",
		"defaults:\n  escalate: {after: 15m}":                                                      "2 defaults.escalate",
		"defaults:\n  escalate:\n    - 15m":                                                        "3 defaults.escalate[0]",
		"defaults:\n  escalate:\n    - {after: 15m}":                                               "3 defaults.escalate[0].groups",
		"defaults:\n  escalate:\n    - {after: 15m, groups: []}":                                   "3 defaults.escalate[0].groups",
		"defaults:\n  escalate:\n    - {after: 15m, groups: g}":                                    "3 defaults.escalate[0].groups",
		"defaults:\n  escalate:\n    - groups: [g]":                                                "3 defaults.escalate[0].after",
		"defaults:\n  escalate:\n    - groups: [g]\n      after:":                                  "4 defaults.escalate[0].after",
		"defaults:\n  escalate: [{after: 9s, groups: [g]}]":                                        "2 defaults.escalate[0].after",
		"defaults:\n  escalate: [{after: 25h, groups: [g]}]":                                       "2 defaults.escalate[0].after",
		"defaults:\n  escalate: [{after: 15, groups: [g]}]":                                        "2 defaults.escalate[0].after",
		"defaults:\n  escalate:\n    - {after: 15m, groups: [g]}\n    - {after: 15m, groups: [h]}": "4 defaults.escalate[1].after",
		"defaults:\n  escalate: [{after: 15m, groups: ['https://h/?key=x']}]":                      "2 defaults.escalate[0].groups[0]",
		"defaults:\n  escalate: [{after: 15m, groups: [g], severity: bad}]":                        "2 defaults.escalate[0].severity",
		"defaults:\n  escalate: [{after: 15m, group: [g]}]":                                        "2 defaults.escalate[0].group",
		"defaults: {escalate: [" + strings.Repeat("{after: 15m, groups: [g]}, ", 6) + "]}":         "1 defaults.escalate",
		"defaults: {repeat: always}":                                                               "1 defaults.repeat",
		"defaults: {repeat: -1s}":                                                                  "1 defaults.repeat",
		"repeat: never":                                                                            "1 repeat",
		// What YAML can do and a policy does not need.
		"repeat: &x 5m":               "1",
		"repeat: !!str 5m":            "1",
		"repeat: 5m\n---\nrepeat: 6m": "2",
		// Not YAML.
		"":                                    "0",
		"repeat: 5m\n\tx: 1":                  "2",
		"repeat: 5m\ndefaults: {action: none": "2",
		"containers: [a\nrepeat: 5m":          "1",
		"repeat: 5m\nincidentGap: \"45m\nchangedWord: 1m\n": "2",
		"repeat: 5m\ndefaults\nchangedWord: 1m":             "2",
		"repeat: 5m\n- a":                                   "2",
		"repeat: a: b":                                      "1",
		"repeat: 5m\nchangedWord: \xff":                     "2",
		"repeat: 5m\nchangedWord: \x00":                     "2",
		"repeat: [":                                         "1",
	} {
		places, err := complaints(t, env{}, text)
		assert.Equal(t, []string{want}, places, "%q: %v", text, err)
	}
}

func people(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("person%d", i)
	}
	return strings.Join(all, ", ")
}

func TestWhoCannotBeMentionedIsSaidWithWhyAndTheMend(t *testing.T) {
	for who, mends := range map[string][]string{
		"all":                   {"所有人写成 '@all'", "write '@all' for everybody"},
		"<@all>":                {"所有人写成 '@all'"},
		"'+13'":                 {"手机号", "mobile number"},
		"<@zhang>":              {"只写 userid", "without @ and brackets"},
		"'@zhang'":              {"只写 userid"},
		"张三":                    {"成员的“账号”", "must be a WeCom userid"},
		strings.Repeat("x", 65): {"must be a WeCom userid"},
	} {
		_, err := complaints(t, env{}, "defaults: {mention: {ERROR: ["+who+"]}}")
		for _, mend := range mends {
			assert.ErrorContains(t, err, mend, who)
		}
		assert.NotContains(t, err.Error(), "13800000000")
	}
}

func TestAMentionIsAListOrListsBySeverity(t *testing.T) {
	p := parse(t, env{}, "defaults: {mention: [zhang]}\ntypes: {A: {mention: {CRITICAL: [boss], WARNING: [li, zhang]}}, B: {mention: []}, C: {mention: {}}, D: {}}").Policy
	assert.Equal(t, []alerting.Mention{{From: alerting.Info, Users: []string{"zhang"}}}, p.Rule("D").Mentions, "a list is for every severity")
	assert.Equal(t, []alerting.Mention{{From: alerting.Warning, Users: []string{"li", "zhang"}}, {From: alerting.Critical, Users: []string{"boss"}}}, p.Rule("A").Mentions, "and replaces what defaults say")
	assert.Empty(t, p.Rule("B").Mentions)
	assert.Empty(t, p.Rule("C").Mentions, "nobody, as with an empty list")
}

func TestAMentionTakesMobileNumbersAndEverybody(t *testing.T) {
	p := parse(t, env{}, "defaults: {mention: [zhang, 13800000000, '138 0000 0001', '+852 6123 4567']}\ntypes: {A: {mention: {ERROR: [13800000000], CRITICAL: ['@all', li]}}}").Policy
	assert.Equal(t, []alerting.Mention{{From: alerting.Info, Users: []string{"zhang"}, Mobiles: []alerting.Mobile{"13800000000", "13800000001", "+85261234567"}}}, p.Default.Mentions)
	assert.Equal(t, []alerting.Mention{{From: alerting.Error, Mobiles: []alerting.Mobile{"13800000000"}}, {From: alerting.Critical, Users: []string{"li"}, All: true}}, p.Rule("A").Mentions)
}

// WECHAT_MENTION_MOBILES calls people for every type that names nobody itself.
func TestThePeopleOfTheEnvironmentAreCalledWhereTheFileNamesNobody(t *testing.T) {
	e := env{"WECHAT_MENTION_MOBILES": "13800000000,@all"}
	people := []alerting.Mention{{From: alerting.Error, Mobiles: []alerting.Mobile{"13800000000"}, All: true}}
	p := parse(t, e, "types: {A: {mention: [zhang]}, B: {mention: []}, C: {}}").Policy
	for _, name := range []string{"C", "UNKNOWN", alerting.TickerSyncTimeout, alerting.RobotBroken} {
		assert.Equal(t, people, p.Rule(name).Mentions, name)
	}
	assert.Equal(t, []string{"zhang"}, p.Rule("A").Mentions[0].Users)
	assert.Empty(t, p.Rule("B").Mentions)
	p = parse(t, e, "defaults: {mention: []}").Policy
	assert.Empty(t, p.Rule(alerting.TickerSyncTimeout).Mentions, "defaults are a rule of their own")
}

func TestAllMistakesAreNamedAtOnceByLineWithTheMend(t *testing.T) {
	places, err := complaints(t, env{}, `incident_gap: 30m
repeat: 300
groups: [值班群]
mention: ["13800000000"]
mode: auto
containers: [gateway, "*"]
types:
  TICKER_SYNC_TIMEOUT:
    acton: restart
    cooldown: 5分钟
defaults:
  budgets: {max: 3}
`)
	assert.Equal(t, []string{
		"1 incident_gap", "2 repeat", "3 groups", "4 mention", "5 mode", "6 containers[1]",
		"9 types.TICKER_SYNC_TIMEOUT.acton", "10 types.TICKER_SYNC_TIMEOUT.cooldown", "12 defaults.budgets",
	}, places)
	for _, mend := range []string{
		"是不是 incidentGap", "did you mean incidentGap", "did you mean action", "did you mean budget",
		"如 30s、5m", "应写在 defaults", "belongs under defaults", "REMEDIATION_MODE", "不能有通配符",
		"第 9 行 types.TICKER_SYNC_TIMEOUT.acton：", "(line 9: ",
	} {
		assert.ErrorContains(t, err, mend)
	}
}

func TestAComplaintNeverShowsAValue(t *testing.T) {
	const canary = "canary-5f0c"
	for _, text := range []string{
		"repeat: " + canary, "containers: ['*" + canary + "']", "types: {A: {action: " + canary + "}}", "defaults: " + canary, canary,
		"types: {'https://qyapi.weixin.qq.com/?key=" + canary + "': {}}", "'key=" + canary + "': 1", "repeat: *" + canary, "a: '" + canary, "a: b: " + canary,
		"defaults: {budget: {max: " + canary + "}}", "defaults: {groups: ['https://h/send?key=" + canary + "']}", "defaults: {mention: ['@" + canary + "']}", "defaults: {mention: {'" + canary + "=': []}}", "repeat: !" + canary + " 5m", "%" + canary + "\n---\n{}", "types: {A: {target: '" + canary + "*'}}",
		"types: {A: {action: [restart, " + canary + "]}}", "types: {A: {host: 'tcp://u:" + canary + "@h'}}", "defaults: {backoff: " + canary + "}", "brake: " + canary, "defaults: {minSeverity: " + canary + "}",
	} {
		_, err := complaints(t, env{}, text)
		assert.NotContains(t, err.Error(), canary, text)
	}
}

func TestAFileThatCannotBeReadSaysSo(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	require.NoError(t, os.WriteFile(big, []byte("#"+strings.Repeat("x", 256<<10)), 0o600))
	for name, want := range map[string]string{filepath.Join(dir, "missing.yaml"): "no such file", dir: "普通文件", big: "256 KiB", "/dev/zero": "普通文件"} {
		_, err := load(t, env{}).ReadPolicy(name)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, name)
	}
}

// TestThePageShowsWhatIsAccepted holds the documentation to the program.
func TestThePageShowsWhatIsAccepted(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	require.NoError(t, err)
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	require.NotEmpty(t, examples)
	for _, example := range examples {
		in := parse(t, env{}, string(example[1]))
		assert.Empty(t, in.Warnings, "%s", example[1])
	}
}
