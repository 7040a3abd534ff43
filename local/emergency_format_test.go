package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
)

// The emergency word is written as its robot's messages are, by the groups as the
// newest look that succeeded has seen them.
func TestTheEmergencyWordIsWrittenAsItsRobotIs(t *testing.T) {
	const robot alerting.Secret = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=1"
	db, err := openDatabase(t.Context(), config.Config{DataDir: t.TempDir(), Location: time.UTC}, setup{policy: alerting.DefaultPolicy})
	require.NoError(t, err)
	s := &service{db: db, loops: newLoops(nil)}
	saw := &witness{s: s, fallback: func() alerting.Secret { return robot }}
	assert.Equal(t, alerting.Markdown, saw.format(), "nothing was seen yet")
	_, err = db.CreateGroup(t.Context(), alerting.Group{Name: "ops", Webhook: robot, Enabled: true, MessageFormat: "text"})
	require.NoError(t, err)
	_, err = saw.Look(t.Context(), "me")
	require.NoError(t, err)
	assert.Equal(t, alerting.Text, saw.format())
	require.NoError(t, db.close())
	_, err = saw.Look(t.Context(), "me")
	require.Error(t, err)
	assert.Equal(t, alerting.Text, saw.format(), "that is when it matters")
}
