package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"trade-monitor/local/demo/script"
)

// clear removes everything, also when ctx has ended.
func (s *stage) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limitClear)
	defer cancel()
	removed, err := s.engine.RemoveLabelled(ctx, s.labels)
	if err != nil {
		return errors.Join(err, fmt.Errorf("清理未完成，请运行 (not everything was removed; run): go run ./local/demo --remove --name %s", s.name))
	}
	s.out.say("已清理：移除了 %d 项容器、网络和镜像", "cleaned up: %d containers, networks and images removed", removed)
	return nil
}

// farewell says what is left and how to get rid of it.
func (s *stage) farewell(o options) {
	remove := "go run ./local/demo --remove"
	if o.name != DefaultName {
		remove += " --name " + o.name
	}
	s.out.say("按 --keep 保留全部容器", "everything is left running, as --keep says")
	// Docker gives it another port at each restart.
	post := fmt.Sprintf("curl -X POST http://$(docker port %s %d)", s.of(asyncService), script.ControlPort)
	s.out.quote(strings.Join([]string{
		"微信群页面 (group page): " + s.page + "/",
		"告警与监控 (alerts and watches): " + s.api + "/api/alerts  " + s.api + "/api/watches",
		"再次停滞 (stall again): " + post + script.StallPath,
		"　冷却的 5 分钟内只告警、不重启 (within the cooldown of 5 minutes it alarms and does not restart)",
		"再次崩溃 (crash again): " + post + script.CrashPath,
		"停发、重发心跳 (stop and start the heartbeat): " + post + script.MutePath + ", " + post + script.VoicePath,
		"移除 (remove): " + remove,
	}, "\n"))
}

// lastLines is how much of a log is shown after a failure.
const lastLines = 25

// confess shows what the parts said, before they are removed.
func (s *stage) confess(ctx context.Context) {
	for _, part := range []string{tradeMonitor, dockerView, robot, asyncService} {
		log, err := s.engine.Logs(ctx, s.of(part))
		if err != nil {
			continue // it was not started
		}
		lines := strings.Split(strings.TrimSpace(log), "\n")
		s.out.say("%s 的最后输出", "the last that %s said", s.of(part))
		s.out.quote(strings.Join(lines[max(0, len(lines)-lastLines):], "\n"))
	}
}
