package wecom_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/wecom"
)

func TestTheEmergencyWordReadsAsItShould(t *testing.T) {
	o := alerting.DatabaseOutage{State: alerting.DatabaseDown, Since: opened, Failing: opened, Cause: alerting.Reason{Code: "database_away"}, Back: opened.Add(192 * time.Second)}
	for _, lang := range []alerting.Language{alerting.Chinese, alerting.English} {
		e := wecom.EmergencyWords{RenderOptions: wecom.RenderOptions{Language: lang, Location: shanghai}, Database: "MySQL", Process: "trading-1, PID 7"}
		golden(t, "text_emergency."+string(lang)+".txt", e.Down(o, opened.Add(3*time.Second)))
		golden(t, "text_emergency_back."+string(lang)+".txt", e.Back(o))

		e.Process = "<@all> [x](https://evil.example)"
		assert.NotContains(t, e.Down(o, opened), "<@all>", "a host's name is no markup either")
		assert.NotContains(t, e.Back(o), "](https")
	}
}
