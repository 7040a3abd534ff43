package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"trade-monitor/shared/alerting"
)

type alertRule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func alertRules(t *testing.T) []alertRule {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []alertRule
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(fromRoot(t, "docs/alerts.rules.yml")), &file))
	require.Len(t, file.Groups, 1)
	require.NotEmpty(t, file.Groups[0].Rules)
	return file.Groups[0].Rules
}

// ourMetrics are the names in the program's own sources.
func ourMetrics(t *testing.T) map[string]bool {
	t.Helper()
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	found := map[string]bool{}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		require.NoError(t, err)
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`"(trade_monitor_[a-z_]+)"`).FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
	}
	require.Greater(t, len(found), 5)
	return found
}

// selectors are what a rule asks for.
func selectors(t *testing.T, rule alertRule) (all []*parser.VectorSelector) {
	t.Helper()
	expr, err := parser.ParseExpr(rule.Expr)
	require.NoError(t, err, rule.Alert)
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			all = append(all, s)
		}
		return nil
	})
	require.NotEmpty(t, all, rule.Alert)
	return all
}

func TestTheAlertRulesAskForWhatThereIs(t *testing.T) {
	metrics, seen := ourMetrics(t), map[string]bool{}
	for _, rule := range alertRules(t) {
		require.False(t, seen[rule.Alert], "%s is there twice", rule.Alert)
		seen[rule.Alert] = true
		require.Contains(t, []string{"warning", "critical"}, rule.Labels["severity"], rule.Alert)
		require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		if rule.For != "" {
			_, err := time.ParseDuration(rule.For)
			require.NoError(t, err, rule.Alert)
		}
		for _, s := range selectors(t, rule) {
			require.True(t, metrics[strings.TrimSuffix(s.Name, "_bucket")], "%s: there is no metric %s", rule.Alert, s.Name)
			requireKnownCodes(t, rule, s)
		}
	}
}

// requireKnownCodes: a code that nothing says any more would make a rule deaf.
func requireKnownCodes(t *testing.T, rule alertRule, s *parser.VectorSelector) {
	t.Helper()
	for _, m := range s.LabelMatchers {
		if m.Name != "word" && m.Name != "remedy" {
			continue
		}
		for code := range strings.SplitSeq(m.Value, "|") {
			require.NotEqual(t, code, alerting.Reason{Code: code}.Text(alerting.Chinese, time.Time{}), "%s: there is no reason %s", rule.Alert, code)
		}
	}
}

func TestEveryMetricHasARuleOrSaysWhyNot(t *testing.T) {
	page, asked := fromRoot(t, "docs/operations.md"), map[string]bool{}
	for _, rule := range alertRules(t) {
		require.Contains(t, page, "`"+rule.Alert+"`", "the page explains each rule")
		for _, s := range selectors(t, rule) {
			asked[strings.TrimSuffix(s.Name, "_bucket")] = true
		}
	}
	for metric := range ourMetrics(t) {
		row := regexp.MustCompile("(?m)^\\| `" + metric + "` \\| (.*?) \\|").FindStringSubmatch(page)
		require.NotNil(t, row, "docs/operations.md has a row for %s", metric)
		require.Equal(t, !asked[metric], strings.HasPrefix(row[1], "无 (none)"), "%s: its row names its rule, or says that there is none", metric)
	}
}
