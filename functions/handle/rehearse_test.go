package handle_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/functions/handle"
	"trade-monitor/shared/alerting"
)

func (m *memory) Rehearse(_ context.Context, id int64, by string) (alerting.Rehearsal, error) {
	m.note("rehearse", id, by)
	return m.plan, m.err
}

// docker is an engine that answers as told.
type docker struct {
	facts alerting.Facts
	err   error
	asked []string
}

func (d *docker) Identity(context.Context) (alerting.Host, error) {
	return alerting.Host{ID: "ABCD/one", Name: "one"}, d.err
}

func (d *docker) Facts(_ context.Context, container string) (alerting.Facts, error) {
	d.asked = append(d.asked, container)
	return d.facts, d.err
}

// planned is what the store decides about an alert of a container.
func planned(container string, change func(*alerting.Policy)) alerting.Rehearsal {
	p := alerting.DefaultPolicy()
	p.Containers = []string{"async"}
	if change != nil {
		change(&p)
	}
	return alerting.Rehearse(alerting.State{Alert: &alerting.Alert{ID: 7, Type: alerting.TickerSyncTimeout, Service: container, Severity: alerting.Error}}, "li", p, noon)
}

func dryRun(t *testing.T, store *memory, engine handle.Engine) string {
	t.Helper()
	status, body := postTo(t, handle.New(store, handle.Options{Language: alerting.Chinese, Location: noon.Location(), Engine: engine}), "/api/alerts/7/handle", `{"dryRun":true,"by":"li"}`)
	assert.Equal(t, 200, status, body)
	assert.Equal(t, []string{"rehearse 7 by li"}, store.asked, "nothing else is asked of the store")
	return body
}

func running(id string) *alerting.Container {
	return &alerting.Container{ID: id, Name: "async", Running: true, StartedAt: noon.Add(-time.Hour), Health: alerting.NoHealth}
}

func TestADryRunWithoutAnEngineSaysSo(t *testing.T) {
	body := dryRun(t, &memory{plan: planned("async", nil)}, nil)
	assert.JSONEq(t, `{"success":true,"message":"演练：将会重启容器 async；执行时才询问 Docker","dryRun":{"wouldAct":true,"action":"restart","container":"async","reason":null,"facts":null}}`, body)
	plan := planned("async", nil)
	plan.Host = alerting.Host{ID: "EFGH/two", Name: "two"}
	assert.Contains(t, dryRun(t, &memory{plan: plan}, nil), "执行时由主机 two 询问 Docker")
}

func TestADryRunAsksTheEngine(t *testing.T) {
	engine := &docker{facts: alerting.Facts{Container: running("c"), Now: noon}}
	body := dryRun(t, &memory{plan: planned("async", nil)}, engine)
	assert.JSONEq(t, `{"success":true,"message":"演练：将会重启容器 async","dryRun":{"wouldAct":true,"action":"restart","container":"async","reason":null,
		"facts":{"found":true,"state":"running","startedAt":"2026-02-25T11:00:00.000+08:00","finishedAt":null,"exitCode":0,"oomKilled":false,"health":"none","restartCount":0,"killedAt":null}}}`, body)
	assert.Equal(t, []string{"async"}, engine.asked)
}

func TestADryRunIsRefusedAsTheOrderWouldBe(t *testing.T) {
	for name, tc := range map[string]struct {
		plan  alerting.Rehearsal
		facts alerting.Facts
		code  string
		asked int
	}{
		"not on the list":   {planned("stranger", nil), alerting.Facts{Container: running("c"), Now: noon}, "not_allowed", 0},
		"no container name": {planned("a b", nil), alerting.Facts{}, "bad_target", 0},
		"no action":         {planned("async", func(p *alerting.Policy) { p.Rules = nil }), alerting.Facts{}, "no_action", 0},
		"no container":      {planned("async", nil), alerting.Facts{Now: noon}, "no_container", 1},
		"ourselves":         {planned("async", nil), alerting.Facts{Container: &alerting.Container{ID: "c", Name: "async", Running: true, Self: true}, Now: noon}, "ourselves", 1},
		"somebody is at it": {planned("async", nil), alerting.Facts{Container: running("c"), KilledAt: noon, Now: noon}, "in_hand_of_person", 1},
		"the mode":          {planned("async", func(p *alerting.Policy) { p.Mode = alerting.DryRun }), alerting.Facts{Container: running("c"), Now: noon}, "dry_run", 1},
	} {
		t.Run(name, func(t *testing.T) {
			engine := &docker{facts: tc.facts}
			body := dryRun(t, &memory{plan: tc.plan}, engine)
			assert.Contains(t, body, `"wouldAct":false`)
			assert.Contains(t, body, `"reason":{"code":"`+tc.code+`"`)
			assert.Len(t, engine.asked, tc.asked, "a container that is not listed is none of our business")
		})
	}
}

func TestADryRunOfAnotherHostsContainerAsksNotOurs(t *testing.T) {
	plan := planned("async", nil)
	plan.Host = alerting.Host{ID: "EFGH/two", Name: "two"}
	engine := &docker{facts: alerting.Facts{Now: noon}}
	body := dryRun(t, &memory{plan: plan}, engine)
	assert.Contains(t, body, `"wouldAct":true`)
	assert.Empty(t, engine.asked)
}

func TestADryRunWithTheEngineAwaySaysSo(t *testing.T) {
	body := dryRun(t, &memory{plan: planned("async", nil)}, &docker{err: errors.New("connection refused")})
	assert.Contains(t, body, `"wouldAct":false`)
	assert.Contains(t, body, `"reason":{"code":"no_engine","text":"无法连接 Docker：connection refused"`)
	assert.Contains(t, body, `"facts":null`)
}

func TestADryRunOfNoAlertIs404(t *testing.T) {
	status, _ := post(t, &memory{err: alerting.ErrNotFound}, "/api/alerts/7/handle", `{"dryRun":true}`)
	assert.Equal(t, 404, status)
}

func TestWithoutDryRunItIsDone(t *testing.T) {
	for _, body := range []string{`{"dryRun":false}`, `{}`, "", `{"by":"li","dryRun":false}`} {
		store := &memory{}
		status, answer := post(t, store, "/api/alerts/7/handle", body)
		assert.Equal(t, 200, status, answer)
		assert.Contains(t, answer, `"remediation":{`)
		assert.Contains(t, store.asked[0], "handle 7")
	}
}
