package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/local/demo/engine"
	"trade-monitor/local/demo/script"
	"trade-monitor/shared/httpapi"
)

// ended is a story in which everything went as it should.
func ended() *story {
	first := time.Date(2026, 2, 25, 2, 0, 0, 123456789, time.UTC)
	second := first.Add(20 * time.Second)
	stamp := func(at time.Time) httpapi.Stamp { return httpapi.Stamp{Time: at.Truncate(time.Millisecond)} }
	action := "重启容器 demo：已恢复"
	return &story{
		out: newTeller(&bytes.Buffer{}, func() {}), begins: []time.Time{first, second}, stalled: first.Add(5 * time.Second), back: true,
		now: scene{
			service:  engine.State{Running: true, StartedAt: second},
			log:      script.Started + "\n" + script.Started + "\n",
			messages: []message{{Content: "错误：Ticker同步超时告警"}, {Content: "已恢复"}},
			attempts: 2, alerts: 1,
			alert: &httpapi.Story{
				Alert:        httpapi.Alert{ID: 1, Status: "RESOLVED", ActionTaken: &action, WechatSent: true},
				Remediations: []httpapi.Remediation{{Status: "SUCCEEDED", OrderedAt: stamp(first), StartedBefore: stamp(first), StartedAfter: stamp(second), EndedAt: stamp(second.Add(30 * time.Second))}},
			},
		},
	}
}

func TestTheVerdictFindsWhatIsNotAsItShouldBe(t *testing.T) {
	for name, spoil := range map[string]func(*story){
		"restarted twice":              func(s *story) { s.begins = append(s.begins, time.Now()) },
		"not restarted":                func(s *story) { s.begins = s.begins[:1] },
		"restarted between two looks":  func(s *story) { s.now.log += script.Started },
		"a third message":              func(s *story) { s.now.messages = append(s.now.messages, message{}); s.now.attempts++ },
		"a refused message":            func(s *story) { s.now.attempts++ },
		"one message":                  func(s *story) { s.now.messages = s.now.messages[:1] },
		"no word of the recovery":      func(s *story) { s.now.messages[1].Content = "未恢复，请处理" },
		"a second alert":               func(s *story) { s.now.alerts = 2 },
		"no alert":                     func(s *story) { s.now.alert, s.now.alerts = nil, 0 },
		"not resolved":                 func(s *story) { s.now.alert.Status = "OPEN" },
		"the action is not on record":  func(s *story) { s.now.alert.ActionTaken = nil },
		"the message is not on record": func(s *story) { s.now.alert.WechatSent = false },
		"another restart on record":    func(s *story) { s.now.alert.Remediations[0].StartedAfter = httpapi.Stamp{} },
		"the container is down":        func(s *story) { s.now.service.Running = false },
		"the ticker stands still":      func(s *story) { s.back = false },
	} {
		s := ended()
		spoil(s)
		assert.Error(t, s.verdict(), name)
	}
	assert.NoError(t, ended().verdict())
}
