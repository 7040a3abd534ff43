package config_test

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
)

// hard is what a careless writer of YAML would get wrong.
const hard = `types:
  "404": {action: restart, labels: ["null", "a: b", "#", "- x", "是"]}
  "NULL": {action: start, budget: {max: 1}}
  "~": {manual: start}
  订单 超时: {action: restart, verify: {stable: 1m30s, healthy: 2h}}
  "A: {B} # C": {action: restart, cooldown: 1500ms}
  LADDER: {action: [restart, start, stop], manual: stop, host: "?/2", minSeverity: ERROR, backoff: 1.25, startGrace: 0s, verify: {steady: 0s}}
  CONTAINER_UNHEALTHY: {verify: {steady: 0s}}
  ESCALATE: {escalate: [{after: 10s, groups: ["404", "a, b", "null", "{x}"], severity: critical}, {after: 1h30m, groups: [g]}], repeat: never}
  GROUPS: {groups: ["值班群", "#1", "404", "a, b", "null", "{x}"], mention: {CRITICAL: ["1", "null", "z@corp.example", "13800000000", "@all"], INFO: [z, 13800000001]}}
`

func TestWhatIsShownSaysTheSameWhenItIsReadBack(t *testing.T) {
	full, err := os.ReadFile("testdata/policy.yaml")
	require.NoError(t, err)
	for _, e := range []env{{}, {"REMEDIATION_CONTAINERS": "one,two", "ASYNC_MONITOR_TICKER_TIMEOUT": "1.5"}, {"REMEDIATION_CONTAINERS": "", "ASYNC_MONITOR_TICKER_TIMEOUT": "168h"}, {"WECHAT_MENTION_MOBILES": "13800000000,+85261234567,@all"}} {
		for _, text := range []string{"{}", hard, strings.Replace(string(full), "symptom: 8m", "symptom: 169h", 1), "incidentGap: 3m", "defaults: {verify: {steady: 2m}, action: [restart, escalate], minSeverity: CRITICAL, backoff: 2}\ntypes: {A: {}, B: {action: stop, minSeverity: INFO, backoff: 1, verify: {steady: 0s}}}",
			"brake: {containers: 0}", "defaults: {labels: [a]}\ntypes: {A: {labels: []}}",
			"defaults: {groups: [a], mention: [zhang]}\ntypes: {A: {groups: [], mention: []}, B: {mention: {ERROR: [li]}}}",
			"defaults: {repeat: 1h, escalate: [{after: 15m, groups: [a]}]}\ntypes: {A: {repeat: never, escalate: []}, B: {repeat: 2h}, CONTAINER_DOWN: {escalate: [{after: 15m, groups: [b]}]}}"} {
			sameWhenReadBack(t, e, parse(t, e, text))
		}
	}
}

func sameWhenReadBack(t testing.TB, e env, in config.PolicyInForce) {
	t.Helper()
	shown, err := in.YAML()
	require.NoError(t, err)
	back := parse(t, e, string(shown))
	require.Equal(t, tidy(in.Policy), tidy(back.Policy), "%s", shown)
	require.Empty(t, in.Changes(back))
}

// tidy takes no list and an empty one as the same.
func tidy(p alerting.Policy) alerting.Policy {
	p.Containers = append([]string{}, p.Containers...)
	rules := map[string]alerting.Rule{}
	for name, rule := range p.Rules {
		rules[name] = tidyRule(rule)
	}
	p.Rules = rules
	p.Default = tidyRule(p.Default)
	return p
}

func tidyRule(rule alerting.Rule) alerting.Rule {
	rule.Labels = append([]string{}, rule.Labels...)
	rule.Groups = append([]string{}, rule.Groups...)
	return rule
}

