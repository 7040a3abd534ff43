package alerting

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
