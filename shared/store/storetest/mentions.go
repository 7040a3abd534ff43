package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

var mentions = suite{
	"people are called by the first word and by a worse one": testMentions,
	"a word that did not arrive calls again":                 testMentionAgain,
	"each group has its own first word":                      testMentionPerGroup,
	"the groups of the policy are told, a typo loses none":   testNamedGroups,
	"an answer to very many groups can be kept":              testManyGroups,
}

// calling mentions zhang, and boss from CRITICAL on.
func calling(p *alerting.Policy) {
	bare(p)
	rule := p.Default
	rule.Mentions = []alerting.Mention{{From: alerting.Error, Users: []string{"zhang"}}, {From: alerting.Critical, Users: []string{"boss"}}}
	p.Rules = map[string]alerting.Rule{"DISK_FULL": rule}
}

// mentioned claims the next word of the groups, settles it, and tells whom it
// mentioned.
func mentioned(t *testing.T, s *store.Store, v alerting.Verdict, groups ...int64) string {
	t.Helper()
	var called []string
	c, next, err := s.ClaimMessage(t.Context(), robot, groups, "me", slack, Pen(func(b alerting.Brief) string {
		called = b.Mention.Users
		return contentOf(b)
	}))
	require.NoError(t, err)
	require.NotNil(t, c, "nothing to claim before %v", next)
	settle(t, s, c, v)
	return strings.Join(called, " ")
}

func at(severity alerting.Severity) alerting.Event {
	ev := plainEvent("a")
	ev.Severity = severity
	return ev
}

func testMentions(t *testing.T, e Engine) {
	s := e.open(t, calling)
	record(t, s, at(alerting.Error))
	require.Equal(t, "zhang", mentioned(t, s, accepted, 0))
	for range 2 {
		e.pass(t, 15*time.Minute)
		record(t, s, at(alerting.Error))
	}
	require.Empty(t, mentioned(t, s, accepted, 0), "a repeat")
	record(t, s, at(alerting.Critical))
	require.Equal(t, "zhang boss", mentioned(t, s, accepted, 0))
	record(t, s, over(at(alerting.Critical)))
	require.Empty(t, mentioned(t, s, accepted, 0), "the end")
	record(t, s, at(alerting.Warning))
	require.Empty(t, mentioned(t, s, accepted, 0), "another incident, too mild")
}

func testMentionAgain(t *testing.T, e Engine) {
	s := e.open(t, calling)
	record(t, s, at(alerting.Error))
	require.Equal(t, "zhang", mentioned(t, s, alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassRateLimit, ErrCode: 45009}, 0))
	e.pass(t, 2*slack+alerting.SlotLife)
	require.Equal(t, "zhang", mentioned(t, s, accepted, 0), "nobody saw the first one")
}

func testMentionPerGroup(t *testing.T, e Engine) {
	s := e.open(t, calling)
	e.exec(t, insertGroup, "one", "https://example.com/send?key=1", nil, 1)
	record(t, s, at(alerting.Error))
	require.Equal(t, "zhang", mentioned(t, s, accepted, 1))
	e.exec(t, insertGroup, "two", "https://example.com/send?key=2", nil, 1)
	record(t, s, at(alerting.Critical))
	require.Equal(t, "zhang boss", mentioned(t, s, accepted, 1))
	require.Equal(t, "zhang boss", mentioned(t, s, accepted, 2), "its first word")
}

func testNamedGroups(t *testing.T, e Engine) {
	s := e.open(t, func(p *alerting.Policy) {
		named, typo := p.Default, p.Default
		named.Groups, typo.Groups = []string{"二群"}, []string{"三群"}
		p.Rules = map[string]alerting.Rule{"DISK_FULL": named, "TYPO": typo}
	})
	e.exec(t, insertGroup, "一群", "https://example.com/send?key=1", nil, 1)
	e.exec(t, insertGroup, "二群", "https://example.com/send?key=2", "NOTHING", 1)
	require.Equal(t, []string{"二群"}, record(t, s, plainEvent("a")).Groups)
	typo := plainEvent("a")
	typo.Type = "TYPO"
	receipt := record(t, s, typo)
	require.Equal(t, []string{"一群"}, receipt.Groups)
	require.Contains(t, storyOf(t, s, receipt.AlertID).Decisions[0].Note, "三群")
	e.exec(t, "UPDATE wechat_groups SET is_enabled = 0 WHERE group_name = '二群'")
	require.Equal(t, []string{"一群"}, record(t, s, plainEvent("b")).Groups, "switched off: the usual ones are told")
}

// The longest names there can be, of which JSON makes the most, must not grow
// the kept answer beyond its column.
func testManyGroups(t *testing.T, e Engine) {
	s := e.open(t)
	const many = 300
	for i := range many {
		e.exec(t, insertGroup, strings.Repeat("<", 100), "https://example.com/send?key="+strings.Repeat("x", i+1), nil, 1)
	}
	ev := plainEvent("a")
	ev.Notes = []string{strings.Repeat("<", 100), strings.Repeat("\u2028", 100), strings.Repeat("&", 100)}
	first, err := s.RecordEvent(t.Context(), ev, &firstRequest)
	require.NoError(t, err)
	require.Len(t, first.Groups, alerting.MaxListed)
	require.Equal(t, many-alerting.MaxListed, first.MoreGroups)
	require.Len(t, storyOf(t, s, 1).Notifications, many)
	again, err := s.RecordEvent(t.Context(), ev, &firstRequest)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Less(t, e.count(t, "SELECT MAX(LENGTH(receipt)) FROM alert_idempotency"), int64(65_536/2), "with room for twice as much")
}
