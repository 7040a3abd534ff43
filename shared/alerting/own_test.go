package alerting

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOurOwnAlarmsAreToldToEveryEnabledGroup(t *testing.T) {
	groups := []Group{
		{ID: 1, Name: "ops", Webhook: "https://h/send?key=1", Enabled: true, AlertTypes: "TICKER_SYNC_TIMEOUT"},
		{ID: 2, Name: "dev", Webhook: "https://h/send?key=2", Enabled: true, AlertTypes: "DISK_FULL"},
		{ID: 3, Name: "off", Webhook: "https://h/send?key=3", Enabled: false},
		{ID: 4, Name: "ops again", Webhook: "https://h/send?key=1", Enabled: true},
	}
	p := DefaultPolicy()
	p.Default.Groups = []string{"dev"}
	for _, alertType := range ownAlarms {
		told, note := p.Audience(groups, alertType)
		assert.Equal(t, "ops, dev", names(told), alertType)
		assert.Empty(t, note)
	}
	told, _ := p.Audience(groups, "DISK_FULL")
	assert.Equal(t, "dev", names(told))
	p.Rules[WatchIsDeaf] = Rule{Groups: []string{"ops"}}
	told, _ = p.Audience(groups, WatchIsDeaf)
	assert.Equal(t, "ops", names(told), "unless the policy says otherwise of this very type")
}

func TestTheSymptomsEndIsToldOnce(t *testing.T) {
	p := DefaultPolicy()
	p.Fallback = "https://h/send?key=1"
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	r := Remediation{ID: 1, AlertID: 1, Action: Restart, Container: "c", Status: Succeeded, Reason: Reason{Code: "stable"}, EndedAt: now}
	over := Alert{ID: 1, Type: TickerSyncTimeout, Status: Resolved, Words: Words{At: now}}
	for name, c := range map[string]struct {
		alert  Alert
		change func(*Remediation)
		told   bool
	}{
		"the line is back, and now the container stays up": {over, func(*Remediation) {}, false},
		"nothing but the container tells of the end":       {Alert{ID: 1, Type: TickerSyncTimeout, Status: Open}, func(*Remediation) {}, true},
		"a person asked":      {over, func(r *Remediation) { r.RequestedBy = "li" }, true},
		"it does not stay up": {over, func(r *Remediation) { r.Status = Failed }, true},
		"nobody knows":        {over, func(r *Remediation) { r.Status = UnknownOutcome }, true},
	} {
		r := r
		c.change(&r)
		change := Settle(State{Alert: &c.alert}, r, &p, nil, now)
		require.NotNil(t, change.Decision, name)
		assert.Equal(t, c.told, len(change.Notifications) == 1, name)
		assert.Equal(t, Resolved == c.alert.Status || r.Status == Succeeded, change.Alert.Status == Resolved, name)
	}
}
