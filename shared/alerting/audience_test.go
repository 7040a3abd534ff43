package alerting

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func group(id int64, name, key, types string, enabled bool) Group {
	return Group{ID: id, Name: name, Webhook: Secret("https://example.com/send?key=" + key), AlertTypes: types, Enabled: enabled}
}

// fourGroups: 4 wants other types, 7 is switched off, 9 has no robot yet.
func fourGroups() []Group {
	return []Group{
		group(2, "运维群", "two", "", true), group(4, "值班群", "four", "OTHER", true),
		group(7, "旧群", "seven", "", false), group(9, "新群", "YOUR_KEY_HERE", "", true),
	}
}

func telling(names ...string) *Policy {
	return testPolicy(func(p *Policy) {
		rule := p.Default
		rule.Groups = names
		p.Rules = map[string]Rule{"A": rule}
	})
}

func TestTheGroupsThatThePolicyNamesAreToldAndNoOthers(t *testing.T) {
	for name, c := range map[string]struct {
		named []string
		told  []string
		note  []string // what it says; none: there is no note
	}{
		"nothing named":                     {nil, []string{"运维群"}, nil},
		"one that asks for other types":     {[]string{"值班群"}, []string{"值班群"}, nil},
		"by number":                         {[]string{"4"}, []string{"值班群"}, nil},
		"with spaces":                       {[]string{" 值班群 "}, []string{"值班群"}, nil},
		"in the order of the policy":        {[]string{"4", "运维群"}, []string{"值班群", "运维群"}, nil},
		"one of them twice":                 {[]string{"4", "值班群"}, []string{"值班群"}, nil},
		"the robot of the environment":      {[]string{"WECHAT_WEBHOOK_URL"}, []string{"WECHAT_WEBHOOK_URL"}, nil},
		"a typo":                            {[]string{"直班群"}, []string{"运维群"}, []string{"直班群（没有这个群", "已按平常的规则通知"}},
		"a number that is none":             {[]string{"5"}, []string{"运维群"}, []string{"5（没有这个群"}},
		"another case":                      {[]string{"wechat_webhook_url"}, []string{"运维群"}, []string{"没有这个群"}},
		"a typo beside a group":             {[]string{"值班群", "直班群"}, []string{"值班群", "运维群"}, []string{"直班群（没有这个群", "已按平常的规则通知"}},
		"a group without a robot":           {[]string{"新群"}, []string{"运维群"}, []string{"新群（没有这个群，或没有机器人地址）"}},
		"a disabled one":                    {[]string{"旧群"}, []string{"运维群"}, []string{"旧群（已停用）", "已按平常的规则通知"}},
		"a disabled one beside another":     {[]string{"旧群", "值班群"}, []string{"值班群"}, []string{"有的未通知：旧群（已停用）"}},
		"a typo and a disabled one":         {[]string{"旧群", "直班群"}, []string{"运维群"}, []string{"直班群（没有", "旧群（已停用）"}},
		"what the typo leaves is told once": {[]string{"运维群", "直班群"}, []string{"运维群"}, []string{"直班群"}},
	} {
		t.Run(name, func(t *testing.T) {
			told, note := telling(c.named...).Audience(fourGroups(), "A")
			assert.Equal(t, strings.Join(c.told, ", "), names(told))
			assert.Equal(t, len(c.note) > 0, note != "", note)
			for _, want := range c.note {
				assert.Contains(t, note, want)
			}
			other, _ := telling(c.named...).Audience(fourGroups(), "OTHER")
			assert.Equal(t, "运维群, 值班群", names(other), "another type is told as before")
		})
	}
}

func TestTwoRowsOfOneNameAreBothToldEachRobotOnce(t *testing.T) {
	groups := []Group{group(1, "g", "one", "", true), group(2, "g", "two", "", true), group(3, "g", "one", "", true), group(4, "g", "four", "", false), group(5, "6", "five", "", true), group(6, "h", "six", "", true)}
	told, note := telling("g").Audience(groups, "A")
	assert.Equal(t, []Group{groups[0], groups[1]}, told)
	assert.Empty(t, note)
	told, _ = telling("6").Audience(groups, "A")
	assert.Equal(t, []Group{groups[4]}, told, "a name comes before a number")
}

func TestTheRobotOfTheEnvironmentCannotBeNamedWhereAPersonSwitchedItOff(t *testing.T) {
	off := []Group{{ID: 1, Name: "g", Webhook: testPolicy().Fallback, Enabled: false}}
	told, note := telling("WECHAT_WEBHOOK_URL").Audience(off, "A")
	assert.Empty(t, told)
	assert.Contains(t, note, "已停用")
}