// TestAPolicyFileCanSayAllThatTheDomainKnows fails for a field that was added to
// a rule or the brake and that no key of testdata/policy.yaml sets.
func TestAPolicyFileCanSayAllThatTheDomainKnows(t *testing.T) {
	text, err := os.ReadFile("testdata/policy.yaml")
	require.NoError(t, err)
	in, usual := parse(t, env{}, string(text)).Policy, parse(t, env{}, "{}").Policy
	said := map[string]bool{}
	compare(said, "brake", reflect.ValueOf(in.Brake), reflect.ValueOf(usual.Brake))
	for _, name := range append(slices.Collect(maps.Keys(in.Rules)), "NEVER_NAMED") {
		compare(said, "rule", reflect.ValueOf(in.Rule(name)), reflect.ValueOf(usual.Rule(name)))
	}
	require.Greater(t, len(said), 20)
	for field, changed := range said {
		assert.True(t, changed, field)
	}
}

// compare notes of each field whether any two values that were compared differ
// in it.
func compare(differs map[string]bool, path string, a, b reflect.Value) {
	if a.Kind() == reflect.Struct {
		for i := range a.NumField() {
			compare(differs, path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
		return
	}
	differs[path] = differs[path] || !reflect.DeepEqual(a.Interface(), b.Interface())
}

func TestThePageNamesEveryKey(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	require.NoError(t, err)
	text, err := os.ReadFile("testdata/policy.yaml")
	require.NoError(t, err)
	none := config.PolicyInForce{}
	changes := none.Changes(parse(t, env{}, string(text)))
	require.Greater(t, len(changes), 40)
	section := regexp.MustCompile(`^(defaults|types\.\w+|logs\.(order\.service|[\w-]+)|heartbeats\.[\w-]+)\.`)
	for _, change := range changes {
		path, _, _ := strings.Cut(change, ": ")
		assert.Contains(t, string(page), "`"+section.ReplaceAllString(path, "")+"`", change)
	}
}

func TestEachValueIsShownWithWhereItComesFrom(t *testing.T) {
	in := parse(t, env{"REMEDIATION_CONTAINERS": "one", "ASYNC_MONITOR_CHECK_INTERVAL": "30"}, "repeat: 2h\ntypes:\n  A:\n    action: [restart, escalate]\n    target: one\n    backoff: 1.5\n    verify: {steady: 1m}\n    budget: {max: 2}\n    groups: [值班群, 3]\n    mention:\n      ERROR: [zhang.san, li.si]\n      CRITICAL: [boss]\n    escalate: [{after: 15m, groups: [经理群, 4], severity: error}]\n    repeat: 0\n")
	shown, err := in.YAML()
	require.NoError(t, err)
	lines := strings.Split(string(shown), "\n")
	for _, want := range []string{
		"incidentGap: 30m # 默认 (default)",
		"repeat: 2h # 策略文件第 1 行 (file, line 1)",
		"containers: [one] # 环境变量 (environment): REMEDIATION_CONTAINERS",
		"    target: one # 策略文件第 5 行 (file, line 5)",
		"    manual: restart # 策略文件第 4 行 (file, line 4)",
		"    action: [restart, escalate] # 策略文件第 4 行 (file, line 4)",
		"    backoff: 1.5 # 策略文件第 6 行 (file, line 6)",
		"      steady: 1m # 策略文件第 7 行 (file, line 7)",
		"      max: 2 # 策略文件第 8 行 (file, line 8)",
		"  backoff: 1 # 默认 (default)",
		"  minSeverity: INFO # 默认 (default)",
		"      steady: 2m # 默认 (default)", // of CONTAINER_UNHEALTHY
		"  containers: 3 # 默认 (default)",  // of the brake
		"    symptom: 5m # 同 defaults (as defaults)",
		"    groups: [值班群, '3'] # 策略文件第 9 行 (file, line 9)",
		"    mention: {ERROR: [zhang.san, li.si], CRITICAL: [boss]} # 策略文件第 11 行 (file, line 11)",
		"  groups: [] # 默认 (default)",
		"  mention: [] # 默认 (default)",
		"    escalate: [{after: 15m, groups: [经理群, '4'], severity: ERROR}] # 策略文件第 13 行 (file, line 13)",
		"    repeat: never # 策略文件第 14 行 (file, line 14)",
		"  escalate: [] # 默认 (default)",
		"    symptom: 4m30s # 环境变量 (environment): ASYNC_MONITOR_TICKER_TIMEOUT + ASYNC_MONITOR_CHECK_INTERVAL",
	} {
		assert.Contains(t, lines, want)
	}
	for _, line := range lines {
		if line != "" && !strings.HasSuffix(line, ":") {
			assert.Contains(t, line, " # ", "every value says where it comes from")
		}
	}
}

func TestThePeopleOfTheEnvironmentAreShownAsSuch(t *testing.T) {
	in := parse(t, env{"WECHAT_MENTION_MOBILES": "13800000000,@all"}, "types: {A: {mention: [zhang]}}")
	shown, err := in.YAML()
	require.NoError(t, err)
	lines := strings.Split(string(shown), "\n")
	assert.Contains(t, lines, "  mention: {ERROR: ['13800000000', '@all']} # 环境变量 (environment): WECHAT_MENTION_MOBILES")
	assert.Contains(t, lines, "    mention: {INFO: [zhang]} # 策略文件第 1 行 (file, line 1)")
}

func TestNobodysNumberIsAmongTheChanges(t *testing.T) {
	before, after := parse(t, env{}, "types: {A: {mention: [13812345678]}}"), parse(t, env{}, "defaults: {mention: ['@all']}\ntypes: {A: {mention: [13887655678, z]}}")
	changes := before.Changes(after)
	assert.Contains(t, changes, "types.A.mention: {INFO: [138****5678]} → {INFO: [z, 138****5678]}")
	assert.Contains(t, changes, "defaults.mention: [] → {INFO: [@all]}")
	same := parse(t, env{}, "types: {A: {mention: [13800005678]}}")
	assert.Equal(t, []string{"types.A.mention: {INFO: [138****5678]} → {INFO: [138****5678]}"}, before.Changes(same), "that it is another one is said")
}

func TestChangesNameWhatIsDifferent(t *testing.T) {
	before := parse(t, env{}, "types: {A: {action: restart, groups: [g], mention: [zhang]}, B: {action: restart, target: aifuturetrade-async-service}}")
	after := parse(t, env{}, "repeat: 1h\ncontainers: [one, two]\ntypes: {A: {action: restart, cooldown: 1m, groups: [g, h], mention: {ERROR: [zhang], CRITICAL: [boss]}}}")
	assert.ElementsMatch(t, []string{
		"repeat: 30m → 1h", "containers: [aifuturetrade-async-service] → [one, two]", "types.A.cooldown: 5m → 1m",
		"types.A.groups: [g] → [g, h]", "types.A.mention: {INFO: [zhang]} → {ERROR: [zhang], CRITICAL: [boss]}",
		"types.B.action: restart → none", "types.B.manual: restart → none", "types.B.target: aifuturetrade-async-service → -",
	}, before.Changes(after))
	assert.Empty(t, after.Changes(after))

	before, after = parse(t, env{}, "types: {A: {repeat: 1h, escalate: [{after: 15m, groups: [a]}]}}"), parse(t, env{}, "types: {A: {repeat: 0s, escalate: [{after: 15m, groups: [a, b]}, {after: 1h, groups: [c], severity: CRITICAL}]}}")
	assert.ElementsMatch(t, []string{
		"types.A.repeat: 1h → never", "types.A.escalate: [{after: 15m, groups: [a]}] → [{after: 15m, groups: [a, b]}, {after: 1h, groups: [c], severity: CRITICAL}]",
	}, before.Changes(after))

	before, after = parse(t, env{}, "types: {A: {action: restart}}"), parse(t, env{}, "brake: {containers: 0}\ntypes: {A: {action: [restart, stop, escalate], manual: restart, host: h, minSeverity: ERROR, backoff: 1.5, startGrace: 0s, verify: {steady: 1m}}}")
	assert.ElementsMatch(t, []string{
		"brake.containers: 3 → 0", "types.A.action: restart → [restart, stop, escalate]", "types.A.host: - → h", "types.A.minSeverity: INFO → ERROR",
		"types.A.backoff: 1 → 1.5", "types.A.startGrace: 30s → 0s", "types.A.verify.steady: 0s → 1m",
	}, before.Changes(after))
}

func FuzzPolicyFile(f *testing.F) {
	full, err := os.ReadFile("testdata/policy.yaml")
	require.NoError(f, err)
	for _, seed := range []string{
		string(full), hard, "{}", "# x", "repeat: 5m\n---\n{}", "a: &a [*a]", "<<: *x", "repeat: !!binary eA==", "types: {A: {labels: [a,a]}}", "\xff", "defaults: {budget: 3}",
		"%YAML 1.1\n---\nrepeat: 5m", "? a\n: b", "repeat: |\n  5m\n", "{{{{", "types:\n\tA: 1", "containers: [a*]", "repeat: .inf", "\uFEFFrepeat: 5m", "defaults: {mention: {ERROR: [a], INFO: }}", "defaults: {mention: [a, a], groups: [[]]}",
		"defaults: {action: [restart, escalate], backoff: 1e0}", "defaults: {repeat: 0, escalate: [{after: 24h, groups: [a]}, {}, ~]}", "types: {A: {repeat: never, escalate: [{after: 10s, groups: [a], severity: INFO}, {after: 1000m, groups: ['1', x]}]}}", "defaults: {backoff: 9.999999999999999}", "defaults: {action: [escalate, [], ]}", "brake: {containers: 0, per: 1s}", "types: {CONTAINER_UNHEALTHY: {verify: {steady: 0h}, host: 'a:b/c'}}",
	} {
		f.Add([]byte(seed))
	}
	e := env{}
	cfg, err := config.Load(f.Context(), e.lookup)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text []byte) {
		in, err := cfg.ParsePolicy("policy.yaml", text)
		if err != nil {
			var bad *config.PolicyError
			require.ErrorAs(t, err, &bad)
			require.NotEmpty(t, bad.Problems)
			for _, p := range bad.Problems {
				require.LessOrEqual(t, p.Line, strings.Count(string(text), "\n")+strings.Count(string(text), "\r")+strings.Count(string(text), "\u2028")+strings.Count(string(text), "\u2029")+strings.Count(string(text), "\u0085")+2)
			}
			return
		}
		require.NotEqual(t, 1, in.Policy.Brake.Containers, "it would hold everything")
		for _, name := range in.Policy.Containers {
			require.Regexp(t, `^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$`, name)
		}
		for _, rule := range in.Policy.Rules {
			for _, m := range rule.Mentions {
				require.False(t, slices.ContainsFunc(m.Users, func(user string) bool { return !alerting.UserID(user) }), "%v", m)
			}
			require.LessOrEqual(t, len(rule.Escalation), alerting.MaxSteps)
			for i, step := range rule.Escalation {
				require.NotEmpty(t, step.Groups)
				require.True(t, step.After >= alerting.ShortestStep && step.After <= alerting.LongestStep, step.After)
				require.True(t, i == 0 || step.After > rule.Escalation[i-1].After, "%v", rule.Escalation)
			}
			require.True(t, rule.Repeat == 0 || rule.Repeat == alerting.Never || rule.Repeat >= time.Second)
			require.Positive(t, rule.Guard.Budget)
			require.True(t, rule.Guard.Backoff >= 1 && rule.Guard.Backoff <= 10)
			require.NotContains(t, []alerting.Action{alerting.Escalate, ""}, rule.Action)
			require.NotContains(t, []alerting.Action{alerting.Escalate, ""}, rule.Manual)
			for i, step := range rule.Ladder {
				require.Equal(t, rule.Ladder[0], rule.Action)
				require.NotEqual(t, alerting.NoAction, step)
				require.True(t, step != alerting.Escalate || i > 0 && i == len(rule.Ladder)-1, "%v", rule.Ladder)
			}
			require.Less(t, int64(rule.Guard.Cooldown)*int64(rule.Guard.Budget), int64(rule.Guard.Per))
		}
		sameWhenReadBack(t, e, in)
	})
}
