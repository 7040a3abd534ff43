package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/wecom/wecomtest"
)

type groupTable struct {
	groups []alerting.Group
	err    error
	asked  int
}

func (g *groupTable) Groups(context.Context) ([]alerting.Group, error) {
	g.asked++
	return g.groups, g.err
}

func TestGroupsThatThePolicyNamesInVainAreWarnedOfOncePerChange(t *testing.T) {
	f := followPolicy(t, "repeat: 1h")
	table := &groupTable{}
	look := f.file.missingGroups(table)
	require.NoError(t, look(t.Context()))
	require.Zero(t, table.asked, "no group is named: no look")

	f.write("types: {A: {groups: [值班群]}}")
	f.look()
	f.said()
	require.NoError(t, look(t.Context()))
	require.NoError(t, look(t.Context()))
	said := f.said()
	require.Equal(t, 1, strings.Count(said, "level=WARN"), said)
	require.Contains(t, said, "types.A.groups: 值班群")

	table.groups = []alerting.Group{{ID: 1, Name: "值班群", Webhook: "https://example.com/send?key=one", Enabled: true}}
	require.NoError(t, look(t.Context()))
	require.Contains(t, f.said(), "level=INFO")
	table.groups[0].Enabled = false
	require.NoError(t, look(t.Context()))
	require.Contains(t, f.said(), "已停用")

	table.err = errors.New("away")
	require.Error(t, look(t.Context()))
	require.Empty(t, f.said(), "not known is not missing")
}

// chats is a service whose wechat_groups hold the groups 一群 and 二群.
func chats(t *testing.T, policy string) (s *runningService, robots *wecomtest.Server) {
	t.Helper()
	robots = wecomtest.Start(t)
	s = launch(t, "POLICY_FILE="+policy, "REMEDIATION_MODE=off", "WECHAT_ALLOWED_HOSTS="+robots.Host)
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "data", "trade-monitor.db")+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	defer db.Close()
	for _, name := range []string{"一群", "二群"} {
		_, err := db.Exec("INSERT INTO wechat_groups (group_name, webhook_url) VALUES (?, ?)", name, robots.Webhook(name))
		require.NoError(t, err)
	}
	return s, robots
}

func plain(kind, severity, title string) event {
	return event{EventType: kind, ServiceName: "orders", Severity: severity, Title: title, Message: "<@all> <@boss> 请看"}
}

const soon = 5 * time.Second

// One type goes to one group and calls a person; the other types stay as they
// were; a typo loses nothing; a change of the file counts while running.
func TestThePolicyFileSaysWhoIsToldAndCalled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	replace := func(content string) {
		require.NoError(t, os.WriteFile(file+".new", []byte(content), 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	replace("types:\n  STUCK:\n    groups: [二群]\n    mention: {ERROR: [zhang.san], CRITICAL: [li.si]}\n")
	s, robots := chats(t, file)
	one, two := robots.Key("一群"), robots.Key("二群")
	notMentioned := func(m wecomtest.Received) { t.Helper(); require.NotContains(t, m.Content, "<@") }

	require.Equal(t, []any{"二群"}, s.notify(plain("STUCK", "ERROR", "first")).object("notification")["groups"])
	first := robots.ExpectWithin(t, soon, two, "first")
	require.True(t, strings.HasSuffix(first.Content, "\n请关注：<@zhang.san>"), first.Content)
	s.notify(plain("OTHER", "ERROR", "as before"))
	notMentioned(robots.ExpectWithin(t, soon, one, "as before"))
	notMentioned(robots.ExpectWithin(t, soon, two, "as before"))

	s.notify(plain("STUCK", "CRITICAL", "worse"))
	worse := robots.ExpectWithin(t, soon, two, "worse")
	require.True(t, strings.HasSuffix(worse.Content, "\n请关注：<@zhang.san> <@li.si>"), worse.Content)
	over := plain("STUCK", "CRITICAL", "over")
	over.Status = "RESOLVED"
	s.notify(over)
	notMentioned(robots.ExpectWithin(t, soon, two, "已恢复"))
	robots.ExpectNoMore(t, one, 0)

	replace("types:\n  STUCK:\n    groups: [三群]\n    mention: [wang]\n")
	await(t, 10*time.Second, "taken over", func() bool { return strings.Contains(s.output.String(), "types.STUCK.groups: [二群] → [三群]") })
	typo := s.notify(plain("STUCK", "INFO", "typo"))
	require.Equal(t, []any{"一群", "二群"}, typo.object("notification")["groups"])
	for _, key := range []string{one, two} {
		require.True(t, strings.HasSuffix(robots.ExpectWithin(t, soon, key, "typo").Content, "<@wang>"))
		robots.ExpectNoMore(t, key, 200*time.Millisecond)
	}
	trail := objects(s.story(typo.number("alertId")), "trail")
	require.Contains(t, trail[0]["text"], "三群（没有这个群")
	await(t, groupsInterval+soon, "the log warns", func() bool { return strings.Contains(s.output.String(), "types.STUCK.groups: 三群") })
}
