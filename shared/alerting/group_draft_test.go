package alerting_test

import (
	"errors"
	"fmt"
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
	webhook, types := alerting.Secret("https://elsewhere.invalid/?key=test-robot-secret"), "A,"+strings.Repeat("长", 51)
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

// An event's type may be any word: whoever is told of it must be able to say so.
func TestAlertTypesAreWhatEventsSay(t *testing.T) {
	for given, want := range map[string]string{
		"db-down、磁盘.满/1；": "DB-DOWN,磁盘.满/1；",
		"A，a A":           "A",
		" ":               "",
	} {
		g, err := alerting.GroupDraft{AlertTypes: &given}.Apply(alerting.Group{Name: "g", Webhook: aRobot}, anyWebhook)
		require.NoError(t, err)
		assert.Equal(t, want, g.AlertTypes)
	}
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("TYPE_%04d", i))
	}
	for _, wrong := range []string{"A,b\u0000", strings.Repeat("A", 51), strings.Join(many, ",")} {
		_, err := alerting.GroupDraft{AlertTypes: &wrong}.Apply(alerting.Group{Name: "g", Webhook: aRobot}, anyWebhook)
		require.ErrorContains(t, err, "alertTypes")
	}
}

// Whatever a row by SQL holds, a person can switch it off, and give back what
// the API showed of it.
func TestAnOddRowCanBeSwitchedOff(t *testing.T) {
	refuse := func(alerting.Secret) error { return errors.New("host not allowed") }
	off, shown, nothing := false, alerting.Secret("https://elsewhere.invalid/***"), alerting.Secret("")
	odd := alerting.Group{Name: "a\nb", Webhook: "https://elsewhere.invalid/x", Enabled: true, Description: strings.Repeat("长", 501)}
	for name, c := range map[string]struct {
		row   alerting.Group
		draft alerting.GroupDraft
	}{
		"nothing else is given":         {odd, alerting.GroupDraft{Enabled: &off}},
		"with the masked webhook":       {odd, alerting.GroupDraft{Enabled: &off, Webhook: &shown}},
		"of an environment without one": {alerting.Group{Name: "g", FromEnv: true, Enabled: true}, alerting.GroupDraft{Enabled: &off, Webhook: &nothing}},
	} {
		t.Run(name, func(t *testing.T) {
			want := c.row
			want.Enabled = false
			got, err := c.draft.Apply(c.row, refuse)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
	_, err := alerting.GroupDraft{Webhook: &shown}.Apply(alerting.Group{Name: "new"}, refuse)
	require.ErrorContains(t, err, "webhookUrl", "a new group has nothing to keep")
	_, err = alerting.GroupDraft{Webhook: &nothing}.Apply(odd, refuse)
	require.ErrorContains(t, err, "webhookUrl", "a robot is not taken away by leaving its address empty")
}

func TestADraftSaysHowMessagesAreWritten(t *testing.T) {
	g := alerting.Group{Name: "g", Webhook: aRobot}
	for given, want := range map[string]string{"text": "text", " TEXT ": "text", "markdown": "markdown", "": "markdown"} {
		changed, err := alerting.GroupDraft{Format: &given}.Apply(g, anyWebhook)
		require.NoError(t, err)
		assert.Equal(t, want, changed.MessageFormat, "%q", given)
	}
	wrong, off := "html", false
	_, err := alerting.GroupDraft{Format: &wrong}.Apply(g, anyWebhook)
	require.ErrorContains(t, err, "messageFormat")
	g.MessageFormat = "html" // by SQL
	changed, err := alerting.GroupDraft{Enabled: &off}.Apply(g, anyWebhook)
	require.NoError(t, err, "it can be switched off")
	assert.Equal(t, "html", changed.MessageFormat)
	assert.Equal(t, alerting.Markdown, changed.Format())
}

func TestARobotHasOneFormat(t *testing.T) {
	group := func(format string, enabled bool) alerting.Group {
		return alerting.Group{Webhook: aRobot, MessageFormat: format, Enabled: enabled}
	}
	other := alerting.Group{Webhook: aRobot + "2", MessageFormat: "text", Enabled: true}
	robot := alerting.RobotID(aRobot)
	for name, c := range map[string]struct {
		groups []alerting.Group
		want   alerting.Format
	}{
		"no group":                  {[]alerting.Group{other}, alerting.Markdown},
		"its group":                 {[]alerting.Group{other, group("text", true)}, alerting.Text},
		"the first of two":          {[]alerting.Group{group("markdown", true), group("text", true)}, alerting.Markdown},
		"not a disabled one":        {[]alerting.Group{group("markdown", false), group("text", true)}, alerting.Text},
		"but if there is no other":  {[]alerting.Group{group("text", false), group("markdown", false)}, alerting.Text},
		"in whatever case":          {[]alerting.Group{group(" Text", true)}, alerting.Text},
		"what nobody knows":         {[]alerting.Group{group("html", true)}, alerting.Markdown},
		"of an older version's row": {[]alerting.Group{group("", true)}, alerting.Markdown},
	} {
		assert.Equal(t, c.want, alerting.RobotFormat(c.groups, robot), name)
	}
}
