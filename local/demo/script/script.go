// Package script is what the programs of the demonstration have agreed upon:
// where each one listens, and the lines by which the story is told.
package script

// The ports inside the containers.
const (
	TradeMonitorPort = 5005
	RobotPort        = 8080
	ControlPort      = 8081
)

// StallPath is where a POST to the async-service ends its ticker's work until it is
// restarted.
const StallPath = "/stall"

// Group is the group that the robot is in.
const Group = "演示告警群"

// What the async-service prints.
const (
	Started = "async-service 已启动 (started)"
	Armed   = "ticker 监控已启动 (watchdog armed)"
	Synced  = "Ticker数据同步完成 (ticker sync ok)"
	Stalled = "ticker 停滞 (stalled)"
	Posted  = "告警已提交 (alarm posted)"
)
