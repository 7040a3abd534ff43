package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

// people holds what a person may order.
var people = suite{
	"handle acts within the cooldown and on a resolved alert":   testHandle,
	"handle refuses with the reason and changes nothing":        testHandleRefused,
	"acknowledge is said once and not of what is over":          testAcknowledge,
	"resolve ends the alert and tells who was told":             testResolve,
	"a name that is too long for its column is no obstacle":     testLongName,
	"the store is ready when an event can be committed":         testReady,
	"an alert that a person resolved is not resolved by remedy": testResolvedMeanwhile,
}

func testHandle(t *testing.T, e Engine) {
	s := e.open(t)
	restarted(t, s, alerting.Succeeded)
	r, err := s.Handle(t.Context(), 1, "li")
	require.NoError(t, err)
	require.Equal(t, alerting.Requested, r.Status)
	require.Equal(t, "li", r.RequestedBy)
	claimed := work(t, s)
	require.Equal(t, "li", claimed.Remediation.RequestedBy)
	require.Equal(t, alerting.Reason{Code: "manual", Detail: "li"}, claimed.Remediation.Reason)
	require.Equal(t, alerting.Resolved, claimed.Alert.Status)

	down := Event("stopped")
	down.Type = alerting.ContainerDown
	receipt := record(t, s, down)
	require.Empty(t, receipt.RemediationStatus, "by itself nothing is done about it")
	_, err = s.Handle(t.Context(), receipt.AlertID, "li")
	var refused *alerting.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "not_allowed", refused.Reason.Code)
}

func testHandleRefused(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	record(t, s, Event(container))
	record(t, s, Event("somebody-elses"))
	record(t, s, Event("not a container name"))
	before := e.row(t, "SELECT (SELECT COUNT(*) FROM alert_remediations), (SELECT COUNT(*) FROM alert_decisions), (SELECT SUM(times) FROM alert_decisions)")
	for id, code := range map[int64]string{1: "no_action", 2: "under_way", 3: "not_allowed", 4: "bad_target"} {
		_, err := s.Handle(t.Context(), id, "li")
		var refused *alerting.RefusedError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, code, refused.Reason.Code)
	}
	require.Equal(t, before, e.row(t, "SELECT (SELECT COUNT(*) FROM alert_remediations), (SELECT COUNT(*) FROM alert_decisions), (SELECT SUM(times) FROM alert_decisions)"))
}

func testAcknowledge(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	after, err := s.Acknowledge(t.Context(), 1, "li")
	require.NoError(t, err)
	require.Equal(t, alerting.Acknowledged, after.Status)
	require.Equal(t, storyOf(t, s, 1).Alert, after)
	again, err := s.Acknowledge(t.Context(), 1, "wang")
	require.NoError(t, err)
	require.Equal(t, after.AcknowledgedAt, again.AcknowledgedAt)
	require.Len(t, storyOf(t, s, 1).Decisions, 2)
	require.EqualValues(t, 2, record(t, s, plainEvent("a")).Occurrences, "it goes on")
	_, err = s.Resolve(t.Context(), 1, "li")
	require.NoError(t, err)
	_, err = s.Acknowledge(t.Context(), 1, "li")
	var refused *alerting.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "already_over", refused.Reason.Code)
}

func testResolve(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	after, err := s.Resolve(t.Context(), 1, "li")
	require.NoError(t, err)
	require.Equal(t, alerting.Resolved, after.Status)
	story := storyOf(t, s, 1)
	require.Equal(t, story.Alert, after)
	require.Equal(t, alerting.Over, story.Notifications[1].Kind)
	require.Equal(t, alerting.Reason{Code: "by_person", Detail: "li"}, story.Decisions[1].Remedy)
	again, err := s.Resolve(t.Context(), 1, "wang")
	require.NoError(t, err)
	require.Equal(t, after, again, "over is over")
	require.Len(t, storyOf(t, s, 1).Decisions, 2)
	require.EqualValues(t, 2, record(t, s, plainEvent("a")).AlertID)

	quiet := e.open(t, bare)
	e.exec(t, "UPDATE alert_records SET word_us = NULL WHERE id = 2")
	_, err = quiet.Resolve(t.Context(), 2, "li")
	require.NoError(t, err)
	require.Equal(t, "was_not_told", storyOf(t, quiet, 2).Decisions[1].Word.Code, "who heard of no beginning hears of no end")
}

func testLongName(t *testing.T, e Engine) {
	s := e.open(t)
	restarted(t, s, alerting.Failed)
	name := strings.Repeat("名", 300)
	_, err := s.Handle(t.Context(), 1, name)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("名", 100), storyOf(t, s, 1).Remediations[1].RequestedBy)
	_, err = s.Acknowledge(t.Context(), 1, strings.Repeat("名", 600))
	require.NoError(t, err)
}

func testReady(t *testing.T, e Engine) {
	s := e.open(t)
	require.NoError(t, s.Ready(t.Context()))
	require.Contains(t, []string{"mysql", "sqlite"}, s.Engine())
}

func testResolvedMeanwhile(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	r := work(t, s).Remediation
	_, err := s.Resolve(t.Context(), 1, "li")
	require.NoError(t, err)
	resolvedAt := storyOf(t, s, 1).Alert.ResolvedAt
	e.pass(t, 10*time.Second)
	r.Status, r.Reason = alerting.Succeeded, alerting.Reason{Code: "stable"}
	require.NoError(t, s.SaveRemediation(t.Context(), "me", r, 0))
	require.Equal(t, resolvedAt.Add(-10*time.Second), storyOf(t, s, 1).Alert.ResolvedAt)
}
