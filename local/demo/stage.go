package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"trade-monitor/local/demo/engine"
	"trade-monitor/local/demo/script"
	"trade-monitor/shared/wecom/wecomtest"
)

// The demonstration's thresholds; the guide's are 3 minutes and 60 seconds.
const (
	tickerTimeout = 3 * time.Second
	// checkInterval is longer than a restart takes: in the story each watch has
	// one word to say about the stall.
	checkInterval = 10 * time.Second
	// dogTimeout is that of the watchdog inside the service. With the log watch
	// a second quicker, people read the message with the last lines of the log in
	// it, and what the watchdog posts, while the service is being stopped, is
	// seen to fold into the same alert.
	dogTimeout = tickerTimeout + time.Second
	// The heartbeat is pinged every second; what it is given must bridge the
	// seconds in which the service is restarted or lies down.
	heartbeatPeriod = 4 * time.Second
	heartbeatGrace  = 4 * time.Second
)

// heartbeatName is what the first ping calls the heartbeat.
const heartbeatName = "async-service-alive"

// zone is what the clocks of the parts show.
const zone = "Asia/Shanghai"

// How long things may take.
const (
	limitReady = 30 * time.Second // until the containers answer
	limitClear = 45 * time.Second // until everything is removed
)

// The parts on the stage.
const (
	dockerView   = "docker-view"
	tradeMonitor = "trade-monitor"
	robot        = "robot"
	asyncService = "async-service"
)

// labelName and labelOwner mark what is ours. What carries another value
// belongs to somebody else, whatever its name is.
const (
	labelName  = "trade-monitor.demo"
	labelOwner = "trade-monitor.demo.owner"
)

// stage is everything that the demonstration makes in Docker.
type stage struct {
	engine *engine.Engine
	name   string
	labels map[string]string
	out    *teller
	client *http.Client
	ready  bool

	api, page string // how this process reaches the parts
}

func newStage(docker *engine.Engine, name string, out *teller) *stage {
	host, _ := os.Hostname() // without one, the user's number has to do
	return &stage{
		engine: docker, name: name, out: out,
		labels: map[string]string{labelName: name, labelOwner: fmt.Sprintf("%d@%s", os.Getuid(), host)},
		// No proxy: everything is on this machine.
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}},
	}
}

func (s *stage) of(part string) string { return s.name + "-" + part }

// set builds the images, starts the parts and waits until they answer.
func (s *stage) set(ctx context.Context, arch string) error {
	if err := s.build(ctx, arch); err != nil {
		return err
	}
	if err := s.engine.CreateNetwork(ctx, s.name, s.labels); err != nil {
		return err
	}
	// In this order: each needs the one before it.
	for _, c := range []engine.Container{s.view(), s.tradeMonitor(), s.robot()} {
		if err := s.start(ctx, c); err != nil {
			return err
		}
	}
	monitor, err := s.engine.Inspect(ctx, s.of(tradeMonitor))
	if err != nil {
		return err
	}
	s.api, s.page = "http://"+monitor.Ports[script.TradeMonitorPort], "http://"+monitor.Ports[script.RobotPort]
	for _, address := range []string{s.api + "/readyz", s.page + "/messages.json"} {
		if err := s.await(ctx, address); err != nil {
			return err
		}
	}
	s.out.say("Trade Monitor 已就绪", "Trade Monitor is ready")
	s.out.quote("接口 (API): " + s.api + "/api/alerts\n微信群页面，可在浏览器中打开 (the group, for your browser): " + s.page + "/")
	s.ready = true
	return nil
}

func (s *stage) start(ctx context.Context, c engine.Container) error {
	c.Labels = s.labels
	return s.engine.Run(ctx, c)
}

// view is what Trade Monitor sees of the engine: only what carries our labels.
func (s *stage) view() engine.Container {
	return engine.Container{
		Name: s.of(dockerView), Image: s.of(dockerView), Network: s.name, Alias: dockerView,
		Mounts: []string{s.engine.Socket + ":" + script.ViewSocket},
		Env:    []string{script.ViewLabel + "=" + labelName + "=" + s.name},
	}
}

// tradeMonitor is the service as anybody would run it, but for the view in place
// of the engine's socket. It publishes the robot's page as well, which shares its
// network.
func (s *stage) tradeMonitor() engine.Container {
	host := "127.0.0.1:" + strconv.Itoa(script.RobotPort)
	return engine.Container{
		Name: s.of(tradeMonitor), Image: s.of(tradeMonitor), Network: s.name, Alias: tradeMonitor,
		Publish: []int{script.TradeMonitorPort, script.RobotPort},
		Env: append(s.settings(tickerTimeout),
			"LISTEN_HOST=0.0.0.0", "PORT="+strconv.Itoa(script.TradeMonitorPort), "DATA_DIR=/data", "LOG_DIR=/logs",
			fmt.Sprintf("DOCKER_HOST=tcp://%s:%d", dockerView, script.ViewPort),
			"REMEDIATION_CONTAINERS="+s.of(asyncService),
			"WECHAT_ALLOWED_HOSTS="+host,
			"WECHAT_WEBHOOK_URL="+wecomtest.URL("http://"+host, wecomtest.New().Key(script.Group)),
		),
	}
}

// robot shares Trade Monitor's network, as two containers of a pod do: plain
// http is allowed to a loopback address only, and this one is one.
func (s *stage) robot() engine.Container {
	return engine.Container{Name: s.of(robot), Image: s.of(robot), Network: "container:" + s.of(tradeMonitor)}
}

func (s *stage) asyncService() engine.Container {
	monitor := fmt.Sprintf("http://%s:%d", tradeMonitor, script.TradeMonitorPort)
	heartbeat := url.Values{"period": {heartbeatPeriod.String()}, "grace": {heartbeatGrace.String()}, "service": {s.of(asyncService)}}
	return engine.Container{
		Name: s.of(asyncService), Image: s.of(asyncService), Network: s.name, Publish: []int{script.ControlPort},
		Env: append(s.settings(dogTimeout),
			"TRADE_MONITOR_URL="+monitor,
			script.HeartbeatURL+"="+monitor+"/api/heartbeats/"+heartbeatName+"?"+heartbeat.Encode(),
		),
	}
}

// settings are what both sides are told.
func (s *stage) settings(timeout time.Duration) []string {
	return []string{
		"TZ=" + zone,
		"ASYNC_MONITOR_CONTAINER=" + s.of(asyncService),
		"ASYNC_MONITOR_TICKER_TIMEOUT=" + timeout.String(),
		"ASYNC_MONITOR_CHECK_INTERVAL=" + checkInterval.String(),
	}
}

// await waits until an address answers 200.
func (s *stage) await(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limitReady, fmt.Errorf("%s 在 %s 内没有就绪 (is not ready)", address, limitReady))
	defer cancel()
	for {
		if err := s.get(ctx, address, nil); err == nil {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
