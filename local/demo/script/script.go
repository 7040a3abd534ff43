// Package script is what the programs of the demonstration have agreed upon:
// where each one listens, and the lines by which the story is told.
package script

// The ports inside the containers.
const (
	TradeMonitorPort = 5005
	RobotPort        = 8080
	ControlPort      = 8081
	ViewPort         = 2375
)

// What the view on the engine is told: the label, NAME=VALUE, that everything in
// it carries; and where the engine's socket is.
const (
	ViewLabel  = "VIEW_LABEL"
	ViewSocket = "/var/run/docker.sock"
)

// What the async-service does when it gets a POST.
const (
	StallPath = "/stall"           // its ticker stands still until it is restarted
	CrashPath = "/crash"           // it ends with CrashCode, without anybody's order
	MutePath  = "/heartbeat/stop"  // it works on and pings no more
	VoicePath = "/heartbeat/start" // it pings again
)

// CrashCode is the exit code of a crash.
const CrashCode = 3

// HeartbeatURL is the name in the environment that says where the async-service
// pings its heartbeat; without it there is none.
const HeartbeatURL = "HEARTBEAT_URL"

// Group is the group that the robot is in.
const Group = "演示告警群"

// What the async-service prints. Only Synced is a line that shows progress to
// Trade Monitor's default pattern.
const (
	Started = "async-service 已启动 (started)"
	Armed   = "看门狗已启动 (watchdog armed)"
	Synced  = "Ticker数据同步完成 (ticker sync ok)"
	Stalled = "ticker 停滞 (stalled)"
	Posted  = "看门狗已上报 (watchdog posted)"
	Ending  = "收到停止信号，处理完手头的工作后退出 (told to stop; finishing what is in hand)"
	Crashed = "致命错误：行情连接丢失，退出 (fatal: market feed lost, exiting)"
)
