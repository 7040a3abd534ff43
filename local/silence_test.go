package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// silence makes one, and gives its id.
func (s *runningService) silence(body string) int64 {
	s.t.Helper()
	r := s.post("/api/silences", body)
	require.Equal(s.t, http.StatusOK, r.status, r.text)
	require.Equal(s.t, "ACTIVE", r.object("data")["state"])
	return int64(r.object("data")["id"].(float64))
}

// A maintenance window: the service is restarted and nobody is woken; when a
// person ends it, the next alarm is told.
func TestASilenceSuppressesTheWordAndHealingGoesOn(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	container := engine.Run(t, dockertest.Spec{})
	before := container.State()
	robots := wecomtest.Start(t)
	s := launchOn(t, engine.Host, robots, "REMEDIATION_CONTAINERS="+container.Name, "API_TOKENS=li:all:canary-silencer", "API_ANONYMOUS=read,notify")
	require.Equal(t, http.StatusUnauthorized, s.post("/api/silences", `{"serviceName":"x","duration":"1h","comment":"c","author":"li"}`).status)
	operator := s.as("canary-silencer")
	id := operator.silence(fmt.Sprintf(`{"serviceName":%q,"duration":"1h","comment":"上线"}`, container.Name))
	await(t, 5*time.Second, "it is counted", func() bool { return strings.Contains(s.get("/metrics").text, "\ntrade_monitor_silences_active 1\n") })

	answer := s.notify(ticker(container.Name))
	require.Equal(t, "silenced", answer.object("notification")["reasonCode"], answer.text)
	require.Contains(t, answer.text, "告警静默中（li: 上线），")
	require.Equal(t, "REQUESTED", answer.object("remediation")["status"])
	await(t, 60*time.Second, "it is put right", func() bool { return s.story(1)["status"] == "RESOLVED" })
	require.True(t, container.State().StartedAt.After(before.StartedAt))

	story := s.story(1)
	require.Equal(t, "SUCCEEDED", objects(story, "remediations")[0]["status"])
	require.Empty(t, objects(story, "notifications"))
	require.Equal(t, false, story["wechatSent"])
	trail := objects(story, "trail")
	for _, line := range []map[string]any{trail[0], trail[len(trail)-1]} { // of the beginning, and of the outcome
		require.Equal(t, "silenced", line["word"].(map[string]any)["code"])
	}

	ended, err := operator.do(http.MethodDelete, fmt.Sprintf("/api/silences/%d", id), "application/json", `{"by":"王五"}`)
	require.NoError(t, err)
	require.Equal(t, "王五 (li)", ended.object("data")["endedBy"])
	robots.ExpectNoMore(t, robots.Key("ops"), time.Second)
	require.EqualValues(t, 2, s.notify(ticker(container.Name)).number("alertId"))
	robots.ExpectWithin(t, time.Second, robots.Key("ops"), "Ticker同步超时告警", "冷却中")
	require.Len(t, s.get("/api/silences?all=true").fields["data"], 1, "it stays on record")
	require.Empty(t, s.get("/api/silences").fields["data"])
}

// An alarm that comes once, as that of a container that went down, is not lost
// in a silence: what is not over when the silence ends is told by itself, also
// when we were killed meanwhile.
func TestWhatASilenceKeptBackIsToldWhenItEnds(t *testing.T) {
	t.Parallel()
	robots := wecomtest.Start(t)
	s := launch(t, "REMEDIATION_MODE=off", "WECHAT_WEBHOOK_URL="+robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS="+robots.Host)
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	key, begun := robots.Key("ops"), time.Now()
	s.silence(`{"serviceName":"short-*","duration":"3s","comment":"c","author":"li"}`)
	s.silence(`{"serviceName":"killed","duration":"6s","comment":"c","author":"li"}`)
	down := func(service string) event {
		ev := ticker(service)
		ev.EventType, ev.Title = "DISK_FULL", "磁盘已满"
		return ev
	}
	for _, service := range []string{"short-1", "short-over", "killed"} {
		require.Equal(t, "silenced", s.notify(down(service)).object("notification")["reasonCode"])
	}
	end := down("short-over")
	end.Status = "RESOLVED"
	s.notify(end)

	m := robots.ExpectWithin(t, 5*time.Second, key, "磁盘已满", "short-1")
	assert.WithinDuration(t, begun.Add(3*time.Second), m.At, time.Second)
	require.Equal(t, "repeat_wait", s.notify(down("short-1")).object("notification")["reasonCode"], "it was told")
	require.NotEmpty(t, s.notify(down("short-2")).object("notification")["groups"], "the silence is over")
	robots.ExpectWithin(t, time.Second, key, "short-2")
	await(t, 5*time.Second, "that is on record: else the kill may double it", func() bool {
		return objects(s.get("/api/alerts?serviceName=short-2").fields, "data")[0]["wechatSent"] == true
	})

	s.kill()
	time.Sleep(time.Until(begun.Add(6500 * time.Millisecond)))
	s.start()
	robots.ExpectWithin(t, 10*time.Second, key, "磁盘已满", "killed")
	robots.ExpectNoMore(t, key, time.Second)
	require.Contains(t, s.get("/metrics").text, "\ntrade_monitor_silences_active 0\n")
}

// What a stranger writes into a silence is data wherever it is read.
func TestAHostileSilenceIsHarmless(t *testing.T) {
	t.Parallel()
	robots := wecomtest.Start(t)
	s := launch(t, "REMEDIATION_MODE=off", "WECHAT_WEBHOOK_URL="+robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS="+robots.Host)
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	s.silence(`{"serviceName":"x'; DROP TABLE alert_silences; --","severity":"CRITICAL","duration":"1h","author":"O'Neil","comment":"c"}`)
	s.silence(`{"serviceName":"%","duration":"1h","author":"li","comment":"c"}`)
	s.silence(`{"serviceName":"_*","duration":"1h","author":"li","comment":"c"}`)
	require.NotEmpty(t, s.notify(ticker("svc")).object("notification")["groups"], "% and _ are characters as others are")
	s.silence(`{"serviceName":"words","duration":"1h","author":"li","comment":"5m {left} {} <@all> \n2026-02-25 forged | [x](http://evil.example)"}`)
	answer := s.notify(ticker("words"))
	require.Equal(t, "silenced", answer.object("notification")["reasonCode"])
	require.Contains(t, answer.object("notification")["reason"], "li: 5m {left} {} <@all> 2026-02-25 forged |", "on one line, and nothing in it is filled in")
	require.Len(t, s.get("/api/silences").fields["data"], 4)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/api/silences", strings.NewReader(`{"serviceName":"x","duration":"1h","author":"li","comment":"c"}`))
	require.NoError(t, err)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := s.plain.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusForbidden, res.StatusCode, "no page of another site silences us")
}
