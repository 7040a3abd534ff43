package config_test

import (
	"os"
	"slices"
	"strings"
	"testing"

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
  GROUPS: {groups: ["值班群", "#1", "404", "a, b", "null", "{x}"], mention: {CRITICAL: ["1", "null", "z@corp.example"], INFO: [z]}}
`

func TestWhatIsShownSaysTheSameWhenItIsReadBack(t *testing.T) {
	full, err := os.ReadFile("testdata/policy.yaml")
	require.NoError(t, err)
	for _, e := range []env{{}, {"REMEDIATION_CONTAINERS": "one,two", "ASYNC_MONITOR_TICKER_TIMEOUT": "1.5"}, {"REMEDIATION_CONTAINERS": "", "ASYNC_MONITOR_TICKER_TIMEOUT": "168h"}} {
		for _, text := range []string{"{}", hard, strings.Replace(string(full), "symptom: 8m", "symptom: 169h", 1), "incidentGap: 3m", "defaults: {labels: [a]}\ntypes: {A: {labels: []}}",
			"defaults: {groups: [a], mention: [zhang]}\ntypes: {A: {groups: [], mention: []}, B: {mention: {ERROR: [li]}}}"} {
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

func TestEachValueIsShownWithWhereItComesFrom(t *testing.T) {
	in := parse(t, env{"REMEDIATION_CONTAINERS": "one", "ASYNC_MONITOR_CHECK_INTERVAL": "30"}, "repeat: 2h\ntypes:\n  A:\n    action: restart\n    target: one\n    budget: {max: 2}\n    groups: [值班群, 3]\n    mention:\n      ERROR: [zhang.san, li.si]\n      CRITICAL: [boss]\n")
	shown, err := in.YAML()
	require.NoError(t, err)
	lines := strings.Split(string(shown), "\n")
	for _, want := range []string{
		"incidentGap: 30m # 默认 (default)",
		"repeat: 2h # 策略文件第 1 行 (file, line 1)",
		"containers: [one] # 环境变量 (environment): REMEDIATION_CONTAINERS",
		"    target: one # 策略文件第 5 行 (file, line 5)",
		"    manual: restart # 策略文件第 4 行 (file, line 4)",
		"      max: 2 # 策略文件第 6 行 (file, line 6)",
		"    symptom: 5m # 同 defaults (as defaults)",
		"    groups: [值班群, '3'] # 策略文件第 7 行 (file, line 7)",
		"    mention: {ERROR: [zhang.san, li.si], CRITICAL: [boss]} # 策略文件第 9 行 (file, line 9)",
		"  groups: [] # 默认 (default)",
		"  mention: [] # 默认 (default)",
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

func TestChangesNameWhatIsDifferent(t *testing.T) {
	before := parse(t, env{}, "types: {A: {action: restart, groups: [g], mention: [zhang]}, B: {action: restart, target: aifuturetrade-async-service}}")
	after := parse(t, env{}, "repeat: 1h\ncontainers: [one, two]\ntypes: {A: {action: restart, cooldown: 1m, groups: [g, h], mention: {ERROR: [zhang], CRITICAL: [boss]}}}")
	assert.ElementsMatch(t, []string{
		"repeat: 30m → 1h", "containers: [aifuturetrade-async-service] → [one, two]", "types.A.cooldown: 5m → 1m",
		"types.A.groups: [g] → [g, h]", "types.A.mention: {INFO: [zhang]} → {ERROR: [zhang], CRITICAL: [boss]}",
		"types.B.action: restart → none", "types.B.manual: restart → none", "types.B.target: aifuturetrade-async-service → -",
	}, before.Changes(after))
	assert.Empty(t, after.Changes(after))
}

func FuzzPolicyFile(f *testing.F) {
	full, err := os.ReadFile("testdata/policy.yaml")
	require.NoError(f, err)
	for _, seed := range []string{
		string(full), hard, "{}", "# x", "repeat: 5m\n---\n{}", "a: &a [*a]", "<<: *x", "repeat: !!binary eA==", "types: {A: {labels: [a,a]}}", "\xff", "defaults: {budget: 3}",
		"%YAML 1.1\n---\nrepeat: 5m", "? a\n: b", "repeat: |\n  5m\n", "{{{{", "types:\n\tA: 1", "containers: [a*]", "repeat: .inf", "\uFEFFrepeat: 5m", "defaults: {mention: {ERROR: [a], INFO: }}", "defaults: {mention: [a, a], groups: [[]]}",
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
		for _, name := range in.Policy.Containers {
			require.Regexp(t, `^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$`, name)
		}
		for _, rule := range in.Policy.Rules {
			for _, m := range rule.Mentions {
				require.False(t, slices.ContainsFunc(m.Users, func(user string) bool { return !alerting.UserID(user) }), "%v", m)
			}
			require.Positive(t, rule.Guard.Budget)
			require.Less(t, int64(rule.Guard.Cooldown)*int64(rule.Guard.Budget), int64(rule.Guard.Per))
		}
		sameWhenReadBack(t, e, in)
	})
}
