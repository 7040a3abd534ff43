package main

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// onceAnHour lets a container be restarted once.
const onceAnHour = "defaults: {cooldown: 1s, budget: {max: 1, per: 1h}, verify: {stable: 1s}, symptom: 1m}"

// launchWith starts the program on an engine with a policy for these containers.
func launchWith(t testing.TB, engine *dockertest.Private, robots *wecomtest.Server, policy string, of []*dockertest.Container, more ...string) *runningService {
	t.Helper()
	var names []string
	for _, c := range of {
		names = append(names, c.Name)
	}
	file, _ := policyAt(t, policy)
	return launchOn(t, engine.Host, robots, append(more, "POLICY_FILE="+file, "REMEDIATION_CONTAINERS="+strings.Join(names, ","))...)
}

func runAll(t testing.TB, engine *dockertest.Private, names ...string) (all []*dockertest.Container) {
	t.Helper()
	for _, name := range names {
		all = append(all, engine.Run(t, dockertest.Spec{Name: name, Args: []string{"-tick", "200ms", "-line", "still at work"}}))
	}
	return all
}

func (c *restarting) again(d time.Duration) {
	c.t.Helper()
	await(c.t, d, c.Name+" was restarted", func() bool { return c.State().StartedAt.After(c.before) })
}

// restarting is a container that is to be restarted from now on.
type restarting struct {
	*dockertest.Container
	t      testing.TB
	before time.Time
}

func watched(t testing.TB, c *dockertest.Container) *restarting {
	return &restarting{c, t, c.State().StartedAt}
}

// A dry run tells what would be done, by what the engine says at this moment,
// and does nothing.
func TestADryRunTellsWhatWouldBeDone(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	robots := wecomtest.Start(t)
	all := runAll(t, engine, "down")
	s := launchWith(t, engine, robots, onceAnHour, all)
	c := all[0]
	s.isUp(c)
	c.Crash(syscall.SIGKILL)
	s.told(robots, c.Name, "CONTAINER_DOWN", "意外退出")
	path := "/api/alerts/" + idOf(s.alarms(c.Name)[0]) + "/handle"
	await(t, 10*time.Second, "the message is settled", func() bool { return s.story(1)["wechatSent"] == true })
	before := s.story(1)

	answer := s.post(path, `{"dryRun":true}`)
	require.Equal(t, http.StatusOK, answer.status, answer.text)
	plan := answer.object("dryRun")
	assert.Equal(t, true, plan["wouldAct"])
	assert.Equal(t, []any{"start", c.Name, nil}, []any{plan["action"], plan["container"], plan["reason"]})
	facts := plan["facts"].(map[string]any)
	assert.Equal(t, []any{true, "exited", 137.0}, []any{facts["found"], facts["state"], facts["exitCode"]})
	assert.Contains(t, answer.text, "演练：将会启动容器 "+c.Name)
	for body, status := range map[string]int{`{"dry_run":true}`: 400, `{"dryRun":"yes"}`: 400, `{"dryRun":null}`: 400, `[]`: 400} {
		assert.Equal(t, status, s.post(path, body).status, body)
	}
	assert.Equal(t, 404, s.post("/api/alerts/99/handle", `{"dryRun":true}`).status)
	assert.Equal(t, before, s.story(1), "nothing is stored")
	assert.False(t, c.State().Running, "nothing is done")

	c.Start()
	answer = s.post(path, `{"dryRun":true}`)
	assert.Contains(t, answer.text, `"wouldAct":false`)
	assert.Contains(t, answer.text, `"code":"runs_already"`)

	s.notify(ticker("somebody-elses"))
	answer = s.post("/api/alerts/"+idOf(s.alarms("somebody-elses")[0])+"/handle", `{"dryRun":true}`)
	assert.Contains(t, answer.text, `"code":"not_allowed"`)
	assert.Contains(t, answer.text, `"facts":null`, "what is not on the list is none of our business")

	c.Remove()
	answer = s.post(path, `{"dryRun":true}`)
	assert.Contains(t, answer.text, `"code":"no_container"`)
	engine.Stop()
	answer = s.post(path, `{"dryRun":true}`)
	assert.Equal(t, http.StatusOK, answer.status, answer.text)
	assert.Contains(t, answer.text, `"code":"no_engine"`)
	engine.Start()
}

