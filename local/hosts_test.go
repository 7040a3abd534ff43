package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// twoHosts are two of the built program on one database, each with an engine of
// its own. Both machines have one name.
type twoHosts struct {
	t                *testing.T
	engineA, engineB *dockertest.Private
	robots           *wecomtest.Server
	a, b             *runningService
}

// engineOfItsOwn is an engine with an id of its own: before version 23 that lies
// in a file of the machine's.
func engineOfItsOwn(t testing.TB) *dockertest.Private {
	dir := t.TempDir()
	config := filepath.Join(dir, "daemon.json")
	writeFile(t, config, `{"deprecated-key-path": "`+filepath.Join(dir, "key.json")+`"}`)
	return dockertest.PrivateEngine(t, "--config-file="+config)
}

// newTwoHosts starts both, which may act upon the same names.
func newTwoHosts(t *testing.T, names []string, policy string) *twoHosts {
	w := &twoHosts{t: t, engineA: engineOfItsOwn(t), engineB: engineOfItsOwn(t), robots: wecomtest.Start(t)}
	shared := append(mariaDB(t), "REMEDIATION_CONTAINERS="+strings.Join(names, ","), "ASYNC_MONITOR_LOG_PATTERN=off",
		"WECHAT_WEBHOOK_URL="+w.robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS="+w.robots.Host)
	if policy != "" {
		path, _ := policyAt(t, policy)
		shared = append(shared, "POLICY_FILE="+path)
	}
	w.a = launch(t, append(shared, "DOCKER_HOST="+w.engineA.Host)...)
	w.b = launch(t, append(shared, "DOCKER_HOST="+w.engineB.Host)...)
	for _, s := range []*runningService{w.a, w.b} {
		await(t, 30*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	}
	w.know(2)
	return w
}

// know waits until so many hosts are known to be at work.
func (w *twoHosts) know(n int) {
	w.t.Helper()
	await(w.t, 20*time.Second, "the hosts know each other", func() bool {
		return strings.Count(w.a.get("/metrics").text, `trade_monitor_runners{host="`) == n
	})
}

// remediation is the only one of an alert.
func (w *twoHosts) remediation(alert int64) map[string]any {
	w.t.Helper()
	all := objects(w.a.story(alert), "remediations")
	require.Len(w.t, all, 1)
	return all[0]
}

func (w *twoHosts) ends(alert int64, limit time.Duration, status, code string) {
	w.t.Helper()
	await(w.t, limit, status+" "+code, func() bool {
		r := w.remediation(alert)
		return r["status"] == status && codeOf(r) == code
	})
}

// codeOf is why a remediation is as it is.
func codeOf(remediation map[string]any) any {
	reason, _ := remediation["reason"].(map[string]any)
	return reason["code"]
}

const quickPolicy = "types: {TICKER_SYNC_TIMEOUT: {engineWait: 10s, verify: {stable: 2s}}}"

// Part 5 of "Remediation that can be trusted": whoever takes the event, the host
// that has the container restarts it, and nobody else does anything.
func TestTheHostThatHasTheContainerRestartsIt(t *testing.T) {
	t.Parallel()
	names := []string{"tmtest-hosts-only-b", "tmtest-hosts-both", "tmtest-hosts-neither", "tmtest-hosts-late"}
	w := newTwoHosts(t, names, quickPolicy)
	onlyB := w.engineB.Run(t, dockertest.Spec{ExactName: names[0]})
	twice := []*dockertest.Container{w.engineA.Run(t, dockertest.Spec{ExactName: names[1]}), w.engineB.Run(t, dockertest.Spec{ExactName: names[1]})}
	labelled := w.engineA.Run(t, dockertest.Spec{Labels: map[string]string{"trade-monitor.restart": "true"}})
	key := w.robots.Key("ops")

	t.Run("posted to A, B has it", func(t *testing.T) {
		before := onlyB.State().StartedAt
		posted := time.Now()
		answer := w.a.notify(ticker(names[0]))
		require.Equal(t, "REQUESTED", answer.object("remediation")["status"], answer.text)
		onlyB.Until(15*time.Second, "restarted", func(s dockertest.State) bool { return s.StartedAt.After(before) })
		t.Logf("figures: posted to A → started again on B in %s", time.Since(posted).Round(time.Millisecond))
		after := onlyB.State().StartedAt
		w.robots.ExpectWithin(t, 3*time.Second, key, "Ticker同步超时告警", names[0])
		w.robots.ExpectWithin(t, 20*time.Second, key, "已恢复", names[0])
		require.Equal(t, after, onlyB.State().StartedAt, "once")
		require.Len(t, objects(w.a.story(answer.number("alertId")), "remediations"), 1)
		require.EqualValues(t, 1, w.a.get("/api/alerts").number("total"), "and A's and B's watches know whose doing it was")
	})

	t.Run("both have one of that name", func(t *testing.T) {
		before := []time.Time{twice[0].State().StartedAt, twice[1].State().StartedAt}
		answer := w.a.notify(ticker(names[1]))
		w.ends(answer.number("alertId"), 5*time.Second, "SKIPPED", "two_hosts")
		w.robots.ExpectWithin(t, 3*time.Second, key, "Ticker同步超时告警", names[1])
		w.robots.ExpectWithin(t, 3*time.Second, key, "未重启", "请在策略的 host 中指明是哪一台")
		w.robots.ExpectNoMore(t, key, 2*time.Second)
		require.Equal(t, before, []time.Time{twice[0].State().StartedAt, twice[1].State().StartedAt})
	})

	t.Run("neither has it", func(t *testing.T) {
		answer := w.b.notify(ticker(names[2]))
		w.ends(answer.number("alertId"), 9*time.Second, "SKIPPED", "no_container") // well before engineWait
		w.robots.ExpectWithin(t, 3*time.Second, key, "Ticker同步超时告警", names[2])
		w.robots.ExpectWithin(t, 3*time.Second, key, "未重启", "不存在")
	})

	t.Run("it came a moment ago", func(t *testing.T) {
		late := w.engineB.Run(t, dockertest.Spec{ExactName: names[3]})
		before := late.State().StartedAt
		w.a.notify(ticker(names[3]))
		late.Until(15*time.Second, "restarted", func(s dockertest.State) bool { return s.StartedAt.After(before) })
		w.robots.ExpectWithin(t, 3*time.Second, key, "Ticker同步超时告警", names[3])
		w.robots.ExpectWithin(t, 20*time.Second, key, "已恢复", names[3])
	})

	t.Run("only its own host sees the label", func(t *testing.T) {
		before := labelled.State().StartedAt
		answer := w.b.notify(ticker(labelled.Name))
		require.Equal(t, "REQUESTED", answer.object("remediation")["status"], answer.text)
		labelled.Until(15*time.Second, "restarted", func(s dockertest.State) bool { return s.StartedAt.After(before) })
		w.robots.ExpectWithin(t, 3*time.Second, key, "Ticker同步超时告警", labelled.Name)
		w.robots.ExpectWithin(t, 20*time.Second, key, "已恢复", labelled.Name)
	})

	t.Run("the host that has it is not at work", func(t *testing.T) {
		require.Zero(t, w.b.stop())
		w.know(1)
		before := onlyB.State().StartedAt
		require.Equal(t, http.StatusOK, w.a.post("/api/alerts/1/handle", "").status)
		await(t, 20*time.Second, "told", func() bool {
			all := objects(w.a.story(1), "remediations")
			return len(all) == 2 && codeOf(all[1]) == "unclaimed"
		})
		w.robots.ExpectWithin(t, 3*time.Second, key, "没有主机认领", "曾有该容器")
		require.Equal(t, before, onlyB.State().StartedAt)
		w.robots.ExpectNoMore(t, key, time.Second)
	})
}
