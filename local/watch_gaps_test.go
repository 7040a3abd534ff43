package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// crew starts n containers whose label has them watched.
func crew(t *testing.T, engine *dockertest.Private, n int, spec dockertest.Spec) []*dockertest.Container {
	t.Helper()
	spec.Labels = watchLabel
	var all []*dockertest.Container
	for range n {
		all = append(all, engine.Run(t, spec))
	}
	return all
}

// toldOnce waits until each container's crash is on record, and then for what
// must not come: each is one alert, of one event.
func (s *runningService) toldOnce(containers []*dockertest.Container) {
	s.t.Helper()
	for _, c := range containers {
		await(s.t, 20*time.Second, "the crash of "+c.Name+" is told", func() bool { return s.typesOf(c.Name) != "" })
	}
	time.Sleep(2 * time.Second)
	for _, c := range containers {
		alerts := s.alarms(c.Name)
		require.Len(s.t, alerts, 1, c.Name)
		assert.Equal(s.t, "CONTAINER_DOWN", alerts[0]["alertType"])
		assert.EqualValues(s.t, 1, alerts[0]["occurrences"], "told twice: %s", c.Name)
		assert.Contains(s.t, alerts[0]["title"], "退出码 137")
	}
}

// Trade Monitor is killed while a container crashes, at whatever instant of the
// crash or its telling; or the container crashes while it is away: told once.
func TestWatchTellsACrashOnceWhenItIsKilledItself(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	robots := wecomtest.Start(t)
	s := launchOn(t, engine.Host, robots)
	all := crew(t, engine, either(6, 30), dockertest.Spec{Name: "crash"})
	s.isUp(all...)
	for i, c := range all {
		if i == 0 { // it is away before
			s.kill()
		}
		c.Crash(syscall.SIGKILL)
		if i > 0 {
			time.Sleep(time.Duration(i) * 600 * time.Millisecond / time.Duration(len(all))) // the telling takes some 200 ms
			s.kill()
		}
		c.Until(10*time.Second, "ended", func(now dockertest.State) bool { return !now.Running })
		s.start()
		await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == 200 })
	}
	s.toldOnce(all)
	doubled := 0
	for _, c := range all {
		// The long form has more to say than a robot takes in a minute.
		await(t, 3*time.Minute, c.Name+" is told", func() bool { return len(saidOf(robots, "ops", c.Name)) > 0 })
		doubled += len(saidOf(robots, "ops", c.Name)) - 1
	}
	assert.LessOrEqual(t, doubled, len(all), "a kill can double the one message in flight")
	t.Logf("figures: crashes while Trade Monitor is killed: n=%d missed=0 recorded-twice=0 messages-doubled=%d", len(all), doubled)
}

// dockerd is restarted under containers that it starts again: that is no
// failure of theirs, whether it takes them down with it or not.
func TestWatchIsNotAlarmedByARestartOfDocker(t *testing.T) {
	t.Parallel()
	robots := wecomtest.Start(t)
	type installation struct {
		engine     *dockertest.Private
		service    *runningService
		containers []*dockertest.Container
	}
	var all []installation
	for _, flags := range [][]string{nil, {"--live-restore"}} {
		in := installation{engine: dockertest.PrivateEngine(t, flags...)}
		in.containers = crew(t, in.engine, 3, dockertest.Spec{Name: "comes", RestartPolicy: "always", Args: []string{"-line", "Ticker synced"}})
		in.service = launchOn(t, in.engine.Host, robots, "ASYNC_MONITOR_CONTAINER="+in.containers[0].Name, "ASYNC_MONITOR_TICKER_TIMEOUT=10s", "ASYNC_MONITOR_CHECK_INTERVAL=1s")
		in.service.isUp(in.containers...)
		all = append(all, in)
	}
	rounds := either(1, 5)
	for range rounds {
		for _, in := range all {
			in.engine.Restart()
		}
		for _, in := range all {
			for _, c := range in.containers {
				c.Until(20*time.Second, "running", func(now dockertest.State) bool { return now.Running })
			}
		}
		time.Sleep(13 * time.Second) // what the engine gets to start them, and more
	}
	for _, in := range all {
		in.service.isUp(in.containers...)
		log := in.service.stateOf("log", in.containers[0].Name)
		await(t, 10*time.Second, "its log is heard", log("up"))
		assert.EqualValues(t, 0, in.service.get("/api/alerts").number("total"), "an alarm")
	}
	robots.ExpectNoMore(t, robots.Key("ops"), 0)
	t.Logf("figures: restarts of dockerd: n=%d containers=%d false-alarms=0", rounds*len(all), 3*len(all))
}

// The stream of events is cut again and again, also just before and after a
// container crashes: no crash is missed, and none told twice.
func TestWatchMissesNoCrashWhereTheStreamIsCut(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	robots := wecomtest.Start(t)
	proxy := dockertest.NewProxy(t, engine.Engine)
	s := launchOn(t, proxy.Host, robots)
	all := crew(t, engine, either(8, 40), dockertest.Spec{Name: "cut"})
	s.isUp(all...)
	proxy.CutEvery(500 * time.Millisecond)
	for i, c := range all {
		switch i % 4 {
		case 0:
			proxy.CutAll()
			c.Crash(syscall.SIGKILL)
		case 1:
			c.Crash(syscall.SIGKILL)
			time.Sleep(time.Duration(i) * 2 * time.Millisecond)
			proxy.CutAll()
		case 2: // while it is away
			proxy.Refuse(true)
			proxy.CutAll()
			c.Crash(syscall.SIGKILL)
			time.Sleep(time.Second)
			proxy.Refuse(false)
		default:
			c.Crash(syscall.SIGKILL)
		}
		time.Sleep(300 * time.Millisecond)
	}
	s.toldOnce(all)
	t.Logf("figures: crashes while the stream is cut: n=%d missed=0 told-twice=0", len(all))
}
