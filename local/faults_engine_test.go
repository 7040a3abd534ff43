package main

import (
	"context"
	"net/http"
	"time"

	"trade-monitor/shared/docker/dockertest"
)

// impatient is shortTimes with an engine that is waited for no longer than 4 s.
const impatient = `
defaults: {cooldown: 4s, budget: {max: 3, per: 1h}, verify: {stable: 2s, healthy: 10s}, symptom: 15s, engineWait: 4s}
types:
  TICKER_SYNC_TIMEOUT: {symptom: 15s}
`

// patient has the usual cooldown: what is seen is one attempt.
const patient = `
defaults: {cooldown: 5m, verify: {stable: 2s, healthy: 10s}}
`

// stubborn takes some seconds to be stopped, so that a fault can come meanwhile.
func stubborn(stop time.Duration) dockertest.Spec {
	return dockertest.Spec{StopTimeout: stop, Args: []string{"-ignore-term"}}
}

// restartsMeanwhile is dockerd being restarted a second after we ordered.
func restartsMeanwhile(w *faultWorld) {
	w.report(targetName)
	w.ordered(1)
	time.Sleep(time.Second)
	w.restartEngine()
}

// engineFaults befall the engine, or the way to it.
var engineFaults = []fault{
	{
		zh: "重启期间 dockerd 被重启，容器不自动启动", en: "dockerd restarted during the restart, and it does not start the container",
		set: setting{policy: patient, spec: stubborn(5 * time.Second)},
		act: restartsMeanwhile, limit: 60 * time.Second,
		want: want{restarts: times{0, 1}, alerts: "TICKER_SYNC_TIMEOUT", remedies: "UNKNOWN engine_restarted|UNKNOWN person_took_over|FAILED not_stable|FAILED engine_error", says: []string{"Ticker同步超时告警", "请处理"}},
	},
	{
		zh: "重启期间 dockerd 被重启，并自动启动容器", en: "dockerd restarted during the restart, and it starts the container",
		set: setting{policy: patient, spec: dockertest.Spec{StopTimeout: 5 * time.Second, RestartPolicy: "always", Args: []string{"-ignore-term"}}},
		act: restartsMeanwhile, limit: 60 * time.Second,
		// A dying engine answers what it likes; where it says no, people are asked.
		want: want{restarts: times{0, 1}, alerts: "TICKER_SYNC_TIMEOUT-|TICKER_SYNC_TIMEOUT", remedies: "SUCCEEDED stable|FAILED engine_error", says: []string{"Ticker同步超时告警", "恢复"}},
	},
	{
		zh: "事件到达时引擎套接字挂起 4 秒", en: "the engine's socket hangs for 4 s when the event comes",
		act: func(w *faultWorld) {
			w.proxy.Hang(true)
			w.report(targetName)
			time.Sleep(4 * time.Second)
			w.proxy.Hang(false)
		},
		want: want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED stable", says: []string{"Ticker同步超时告警", "已恢复"}},
	},
	{
		zh: "引擎套接字一直挂起", en: "the engine's socket hangs for longer than we wait",
		set: setting{policy: impatient},
		act: func(w *faultWorld) {
			w.proxy.Hang(true)
			w.report(targetName)
			w.reaches("SKIPPED")
			w.proxy.Hang(false) // what it took arrives now
		},
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "SKIPPED no_engine", says: []string{"Ticker同步超时告警", "无法连接 Docker"}},
	},
	{
		zh: "引擎执行了命令，但从不回答", en: "the engine carries the order out and never answers",
		set: setting{spec: dockertest.Spec{StopTimeout: time.Second}},
		act: func(w *faultWorld) {
			w.recorder.hook(nil, func(ctx context.Context, _ order) { <-ctx.Done() })
			w.report(targetName)
		},
		limit: 60 * time.Second, // the call's limit is the stop time-out and 30 s
		want:  want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED stable", says: []string{"Ticker同步超时告警", "已恢复"}},
	},
	{
		zh: "命令在途中丢失，没有回答", en: "the order is lost on its way, and nobody answers",
		set: setting{spec: dockertest.Spec{StopTimeout: time.Second}},
		act: func(w *faultWorld) {
			w.recorder.hook(func(ctx context.Context, _ order) int { <-ctx.Done(); return 0 }, nil)
			w.report(targetName)
		},
		limit: 75 * time.Second,
		want:  want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "UNKNOWN call_timeout", says: []string{"Ticker同步超时告警", "请处理"}},
	},
	{
		zh: "命令下达时连接被切断", en: "the connection is cut while the order is carried out",
		set: setting{spec: stubborn(3 * time.Second)},
		act: func(w *faultWorld) {
			w.report(targetName)
			w.ordered(1)
			time.Sleep(500 * time.Millisecond)
			w.proxy.CutAll()
		},
		want: want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED stable", says: []string{"Ticker同步超时告警", "已恢复"}},
	},
	{
		zh: "引擎不接受连接，4 秒后恢复", en: "the engine takes no connection for 4 s",
		act: func(w *faultWorld) {
			w.proxy.Refuse(true)
			w.proxy.CutAll()
			w.report(targetName)
			time.Sleep(4 * time.Second)
			w.proxy.Refuse(false)
		},
		want: want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED stable", says: []string{"Ticker同步超时告警", "已恢复"}},
	},
	{
		zh: "引擎一直不接受连接", en: "the engine takes no connection for longer than we wait",
		set: setting{policy: impatient},
		act: func(w *faultWorld) {
			w.proxy.Refuse(true)
			w.proxy.CutAll()
			w.report(targetName)
			w.reaches("SKIPPED")
			w.proxy.Refuse(false)
		},
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "SKIPPED no_engine", says: []string{"Ticker同步超时告警", "无法连接 Docker"}},
	},
	{
		zh: "引擎（或套接字代理）拒绝命令", en: "the engine, or a socket proxy, says no to the order", quick: true,
		set: setting{policy: patient},
		act: func(w *faultWorld) {
			w.recorder.hook(func(context.Context, order) int { return http.StatusForbidden }, nil)
			w.report(targetName)
		},
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "FAILED engine_error", says: []string{"Ticker同步超时告警", "未恢复，请处理"}},
	},
	{
		zh: "命令下达时数据库停止 5 秒", en: "the database is away for 5 s while the order is carried out",
		set: setting{ownDB: true, spec: stubborn(3 * time.Second)},
		act: func(w *faultWorld) {
			w.report(targetName)
			w.ordered(1)
			w.database.Stop()
			time.Sleep(5 * time.Second)
			w.database.Start(w.t)
			await(w.t, 30*time.Second, "ready", func() bool { return w.get("/readyz").status == http.StatusOK })
		},
		limit: 60 * time.Second,
		want:  restartedOnce,
	},
	{
		zh: "重启期间引擎时钟拨快 10 分钟", en: "the engine's clock is set 10 min ahead during the restart",
		set:  setting{clock: true, spec: stubborn(3 * time.Second)},
		act:  func(w *faultWorld) { w.clockSet(10 * time.Minute) },
		want: want{restarts: once, proof: 1900 * time.Millisecond, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED stable", says: []string{"Ticker同步超时告警", "已恢复"}},
	},
	{
		zh: "重启期间引擎时钟拨慢 10 分钟", en: "the engine's clock is set 10 min back during the restart",
		set:  setting{clock: true, spec: stubborn(3 * time.Second)},
		act:  func(w *faultWorld) { w.clockSet(-10 * time.Minute) },
		want: want{restarts: once, proof: 1900 * time.Millisecond, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED stable", says: []string{"Ticker同步超时告警", "已恢复"}},
	},
	{
		zh: "重启期间引擎时钟拨慢 10 分钟，同时自身被 kill -9", en: "the engine's clock is set 10 min back during the restart, and we are killed",
		set: setting{clock: true, spec: stubborn(3 * time.Second)},
		act: func(w *faultWorld) {
			w.clockSet(-10 * time.Minute)
			w.kill()
			w.revive()
		},
		want: want{restarts: once, killed: true, proof: 1900 * time.Millisecond, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED stable", says: []string{"Ticker同步超时告警", "已恢复"}},
	},
}

// clockSet reports a fault, and sets the engine's clock while it carries the
// order out.
func (w *faultWorld) clockSet(by time.Duration) {
	w.t.Helper()
	w.report(targetName)
	w.ordered(1)
	time.Sleep(time.Second)
	w.recorder.clock.set(by)
}
