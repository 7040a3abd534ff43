package main

import (
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

// saidOf lists the messages that a robot got about a container, oldest first.
func saidOf(robots *wecomtest.Server, name, container string) []string {
	var all []string
	for _, m := range robots.Messages(robots.Key(name)) {
		if strings.Contains(m.Content, "服务："+container+"\n") {
			all = append(all, m.Content)
		}
	}
	return all
}

// told waits until the alerts of a container are of these types, and its last
// message has the words. Then it gives all of its messages.
func (s *runningService) told(robots *wecomtest.Server, container, types string, words ...string) []string {
	s.t.Helper()
	var got string
	var all []string
	fits := func() bool {
		got, all = s.typesOf(container), saidOf(robots, "ops", container)
		return got == types && len(all) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(all[len(all)-1], w) })
	}
	for deadline := time.Now().Add(30 * time.Second); !fits(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: want %q and a message with %q, got %q and\n%s", container, types, words, got, strings.Join(all, "\n----\n"))
		}
	}
	return all
}

// What can happen to a container, all of it at once: what is told, in which
// words, and that its end is told when it is well again.
func TestWatchTellsEveryStoryOfAContainer(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	robots := wecomtest.Start(t)
	run := func(spec dockertest.Spec) *dockertest.Container {
		spec.Labels = watchLabel
		return engine.Run(t, spec)
	}
	s := launchOn(t, engine.Host, robots)
	exits := run(dockertest.Spec{Name: "exits", Args: []string{"-tick", "200ms", "-line", "cannot open the order book", "-exit-after", "3s", "-exit-code", "7"}})
	killed := run(dockertest.Spec{Name: "killed", Args: []string{"-tick", "200ms", "-line", "as usual"}})
	hungry := run(dockertest.Spec{Name: "hungry", Memory: 16 << 20, Args: []string{"-eat-after", "3s"}})
	ill := run(dockertest.Spec{Name: "ill", Health: &dockertest.Health{Interval: 300 * time.Millisecond, Retries: 1}})
	s.isUp(exits, killed, hungry, ill)
	loops := run(dockertest.Spec{Name: "loops", RestartPolicy: "on-failure", Args: []string{"-line", "no configuration", "-exit-after", "100ms", "-exit-code", "3"}})
	ill.Until(20*time.Second, "healthy", func(now dockertest.State) bool { return now.Health == "healthy" })

	killed.Crash(syscall.SIGKILL)
	ill.Kill("USR1")
	s.told(robots, exits.Name, "CONTAINER_DOWN", "严重", "意外退出，退出码 7", "exitCode：7", "运行了：3秒", "最近日志", "cannot open the order book")
	s.told(robots, killed.Name, "CONTAINER_DOWN", "意外退出，退出码 137（SIGKILL）", "signal：SIGKILL", "as usual")
	s.told(robots, hungry.Name, "CONTAINER_OOM", "因内存不足被系统终止（OOM）", "oomKilled：true", "退出码 137（SIGKILL）")
	s.told(robots, ill.Name, "CONTAINER_UNHEALTHY", "健康检查失败", "检查输出：not well")
	s.told(robots, loops.Name, "CONTAINER_DOWN CONTAINER_RESTARTING", "反复重启", "短时间内意外退出 3 次", "退出码 3", "重启策略：on-failure", "no configuration")
	assert.Equal(t, "restarting", s.watchOf("container", loops.Name)["state"])
	assert.Equal(t, "down", s.watchOf("container", exits.Name)["state"])
	assert.Equal(t, "unhealthy", s.watchOf("container", ill.Name)["state"])

	exits.Start() // for 3 s, which is no recovery; and that it ended again is no other alert
	killed.Start()
	ill.Kill("USR1")
	well := s.told(robots, ill.Name, "CONTAINER_UNHEALTHY-", "已恢复", "健康检查已通过")
	back := s.told(robots, killed.Name, "CONTAINER_DOWN-", "已恢复", "已恢复运行", "历时")
	assert.Len(t, well, 2)
	assert.Len(t, back, 2)
	assert.Equal(t, "up", s.watchOf("container", killed.Name)["state"])
	assert.Equal(t, "CONTAINER_DOWN", s.typesOf(exits.Name))
	assert.EqualValues(t, 2, s.alarms(exits.Name)[0]["occurrences"])
	assert.Equal(t, "CONTAINER_OOM", s.typesOf(hungry.Name), "it does not run")
	assert.Len(t, saidOf(robots, "ops", hungry.Name), 1)
}

