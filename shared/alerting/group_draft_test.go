package alerting_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

const aRobot = alerting.Secret("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=test-robot-draft")

func anyWebhook(alerting.Secret) error { return nil }

func TestADraftChangesWhatItNames(t *testing.T) {
	before := alerting.Group{ID: 7, Name: "运维", Webhook: aRobot, AlertTypes: "A", Enabled: true, Description: "d"}
	same, err := alerting.GroupDraft{}.Apply(before, anyWebhook)
	require.NoError(t, err)
	assert.Equal(t, before, same)

	masked, types, off := alerting.Secret("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=***"), " container_down，ticker_sync_timeout; ", false
	after, err := alerting.GroupDraft{Webhook: &masked, AlertTypes: &types, Enabled: &off}.Apply(before, anyWebhook)
	require.NoError(t, err)
	assert.Equal(t, alerting.Group{ID: 7, Name: "运维", Webhook: aRobot, AlertTypes: "CONTAINER_DOWN,TICKER_SYNC_TIMEOUT", Description: "d"}, after)

	environment := alerting.EnvironmentWebhook
	after, err = alerting.GroupDraft{Webhook: &environment}.Apply(before, func(alerting.Secret) error { return errors.New("not asked") })
	require.NoError(t, err)
	assert.True(t, after.FromEnv)
}

func TestADraftNamesEveryProblemAtOnce(t *testing.T) {
	long, lines := strings.Repeat("长", 501), "a\nb"
	webhook, types := alerting.Secret("https://elsewhere.invalid/?key=test-robot-secret"), "A,b c-d"
	_, err := alerting.GroupDraft{Name: &lines, Webhook: &webhook, AlertTypes: &types, Description: &long}.
		Apply(alerting.Group{}, func(alerting.Secret) error { return errors.New("no such host") })
	var invalid *alerting.InvalidError
	require.ErrorAs(t, err, &invalid)
	var fields []string
	for _, p := range invalid.Problems {
		fields = append(fields, p.Field)
	}
	assert.Equal(t, []string{"groupName", "webhookUrl", "alertTypes", "description"}, fields)
	assert.NotContains(t, err.Error(), "test-robot-secret")

	_, err = alerting.GroupDraft{}.Apply(alerting.Group{Enabled: true}, anyWebhook)
	require.ErrorContains(t, err, "groupName")
	require.ErrorContains(t, err, "webhookUrl")
}

func TestWhatTellsNobodyIsStoredAndSaid(t *testing.T) {
	for _, g := range []alerting.Group{
		{Name: "g", Webhook: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=YOUR_KEY_HERE"},
		{Name: "g", FromEnv: true, Webhook: ""},
	} {
		stored, err := alerting.GroupDraft{}.Apply(g, anyWebhook)
		require.NoError(t, err)
		assert.NotEmpty(t, stored.Unusable())
	}
	assert.Empty(t, alerting.Group{Webhook: aRobot}.Unusable())
}