// A wrong name loses no alarm, whatever rows there are, and nobody is told twice.
func TestNoNameLosesAnAlarm(t *testing.T) {
	rows := fourGroups()
	for which := range 1 << len(rows) {
		var some []Group
		for i, g := range rows {
			if which&(1<<i) != 0 {
				some = append(some, g)
			}
		}
		for _, named := range [][]string{{"x"}, {"x", "值班群"}, {"旧群"}, {"新群"}, {"运维群", "旧群"}, {"2", "4", "7", "9", "x"}} {
			p := telling(named...)
			told, _ := p.Audience(some, "A")
			require.NotEmpty(t, told, "%v of %v", named, some)
			require.Equal(t, eachRobotOnce(told), told)
			for _, g := range told {
				require.True(t, g.Enabled && !Placeholder(g.Webhook), "%v", g)
			}
		}
	}
}

func TestATypoIsOnRecordWithEveryDecisionThatTells(t *testing.T) {
	p := testPolicy()
	rule := p.Rules[TickerSyncTimeout]
	rule.Groups = []string{"直班群"}
	p.Rules[TickerSyncTimeout] = rule
	c, receipt := Decide(State{}, event(func(ev *Event) { ev.Notes = []string{"tidied"} }), p, fourGroups(), noon)
	assert.Equal(t, []string{"运维群"}, receipt.Groups)
	assert.Equal(t, "tidied; "+"策略指定的群无法通知：直班群（没有这个群，或没有机器人地址）；已按平常的规则通知", c.Decision.Note)
	assert.Equal(t, []string{"tidied"}, receipt.Notes, "the service that posts cannot mend the policy")

	alert := opened(p, time.Minute)
	over, _ := Decide(State{Alert: alert}, event(func(ev *Event) { ev.Resolved = true }), p, fourGroups(), noon)
	resolved, err := Resolve(State{Alert: alert}, "li", p, fourGroups(), noon)
	require.NoError(t, err)
	settled := Settle(State{Alert: alert}, Remediation{Action: Restart, Container: service, Status: Failed, Reason: Reason{Code: "engine_error", Detail: "x"}}, p, fourGroups(), noon)
	broken := Recheck(State{Alert: alert, Ledger: restarted(0, 0, 0)}, p, fourGroups(), noon)
	for _, change := range []Change{over, resolved, settled, broken} {
		require.Len(t, change.Notifications, 1, change.Decision.What)
		assert.Equal(t, "运维群", change.Notifications[0].GroupName)
		assert.Contains(t, change.Decision.Note, "直班群", change.Decision.What)
	}
}

func TestMissingGroupsAreNamedByRule(t *testing.T) {
	p := telling("直班群", "旧群", "值班群")
	p.Default.Groups = []string{"运维群", "x"}
	same := p.Default
	p.Rules["B"] = same
	p.Rules["C"] = Rule{}
	p.Language = English
	assert.Equal(t, []string{
		"defaults.groups: x (no such group, or no robot)",
		"types.A.groups: 直班群 (no such group, or no robot), 旧群 (disabled)",
	}, p.MissingGroups(fourGroups()), "what a type has from defaults is named once")
	assert.Empty(t, telling("值班群").MissingGroups(fourGroups()))
}

func TestAReceiptListsSomeGroupsAndCountsTheRest(t *testing.T) {
	var groups []Group
	for i := range 300 {
		groups = append(groups, group(int64(i+1), "g"+strings.Repeat("x", 90), string(rune('一'+i)), "", true))
	}
	c, receipt := Decide(State{}, event(), testPolicy(), groups, noon)
	assert.Len(t, c.Notifications, 300, "all are told")
	assert.Len(t, receipt.Groups, MaxListed)
	assert.Equal(t, 300-MaxListed, receipt.MoreGroups)
	_, receipt = Decide(State{}, event(), testPolicy(), groups[:MaxListed], noon)
	assert.Len(t, receipt.Groups, MaxListed)
	assert.Zero(t, receipt.MoreGroups)
}

func TestWhatEndsWithNothingDoneBecauseTheAlertEndedSaysNothing(t *testing.T) {
	p := testPolicy()
	alert := opened(p, time.Minute)
	over, _ := Decide(State{Alert: alert}, event(func(ev *Event) { ev.Resolved = true }), p, nil, noon)
	require.Len(t, over.Notifications, 1, "people are told of the end")
	r := Remediation{ID: 3, Action: Restart, Container: service, Status: Skipped, Reason: Reason{Code: "alert_over"}}
	c := Settle(State{Alert: over.Alert}, r, p, nil, noon)
	assert.Empty(t, c.Notifications)
	assert.Equal(t, "already_over", c.Decision.Word.Code)
	assert.Equal(t, "alert_over", c.Decision.Remedy.Code, "it is on record")
	assert.Contains(t, c.Alert.ActionTaken, "此前告警已恢复")
}