// A container that a person stops is told after two minutes, and never started
// by us, also where the policy starts what crashed.
func TestWatchNeverStartsWhatAPersonStopped(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	robots := wecomtest.Start(t)
	stopped := engine.Run(t, dockertest.Spec{Name: "stopped"})
	killed := engine.Run(t, dockertest.Spec{Name: "killed"})
	crashed := engine.Run(t, dockertest.Spec{Name: "crashed"})
	policy, _ := policyAt(t, "types: {CONTAINER_DOWN: {action: start, verify: {stable: 2s}}}")
	s := launchOn(t, engine.Host, robots, "POLICY_FILE="+policy, "REMEDIATION_CONTAINERS="+strings.Join([]string{stopped.Name, killed.Name, crashed.Name}, ","))
	s.isUp(stopped, killed, crashed)

	byPerson := []*dockertest.Container{stopped, killed}
	began := time.Now()
	stopped.Stop()
	killed.Kill("KILL")
	crashed.Crash(syscall.SIGKILL)
	crashed.Until(10*time.Second, "started by the policy", func(now dockertest.State) bool { return now.Running })
	for _, c := range byPerson {
		await(t, 10*time.Second, "seen to be stopped", func() bool { return s.stateOf("container", c.Name)("stopped")() })
	}
	remains := func(d time.Duration, types string) {
		t.Helper()
		time.Sleep(d)
		for _, c := range byPerson {
			require.Equal(t, types, s.typesOf(c.Name))
			require.False(t, c.State().Running, "we have started it")
		}
	}
	remains(5*time.Second, "")
	if proofLong() {
		var took []time.Duration
		for _, c := range byPerson {
			await(t, 3*time.Minute, "told", func() bool { return s.typesOf(c.Name) != "" })
			s.told(robots, c.Name, "CONTAINER_STOPPED", "被人为停止", "不会自动启动它")
			took = append(took, at(t, s.alarms(c.Name)[0], "createdAt").Sub(began))
		}
		t.Logf("figures: stop by a person → alert: %s", spread(took))
		require.GreaterOrEqual(t, quantile(took, 0), 2*time.Minute)
		require.LessOrEqual(t, quantile(took, 1), 2*time.Minute+5*time.Second)
		remains(30*time.Second, "CONTAINER_STOPPED")
		stopped.Start()
		s.told(robots, stopped.Name, "CONTAINER_STOPPED-", "已恢复")
	}
	s.told(robots, crashed.Name, "CONTAINER_DOWN-", "已恢复")
}

// What we do to a container ourselves is no failure of it: neither a restart
// that an event asks for, nor one by a person, also of a program that has to be
// killed for it; and what crashed can be started from the alert.
func TestWatchIsNotAlarmedByOurOwnRestarts(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	robots := wecomtest.Start(t)
	tame := engine.Run(t, dockertest.Spec{Name: "tame"})
	stubborn := engine.Run(t, dockertest.Spec{Name: "stubborn", Args: []string{"-ignore-term"}, StopTimeout: time.Second})
	crashed := engine.Run(t, dockertest.Spec{Name: "crashed"})
	policy, _ := policyAt(t, "defaults: {verify: {stable: 2s}}")
	s := launchOn(t, engine.Host, robots, "POLICY_FILE="+policy, "REMEDIATION_CONTAINERS="+strings.Join([]string{tame.Name, stubborn.Name, crashed.Name}, ","))
	s.isUp(tame, stubborn, crashed)
	crashed.Crash(syscall.SIGKILL)
	s.told(robots, crashed.Name, "CONTAINER_DOWN", "意外退出")

	restarted := func(c *dockertest.Container, order func()) {
		t.Helper()
		before := c.State().StartedAt
		order()
		c.Until(15*time.Second, "restarted", func(now dockertest.State) bool { return now.Running && now.StartedAt.After(before) })
	}
	handle := func(c *dockertest.Container) {
		t.Helper()
		path := "/api/alerts/" + idOf(s.alarms(c.Name)[0]) + "/handle"
		var last reply
		await(t, 15*time.Second, "the one before has ended", func() bool {
			last = s.post(path, "{}")
			return last.status == 200
		})
	}
	restarted(tame, func() { s.notify(ticker(tame.Name)) })
	restarted(stubborn, func() { s.notify(ticker(stubborn.Name)) })
	restarted(tame, func() { handle(tame) })
	restarted(stubborn, func() { handle(stubborn) })
	restarted(crashed, func() { handle(crashed) })

	s.told(robots, crashed.Name, "CONTAINER_DOWN-", "已恢复")
	time.Sleep(3 * time.Second) // a stop in earnest would be noticed by then
	for _, c := range []*dockertest.Container{tame, stubborn} {
		assert.Equal(t, "TICKER_SYNC_TIMEOUT-", s.typesOf(c.Name))
		assert.Equal(t, "up", s.watchOf("container", c.Name)["state"])
		for _, message := range saidOf(robots, "ops", c.Name) {
			assert.NotContains(t, message, "CONTAINER_")
		}
	}
}
