package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

// crowds gives each of some types 15 numbers of its own.
func crowds(kinds ...string) func(*alerting.Policy) {
	return func(p *alerting.Policy) {
		bare(p)
		p.Rules = map[string]alerting.Rule{}
		for i, kind := range kinds {
			rule := p.Default
			m := alerting.Mention{From: alerting.Error}
			for n := range 15 {
				m.Mobiles = append(m.Mobiles, alerting.Mobile(fmt.Sprintf("138%04d%04d", i, n)))
			}
			rule.Mentions = []alerting.Mention{m}
			p.Rules[kind] = rule
		}
	}
}

func eventOf(kind string) alerting.Event {
	ev := plainEvent("a")
	ev.Type, ev.Severity = kind, alerting.Error
	return ev
}

func testCallsOverflow(t *testing.T, e Engine) {
	s := e.open(t, crowds("DISK", "CPU"))
	for _, kind := range []string{"DISK", "CPU"} {
		record(t, s, eventOf(kind))
		settle(t, s, claim(t, s), accepted)
		e.exec(t, "UPDATE alert_notifications SET next_us = created_us + 60000000 WHERE kind = 'CALL'")
	}
	e.pass(t, time.Minute)
	var numbers []alerting.Mobile
	for range 2 {
		c := called(t, s)
		require.Equal(t, 1, c.Message.Words)
		numbers = append(numbers, c.Message.People.Mobiles...)
		settle(t, s, c, accepted)
		e.pass(t, 15*time.Second)
	}
	slices.Sort(numbers)
	require.Len(t, slices.Compact(numbers), 30, "a CALL is SENT when everybody was called whom it is for")
	idle(t, s, "all were")
	requireDelivered(t, e)
}

func testTextDigestOverflow(t *testing.T, e Engine) {
	s := e.open(t, crowds("DISK", "CPU"))
	e.exec(t, insertGroup, "ops", Policy().Fallback.Reveal(), nil, 1)
	e.exec(t, "UPDATE wechat_groups SET message_format = 'text'")
	var events []alerting.Event
	for i := range 20 {
		ev := eventOf([]string{"DISK", "CPU"}[i%2])
		ev.Service = fmt.Sprint(i)
		events = append(events, ev)
	}
	_, err := s.RecordEvents(t.Context(), events)
	require.NoError(t, err)
	e.pass(t, 3*time.Second)
	var numbers []alerting.Mobile
	for range 2 {
		c, _, err := s.ClaimMessage(t.Context(), robot, []int64{1}, "me", 20*time.Second, Pen(func(alerting.Brief) string { return "x" }))
		require.NoError(t, err)
		require.NotNil(t, c)
		numbers = append(numbers, c.Message.People.Mobiles...)
		settle(t, s, c, accepted)
	}
	slices.Sort(numbers)
	require.Len(t, slices.Compact(numbers), 30)
}

func testCallsOfManyTypes(t *testing.T, e Engine) {
	s := e.open(t, phoning)
	const kinds = 300
	var events []alerting.Event
	for i := range kinds {
		ev := eventOf(fmt.Sprint("ORDER_", i))
		if i == kinds-1 {
			ev.Severity = alerting.Critical
		}
		events = append(events, ev)
	}
	_, err := s.RecordEvents(t.Context(), events)
	require.NoError(t, err)
	settle(t, s, claim(t, s), accepted) // the CRITICAL one
	settle(t, s, called(t, s), accepted)
	e.pass(t, 3*time.Second)
	digest := claim(t, s)
	require.Equal(t, kinds-1, digest.Message.Words)
	settle(t, s, digest, accepted)
	require.LessOrEqual(t, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'CALL'"), int64(20), "a storm does not double its words")
	e.pass(t, 15*time.Second)
	c := called(t, s)
	require.Equal(t, []alerting.Mobile{"13800000000"}, c.Message.People.Mobiles)
	settle(t, s, c, accepted)
	idle(t, s, "once")
	requireDelivered(t, e)
}
