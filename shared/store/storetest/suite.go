package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// Engine opens stores on one database of one engine.
type Engine struct {
	// Open opens the database of this test; calls after the first open the
	// same one again, as another process would.
	Open func(t testing.TB, o Setup) *store.Store
	// Exec runs SQL as a person would by hand.
	Exec func(t testing.TB, statement string, args ...any)
	// SeveralProcesses: two stores may be open on one database at once.
	SeveralProcesses bool
}

// Setup is what a test wants of the store.
type Setup struct {
	Policy   func() alerting.Policy
	OnCommit func(store.Commit)
}

// Policy is the default policy with a robot to tell and a container to restart.
func Policy() alerting.Policy {
	p := alerting.DefaultPolicy()
	p.Fallback = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=test-robot"
	return p
}

// Event is the guide's event.
func Event(service string) alerting.Event {
	return alerting.Event{
		Type: alerting.TickerSyncTimeout, Service: service, Severity: alerting.Error,
		Title: "Ticker同步超时告警", Message: "Ticker数据同步已超过3分钟未输出日志",
		Metadata: []byte(`{"lastSyncTime":"2026-02-25T10:00:00","minutesSinceLastSync":5}`),
	}
}

const container = "aifuturetrade-async-service"

// Run checks that an engine keeps the store's promises. fresh gives an engine
// on an empty database.
func Run(t *testing.T, fresh func(t *testing.T) Engine) {
	for name, test := range map[string]func(*testing.T, Engine){
		"an event opens an alert and everything that follows": testOpens,
		"a second event folds and explains itself":            testFolds,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

func testOpens(t *testing.T, e Engine) {
	var commits []store.Commit
	s := e.Open(t, Setup{Policy: Policy, OnCommit: func(c store.Commit) { commits = append(commits, c) }})
	receipt, err := s.RecordEvent(t.Context(), Event(container), nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, receipt.AlertID)
	require.Equal(t, []string{"WECHAT_WEBHOOK_URL"}, receipt.Groups)
	require.Equal(t, alerting.Requested, receipt.RemediationStatus)

	story, err := s.Story(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, alerting.Open, story.Alert.Status)
	require.WithinDuration(t, time.Now(), story.Alert.CreatedAt, 5*time.Second)
	require.Len(t, story.Events, 1)
	require.Len(t, story.Notifications, 1)
	require.Len(t, story.Remediations, 1)
	require.Len(t, story.Decisions, 1)
	require.Len(t, commits, 1)
	require.True(t, commits[0].Words && commits[0].Remedies)
	require.Len(t, commits[0].Happenings, 1)
	require.True(t, commits[0].Happenings[0].Opened)
	require.EqualValues(t, 1, commits[0].Happenings[0].Alert.ID)
}

func testFolds(t *testing.T, e Engine) {
	s := e.Open(t, Setup{Policy: Policy})
	for range 2 {
		_, err := s.RecordEvent(t.Context(), Event(container), nil)
		require.NoError(t, err)
	}
	receipt, err := s.RecordEvent(t.Context(), Event(container), nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, receipt.Occurrences)
	require.Equal(t, "under_way", receipt.NotRemedied.Code)
	require.Equal(t, "repeat_wait", receipt.NotTold.Code)

	story, err := s.Story(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, story.Events, 3)
	require.Len(t, story.Notifications, 1)
	require.Len(t, story.Decisions, 2, "equal decisions in a row count up")
	require.EqualValues(t, 2, story.Decisions[1].Count)
}
