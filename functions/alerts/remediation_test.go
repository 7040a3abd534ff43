package alerts_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

func TestTheStateOfRemediationIsShownAsItIs(t *testing.T) {
	store := &memory{state: alerting.RemediationState{
		Mode: alerting.DryRun, At: noon,
		Hosts: []alerting.Site{
			{Host: alerting.Host{ID: "ABCD/one", Name: "one"}, Mode: alerting.Auto, Live: true, Reachable: true, SeenAt: noon.Add(-time.Second), Containers: []string{"async"}},
			{Host: alerting.Host{ID: "EFGH/two", Name: "two"}, Mode: alerting.DryRun, SeenAt: noon.Add(-time.Minute)},
		},
		Brakes: []alerting.Brake{
			{Host: "ABCD/one", HostName: "one", EngagedAt: noon, Until: noon.Add(10 * time.Minute), Containers: []string{"a", "b", "c"}},
			{Host: "EFGH/two", HostName: "two", EngagedAt: noon, Until: noon, ReleasedBy: "张三"},
		},
		Breakers: []alerting.Breaker{{Container: "async", Restarts: 3, Budget: 3, Per: time.Hour, Until: noon.Add(time.Minute), AlertID: 7}, {Container: "never"}},
	}}
	status, body := get(t, store, "/api/remediation")
	require.Equal(t, 200, status)
	assert.JSONEq(t, `{"success":true,"data":{"mode":"dry-run",
		"hosts":[
			{"id":"ABCD/one","name":"one","mode":"auto","live":true,"reachable":true,"lastSeenAt":"2026-02-25T11:59:59.000+08:00","containers":["async"]},
			{"id":"EFGH/two","name":"two","mode":"dry-run","live":false,"reachable":false,"lastSeenAt":"2026-02-25T11:59:00.000+08:00","containers":[]}],
		"brakes":[
			{"host":"ABCD/one","hostName":"one","engaged":true,"engagedAt":"2026-02-25T12:00:00.000+08:00","until":"2026-02-25T12:10:00.000+08:00","containers":["a","b","c"],"releasedBy":null},
			{"host":"EFGH/two","hostName":"two","engaged":false,"engagedAt":"2026-02-25T12:00:00.000+08:00","until":"2026-02-25T12:00:00.000+08:00","containers":[],"releasedBy":"张三"}],
		"breakers":[
			{"container":"async","restarts":3,"budget":3,"perSeconds":3600,"until":"2026-02-25T12:01:00.000+08:00","alertId":7},
			{"container":"never","restarts":0,"budget":0,"perSeconds":0,"until":null,"alertId":0}]}}`, body)
	_, body = get(t, &memory{state: alerting.RemediationState{Mode: alerting.Off}}, "/api/remediation")
	assert.JSONEq(t, `{"success":true,"data":{"mode":"off","hosts":[],"brakes":[],"breakers":[]}}`, body)
}

func TestTheStoryShowsTheEvidence(t *testing.T) {
	evidence := &alerting.Evidence{
		TakenAt: noon, State: "running", StartedAt: noon.Add(-time.Hour), FinishedAt: noon.Add(-2 * time.Hour), ExitCode: 137, OOMKilled: true,
		Health: alerting.Unhealthy, Probes: []alerting.Probe{{At: noon, ExitCode: 1, Output: "no answer"}}, RestartCount: 2, Lines: []string{"<script>", "b"},
	}
	store := &memory{story: alerting.Story{Alert: anAlert(7), Remediations: []alerting.Remediation{
		{ID: 1, AlertID: 7, Action: alerting.Stop, Container: "async", Status: alerting.Failed, Rung: 2, Host: "ABCD/one", RequestedAt: noon, Evidence: evidence},
		{ID: 2, AlertID: 7, Action: alerting.Restart, Container: "async", Status: alerting.Skipped, RequestedAt: noon},
		{ID: 3, AlertID: 7, Action: alerting.Restart, Container: "async", Status: alerting.Running, RequestedAt: noon, Evidence: &alerting.Evidence{TakenAt: noon, State: "exited", Missing: "不可读"}},
	}}}
	status, body := get(t, store, "/api/alerts/7")
	require.Equal(t, 200, status)
	assert.Contains(t, body, `"rung":2,"container":"async","host":"ABCD/one"`)
	assert.Contains(t, body, `"evidence":{"takenAt":"2026-02-25T12:00:00.000+08:00","state":"running","startedAt":"2026-02-25T11:00:00.000+08:00","finishedAt":"2026-02-25T10:00:00.000+08:00",`+
		`"exitCode":137,"oomKilled":true,"health":"unhealthy","probes":[{"at":"2026-02-25T12:00:00.000+08:00","exitCode":1,"output":"no answer"}],"restartCount":2,"lines":["<script>","b"],"missing":null}`)
	assert.Contains(t, body, `"evidence":null`)
	assert.Contains(t, body, `"health":"none","probes":[],"restartCount":0,"lines":[],"missing":"不可读"}`)
}
