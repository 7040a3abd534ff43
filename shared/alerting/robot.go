package alerting

import "time"

// RobotBroken is the type of the alarm that the robot of a group is gone: the
// other groups are told.
const RobotBroken = "ROBOT_BROKEN"

// RobotEvent is the alarm that a group's robot is gone, or, by a verdict that is
// none of a robot that is gone, that it works again.
func RobotEvent(group string, v Verdict, lang Language) Event {
	ev := Event{Type: RobotBroken, Service: clip(group, MaxService), Severity: Critical, Resolved: v.Class != ClassRobotGone}
	if ev.Resolved {
		ev.Title = lang.Pick("群机器人已恢复", "the group's robot works again")
		ev.Message = lang.Pick("此前未送达的通知正在补发。", "What waited for it is being sent.")
		return ev
	}
	ev.Title = lang.Pick("群机器人已失效，该群收不到告警", "the group's robot is gone: the group gets no alerts")
	ev.Message = lang.Pick("企业微信的应答：", "WeCom said: ") + v.Summary() +
		lang.Pick("\n通知保留，修好后补发。请更新该群的 webhook_url，或运行 trade-monitor wechat-test 查看。", "\nIts words are kept and sent when it works. Put the group's webhook_url right; trade-monitor wechat-test says more.")
	return ev
}

// aboutRobotOf tells whether the alert says that the robot of the group is gone,
// which that group is not told.
func (a *Alert) aboutRobotOf(g Group) bool {
	return a.Type == RobotBroken && a.Service == clip(g.Name, MaxService)
}

// RobotState is how it stands with a robot.
type RobotState string

const (
	// RobotUnused: nothing was ever sent to it.
	RobotUnused RobotState = "UNUSED"
	// RobotOK: it took what it was sent last.
	RobotOK RobotState = "OK"
	// RobotRests: it refused or did not answer for a passing reason, and is tried
	// again at a time.
	RobotRests RobotState = "RESTING"
	// RobotGone: WeCom says that it is gone, disabled or not in its group.
	RobotGone RobotState = "BROKEN"
)

// Robots are all that were ever sent anything, as of a time.
type Robots struct {
	All []Robot
	Now time.Time
}

// Of tells how it stands with the robot of a webhook, and why.
func (r Robots) Of(webhook Secret) (RobotState, Reason) {
	id := RobotID(webhook)
	for _, robot := range r.All {
		if robot.ID == id {
			return robot.state(r.Now)
		}
	}
	return RobotUnused, Reason{}
}

func (r Robot) state(now time.Time) (RobotState, Reason) {
	why := r.PauseReason
	if r.PausedUntil.After(now) {
		why.Until = r.PausedUntil
	}
	switch {
	case r.Broken:
		return RobotGone, why
	case r.PausedUntil.After(now):
		return RobotRests, why
	}
	return RobotOK, Reason{}
}