// The restarts are used up: people are told what to type, and typing it makes
// healing go on without another event.
func TestARearmedBreakerLetsHealingGoOn(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	robots := wecomtest.Start(t)
	all := runAll(t, engine, "again")
	s := launchWith(t, engine, robots, onceAnHour, all, "API_TOKENS=shell:read+operate+notify:canary-rearm-token", "API_ANONYMOUS=read")
	c := watched(t, all[0])
	s.command("notify", "TICKER_SYNC_TIMEOUT", c.Name, "error", "静默", "m")
	c.again(20 * time.Second)
	said := s.told(robots, c.Name, "TICKER_SYNC_TIMEOUT-", "已恢复（")
	assert.Regexp(t, `\n现场：运行中 \d+秒\n处置用时：\d+秒\n`, said[len(said)-1])

	c = watched(t, all[0])
	require.Zero(t, s.command("notify", "TICKER_SYNC_TIMEOUT", c.Name, "error", "静默", "m").code)
	s.told(robots, c.Name, "TICKER_SYNC_TIMEOUT- TICKER_SYNC_TIMEOUT", "熔断")
	assert.Contains(t, s.get("/metrics").text, `trade_monitor_breaker_open{container="`+c.Name+`"} 1`)
	listed := s.command("rearm")
	assert.Zero(t, listed.code, listed.out)
	assert.Contains(t, listed.out, "熔断 (breaker) "+c.Name+": 1/1")
	assert.Equal(t, 1, s.command("rearm", "nobody").code)
	assert.Equal(t, 1, s.command("rearm", "../"+c.Name).code)
	assert.Equal(t, 2, s.command("rearm", c.Name, "more").code)
	assert.Equal(t, 2, s.command("rearm", "--all").code)
	assert.Equal(t, c.before, c.State().StartedAt, "the breaker holds")

	done := s.command("rearm", c.Name)
	assert.Zero(t, done.code, done.out)
	assert.Contains(t, done.out, "熔断已复位，受阻的告警立即重新判断；告警 (alerts): [2]")
	c.again(20 * time.Second)
	s.told(robots, c.Name, "TICKER_SYNC_TIMEOUT- TICKER_SYNC_TIMEOUT-", "已恢复（")
	trail := s.command("rearm")
	assert.Contains(t, trail.out, "熔断 (breaker)", "it is used up again")
	require.Zero(t, s.stop())
	assert.Equal(t, 1, s.command("rearm").code, "nobody answers")
}

// saidOfBrake waits for a message about the brake that has the words.
func saidOfBrake(t testing.TB, robots *wecomtest.Server, words ...string) {
	t.Helper()
	await(t, 20*time.Second, "told of the brake: "+words[0], func() bool {
		for _, m := range robots.Messages(robots.Key("ops")) {
			lacks := func(word string) bool { return !strings.Contains(m.Content, word) }
			if strings.Contains(m.Content, "类型：REMEDIATION_BRAKE\n") && !slices.ContainsFunc(words, lacks) {
				return true
			}
		}
		return false
	})
}

// Three containers fail at once: the third is held, and restarted as soon as a
// person has looked and released the brake.
func TestAReleasedBrakeLetsHealingGoOn(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	robots := wecomtest.Start(t)
	all := runAll(t, engine, "one", "two", "three")
	s := launchWith(t, engine, robots, onceAnHour, all)
	assert.Equal(t, 1, s.command("rearm", "--brake").code, "no brake holds")
	three := watched(t, all[2])
	for _, c := range all[:2] {
		w := watched(t, c)
		s.notify(ticker(c.Name))
		w.again(20 * time.Second)
	}
	s.notify(ticker(three.Name))
	saidOfBrake(t, robots, "多个容器同时异常", "trade-monitor rearm --brake")
	held := s.get("/api/remediation")
	require.Equal(t, http.StatusOK, held.status)
	brakes := objects(held.object("data"), "brakes")
	require.Len(t, brakes, 1)
	assert.Equal(t, true, brakes[0]["engaged"])
	name := brakes[0]["hostName"].(string)
	hosts := objects(held.object("data"), "hosts")
	require.Len(t, hosts, 1)
	assert.Equal(t, []any{name, "auto", true, true}, []any{hosts[0]["name"], hosts[0]["mode"], hosts[0]["live"], hosts[0]["reachable"]})
	assert.Len(t, hosts[0]["containers"], 3)
	assert.Contains(t, s.get("/metrics").text, `trade_monitor_brake_engaged{host="`+name+`"} 1`)
	listed := s.command("rearm")
	assert.Contains(t, listed.out, "刹车 (brake) "+name)
	assert.Equal(t, three.before, three.State().StartedAt, "held")
	assert.Equal(t, 1, s.command("rearm", "--brake", "another").code)

	done := s.command("rearm", "--brake")
	assert.Zero(t, done.code, done.out)
	assert.Contains(t, done.out, "刹车已解除")
	three.again(20 * time.Second)
	saidOfBrake(t, robots, "### <font color=\"info\">已恢复：")
	assert.Contains(t, s.get("/metrics").text, `trade_monitor_brake_engaged{host="`+name+`"} 0`)
	assert.Contains(t, s.get("/metrics").text, `trade_monitor_remediations{action="restart",status="SKIPPED"} 1`)
	brakes = objects(s.get("/api/remediation").object("data"), "brakes")
	assert.Equal(t, []any{false, "cli"}, []any{brakes[0]["engaged"], brakes[0]["releasedBy"]})
	assert.Equal(t, 1, s.command("rearm", "--brake").code, "it does not hold any more")
}

// What is done with an address of another host goes there.
func TestRearmAsksTheServiceOfTheSettings(t *testing.T) {
	s := launch(t, "REMEDIATION_MODE=off")
	env := []string{"PORT=1", "TRADE_MONITOR_URL=" + s.url + "/"}
	done := typeCommand(t, t.TempDir(), env, "rearm")
	assert.Zero(t, done.code, done.out)
	assert.Contains(t, done.out, "没有熔断，也没有刹车")
	done = typeCommand(t, t.TempDir(), env, "rearm", "nobody")
	assert.Equal(t, 1, done.code)
	assert.Contains(t, done.out, "没有这个容器的处置记录")
}
