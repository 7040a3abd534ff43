package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/local/demo/engine"
	"trade-monitor/local/demo/script"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// ended is a story in which everything went as it should.
func ended() *story {
	var begins []time.Time
	for i := range 3 {
		begins = append(begins, time.Date(2026, 2, 25, 2, 0, 20*i, 123456789, time.UTC))
	}
	t := newStory(newTeller(&bytes.Buffer{}, func() {}), "demo")
	t.begins, t.back = begins, true
	t.now = scene{
		service: engine.State{Running: true, StartedAt: begins[2]},
		log:     script.Started + "\n" + script.Started + "\n" + script.Started + "\n",
		messages: []message{
			{Content: "错误：Ticker同步超时告警\n类型：TICKER_SYNC_TIMEOUT"}, {Content: "### <font color=\"info\">已恢复：Ticker同步超时告警</font>\n类型：TICKER_SYNC_TIMEOUT"},
			{Content: "严重：容器 demo 意外退出，退出码 3\n类型：CONTAINER_DOWN"}, {Content: "已恢复：容器 demo 意外退出，退出码 3\n类型：CONTAINER_DOWN"},
			{Content: "错误：心跳超时\n类型：HEARTBEAT_DOWN"}, {Content: "已恢复：心跳超时\n类型：HEARTBEAT_DOWN"},
			{Content: "已恢复（容器已稳定运行 30秒）\n类型：CONTAINER_DOWN"},
		},
		alerts: []httpapi.Story{
			over(alerting.TickerSyncTimeout, remedied(begins[0], begins[1])), over(alerting.ContainerDown, remedied(begins[1], begins[2])), over(alerting.HeartbeatDown),
		},
	}
	t.now.alerts[0].Trail = []httpapi.Decision{{What: "event", Text: "收到事件；由日志监控发现"}, {What: "event", Text: "收到事件"}}
	for _, kind := range []alerting.WatchKind{alerting.LogWatch, alerting.ContainerWatch, alerting.HeartbeatWatch} {
		t.now.watches = append(t.now.watches, httpapi.Watch{Kind: kind, State: alerting.WatchUp})
	}
	return t
}

func over(alertType string, done ...httpapi.Remediation) httpapi.Story {
	return httpapi.Story{
		Alert:         httpapi.Alert{AlertType: alertType, Status: "RESOLVED"},
		Notifications: []httpapi.Notification{{Status: "SENT"}}, Remediations: done,
	}
}

func remedied(before, after time.Time) httpapi.Remediation {
	stamp := func(at time.Time) httpapi.Stamp { return httpapi.Stamp{Time: at.Truncate(time.Millisecond)} }
	return httpapi.Remediation{Status: "SUCCEEDED", OrderedAt: stamp(before.Add(time.Second)), StartedBefore: stamp(before), StartedAfter: stamp(after)}
}

func TestTheVerdictFindsWhatIsNotAsItShouldBe(t *testing.T) {
	for name, spoil := range map[string]func(*story){
		"started once more":            func(s *story) { s.begins = append(s.begins, time.Now()) },
		"not started":                  func(s *story) { s.begins = s.begins[:2] },
		"restarted between two looks":  func(s *story) { s.now.log += script.Started },
		"an eighth message":            func(s *story) { s.now.messages = append(s.now.messages, message{}) },
		"a refused message":            func(s *story) { s.now.refused++ },
		"a message is missing":         func(s *story) { s.now.messages = s.now.messages[:6] },
		"no word of the recovery":      func(s *story) { s.now.messages[1].Content = "未恢复，请处理 TICKER_SYNC_TIMEOUT" },
		"in another order":             func(s *story) { m := s.now.messages; m[3], m[4] = m[4], m[3] },
		"no exit code":                 func(s *story) { s.now.messages[2].Content = "严重\nCONTAINER_DOWN" },
		"a fourth alert":               func(s *story) { s.now.alerts = append(s.now.alerts, over("OTHER")) },
		"no alert":                     func(s *story) { s.now.alerts = nil },
		"of another type":              func(s *story) { s.now.alerts[2].AlertType = "OTHER" },
		"not resolved":                 func(s *story) { s.now.alerts[1].Status = "OPEN" },
		"something is owed":            func(s *story) { s.now.alerts[1].Notifications[0].Status = "PENDING" },
		"the log watch saw nothing":    func(s *story) { s.now.alerts[0].Trail = s.now.alerts[0].Trail[1:] },
		"the watchdog saw nothing":     func(s *story) { s.now.alerts[0].Trail = s.now.alerts[0].Trail[:1] },
		"two restarts":                 func(s *story) { r := &s.now.alerts[0].Remediations; *r = append(*r, (*r)[0]) },
		"another restart on record":    func(s *story) { s.now.alerts[0].Remediations[0].StartedAfter = httpapi.Stamp{} },
		"the start is not proven":      func(s *story) { s.now.alerts[1].Remediations[0].Status = "FAILED" },
		"a watch sees something wrong": func(s *story) { s.now.watches[0].State = alerting.WatchDown },
		"a watch is missing":           func(s *story) { s.now.watches = s.now.watches[:2] },
		"a false alarm":                func(s *story) { s.now.watches[0].FalseAlarms++ },
		"the container is down":        func(s *story) { s.now.service.Running = false },
		"the ticker stands still":      func(s *story) { s.back = false },
	} {
		s := ended()
		spoil(s)
		assert.Error(t, s.verdict(), name)
	}
	assert.NoError(t, ended().verdict())
}

func TestTheGistOfAMessage(t *testing.T) {
	alarm := message{Content: "### <font color=\"warning\">严重：退出</font>\n类型：X\n· exitCode：3\n\n> 1\n> 2\n> 3\n> 4\n> 5\n> 6\n> 7\n> 8\n> 9\n\n告警编号：1"}
	assert.Equal(t, "严重：退出\n> 1\n> 2\n> 3\n> 4\n> 5\n> …\n> 7\n> 8\n> 9", alarm.gist())
	end := message{Content: "### <font color=\"info\">已恢复：退出</font>\n类型：X\n恢复：2026-01-01（历时 5秒）\n\n> 1"}
	assert.Equal(t, "已恢复：退出\n恢复：2026-01-01（历时 5秒）", end.gist())
}
