package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/store/storetest"
	"trade-monitor/shared/wecom/wecomtest"
)

// Promise 8: with the database down callers get 503, people are told without
// it, and everything resumes by itself.
func TestADatabaseThatIsAwayIsSaidSoAndWaitedFor(t *testing.T) {
	t.Parallel()
	db := storetest.OwnMariaDB(t)
	robots := wecomtest.Start(t)
	s := launch(t, append(databaseSettings(db), "REMEDIATION_MODE=off", "WECHAT_WEBHOOK_URL="+robots.Webhook("group"), "WECHAT_ALLOWED_HOSTS="+robots.Host)...)
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	require.Equal(t, http.StatusOK, s.notify(ticker("before")).status)
	robots.ExpectWithin(t, 3*time.Second, robots.Key("group"), "before")
	await(t, 5*time.Second, "that is on record", func() bool { return objects(s.get("/api/alerts").fields, "data")[0]["wechatSent"] == true })

	db.Stop()
	for range 3 {
		begun := time.Now()
		r := s.notify(ticker("meanwhile"))
		require.Equal(t, http.StatusServiceUnavailable, r.status, r.text)
		require.NotEmpty(t, r.header.Get("Retry-After"))
		require.Less(t, time.Since(begun), 2*time.Second)
	}
	require.Equal(t, http.StatusServiceUnavailable, s.get("/readyz").status)
	require.Equal(t, http.StatusOK, s.get("/healthz").status, "the loops live and wait")

	robots.ExpectWithin(t, 15*time.Second, robots.Key("group"), databaseDown)
	ready := s.get("/readyz").text
	require.Contains(t, ready, "自 ", "it says since when")
	require.Contains(t, ready, "已在群里说明")

	db.Start(t)
	await(t, 15*time.Second, "that it is back is told", func() bool {
		back, _ := toldWith(robots, databaseBack)
		return len(back) == 1
	})
	require.Equal(t, http.StatusOK, s.notify(ticker("after")).status)
	robots.ExpectWithin(t, 15*time.Second, robots.Key("group"), databaseBack)
	robots.ExpectWithin(t, 15*time.Second, robots.Key("group"), "after")
}

func TestAStartWithoutItsDatabaseServes503AndRecovers(t *testing.T) {
	db := storetest.OwnMariaDB(t)
	db.Stop()
	s := launch(t, append(databaseSettings(db), "REMEDIATION_MODE=off")...)
	require.Equal(t, http.StatusServiceUnavailable, s.notify(ticker("svc")).status)
	db.Start(t)
	await(t, 20*time.Second, "events are taken", func() bool { return s.notify(ticker("svc")).status == http.StatusOK })
}

func TestARefusedPasswordEndsTheStart(t *testing.T) {
	db := storetest.MariaDB(t)
	settings := append(databaseSettings(db), "MYSQL_PASSWORD=wrong-canary-password") // the last one counts
	s := launch(t, settings...)
	select {
	case <-s.exited:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on trying")
	}
	require.Equal(t, exitFailed, s.cmd.ProcessState.ExitCode())
	require.Contains(t, s.output.String(), "MYSQL_PASSWORD")
	require.NotContains(t, s.output.String(), "wrong-canary-password")
}

func TestDockerAwayHoldsUpNoMessage(t *testing.T) {
	engine := dockertest.PrivateEngine(t, "--live-restore") // the container outlives its engine
	container := engine.Run(t, dockertest.Spec{})
	before := container.State().StartedAt
	robots := wecomtest.Start(t)
	s := launch(t, "REMEDIATION_CONTAINERS="+container.Name, "DOCKER_HOST="+engine.Host,
		"WECHAT_WEBHOOK_URL="+robots.Webhook("group"), "WECHAT_ALLOWED_HOSTS="+robots.Host)
	engine.Stop()

	require.Equal(t, "REQUESTED", s.notify(ticker(container.Name)).object("remediation")["status"])
	robots.ExpectWithin(t, time.Second, robots.Key("group"), container.Name)
	await(t, 5*time.Second, "the reason is on record", func() bool {
		reason, _ := objects(s.story(1), "remediations")[0]["reason"].(map[string]any)
		return reason["code"] == "no_engine"
	})
	require.Equal(t, "degraded", s.get("/readyz").fields["status"])

	engine.Start()
	container.Until(40*time.Second, "restarted", func(now dockertest.State) bool { return now.Running && now.StartedAt.After(before) })
}

// Every way in which WeCom says no: nothing is lost, and the API does not
// notice.
func TestARefusedMessageIsKeptAndExplained(t *testing.T) {
	robots := wecomtest.Start(t)
	for _, test := range []struct {
		name   string
		fault  wecomtest.Fault
		status string // of the word, soon
		code   any    // errcode of the first message
		reason string
	}{
		{"busy", wecomtest.ErrCode(-1), "SENT", -1.0, ""},
		{"too many at once", wecomtest.ErrCode(45033), "SENT", 45033.0, ""},
		{"over the rate", wecomtest.ErrCode(45009), "PENDING", 45009.0, "robot_rate_limit"},
		{"bad key", wecomtest.ErrCode(93000), "PENDING", 93000.0, "robot_robot_gone"},
		{"disabled", wecomtest.ErrCode(93004), "PENDING", 93004.0, "robot_robot_gone"},
		{"not in the group", wecomtest.ErrCode(93008), "PENDING", 93008.0, "robot_robot_gone"},
		{"too long", wecomtest.ErrCode(40058), "SENT", 40058.0, ""}, // it is cut once
		{"bad JSON", wecomtest.ErrCode(40008), "DEAD", 40008.0, "bad_words"},
		{"empty", wecomtest.ErrCode(44004), "DEAD", 44004.0, "bad_words"},
		{"a page", wecomtest.HTTPStatus(502), "SENT", nil, ""},
		{"cut", wecomtest.Cut(), "SENT", nil, ""},
		{"slow", wecomtest.Slow(2 * time.Second), "SENT", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			name := fmt.Sprintf("robot-%s", test.name)
			robots.Fail(robots.Key(name), test.fault)
			s := launch(t, "REMEDIATION_MODE=off", "WECHAT_WEBHOOK_URL="+robots.Webhook(name), "WECHAT_ALLOWED_HOSTS="+robots.Host)
			begun := time.Now()
			require.Equal(t, http.StatusOK, s.notify(ticker("svc")).status)
			require.Less(t, time.Since(begun), 2*time.Second, "the API does not wait for WeCom")
			await(t, 20*time.Second, "the word stands "+test.status, func() bool {
				word := objects(s.story(1), "notifications")[0]
				return word["status"] == test.status && word["attempts"] != 0.0
			})
			story := s.story(1)
			if test.code != nil {
				require.Equal(t, test.code, objects(story, "messages")[0]["errCode"])
			}
			require.Equal(t, test.status == "SENT", story["wechatSent"])
			if test.reason != "" {
				reason, _ := objects(story, "notifications")[0]["reason"].(map[string]any)
				require.Equal(t, test.reason, reason["code"])
			}
			require.NotContains(t, fmt.Sprint(story), robots.Key(name), "the key is nowhere")
			require.NotContains(t, s.output.String(), robots.Key(name))
		})
	}
}
