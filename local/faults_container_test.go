package main

import (
	"syscall"
	"time"

	"trade-monitor/shared/docker/dockertest"
)

// containerFaults befall the container itself.
var containerFaults = []fault{
	{
		zh: "崩溃", en: "crash", quick: true,
		act: func(w *faultWorld) {
			w.watched()
			w.happens()
			w.target.Crash(syscall.SIGKILL)
		},
		want: want{restarts: once, alerts: "CONTAINER_DOWN-", remedies: "SUCCEEDED stable", says: []string{"意外退出", "已恢复"}},
	},
	{
		zh: "反复崩溃，每次启动后 1 秒退出", en: "crash loop: it ends a second after each start",
		set: setting{spec: dockertest.Spec{Created: true, Args: []string{"-exit-after", "1s", "-exit-code", "3"}}},
		act: func(w *faultWorld) {
			w.firstStart()
			w.firstEnd()
		},
		want: want{
			restarts: thrice, unordered: true, alerts: "CONTAINER_DOWN, CONTAINER_RESTARTING", remedies: "FAILED not_stable ×3, SKIPPED budget",
			says: []string{"反复重启", "意外退出", "熔断", "未恢复，请处理", "未恢复，请处理", "未恢复，请处理"},
		},
	},
	{
		zh: "反复崩溃，引擎按重启策略启动", en: "crash loop, and the engine's restart policy starts it",
		set: setting{spec: dockertest.Spec{Created: true, RestartPolicy: "on-failure", Args: []string{"-exit-after", "300ms", "-exit-code", "3"}}},
		act: func(w *faultWorld) {
			w.firstStart()
			w.firstEnd()
		},
		calm: 15 * time.Second,
		want: want{
			restarts: never, alerts: "CONTAINER_DOWN, CONTAINER_RESTARTING", remedies: "FAILED not_stable ×3, SKIPPED budget",
			says: []string{"意外退出", "未恢复，请处理", "反复重启", "未恢复，请处理", "未恢复，请处理", "熔断"},
		},
	},
	{
		zh: "内存不足（OOM）", en: "OOM",
		set: setting{spec: dockertest.Spec{Created: true, Memory: 16 << 20, Args: []string{"-eat-after", "2s", "-once"}}},
		act: func(w *faultWorld) {
			w.firstStart()
			w.firstEnd()
		},
		want: want{restarts: once, alerts: "CONTAINER_OOM-", remedies: "SUCCEEDED stable", says: []string{"因内存不足被系统终止", "已恢复"}},
	},
	{
		zh: "卡死，不理会 SIGTERM，停止超时 6 秒", en: "hang, deaf to SIGTERM, stop time-out 6 s", quick: true,
		set:  setting{spec: dockertest.Spec{StopTimeout: 6 * time.Second, Args: []string{"-ignore-term"}}},
		act:  func(w *faultWorld) { w.report(targetName) },
		want: want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED stable", says: []string{"Ticker同步超时告警", "已恢复"}},
	},
	{
		zh: "健康检查失败", en: "unhealthy",
		set: setting{spec: dockertest.Spec{Health: quickHealth}},
		act: func(w *faultWorld) {
			w.watched()
			w.healthy()
			w.happens()
			w.target.Kill("USR1")
		},
		want: want{restarts: once, proof: 6 * time.Second, alerts: "CONTAINER_UNHEALTHY-", remedies: "SUCCEEDED healthy", says: []string{"健康检查失败", "已恢复"}},
	},
	{
		zh: "每次重启 4 秒后健康检查又失败", en: "unhealthy again 4 s after each restart",
		set: setting{spec: dockertest.Spec{Health: quickHealth, Args: []string{"-unhealthy-after", "4s"}}},
		act: func(w *faultWorld) {
			w.watched()
			await(w.t, 20*time.Second, "it falls ill", func() bool { return len(w.events.of(w.target.ID, "health_status: unhealthy")) > 0 })
			w.began = w.events.of(w.target.ID, "health_status: unhealthy")[0].At
		},
		limit: 90 * time.Second,
		want: want{
			restarts: thrice, alerts: "CONTAINER_UNHEALTHY", remedies: "FAILED unhealthy ×3, SKIPPED budget",
			says: []string{"健康检查失败", "未恢复，请处理", "未恢复，请处理", "未恢复，请处理", "熔断"},
		},
	},
	{
		zh: "启动慢：6 秒后才健康", en: "slow start: healthy only after 6 s",
		set: setting{spec: dockertest.Spec{Health: &dockertest.Health{Interval: 500 * time.Millisecond, Retries: 100}, Args: []string{"-well-after", "6s"}}},
		act: func(w *faultWorld) {
			w.healthy()
			w.report(targetName)
		},
		want: want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED healthy", says: []string{"Ticker同步超时告警", "已恢复"}},
	},
}

// quickHealth is a health check that notices within half a second.
var quickHealth = &dockertest.Health{Interval: 500 * time.Millisecond, Retries: 1}

// healthy waits until the target's own health check passes.
func (w *faultWorld) healthy() {
	w.t.Helper()
	w.target.Until(30*time.Second, "healthy", func(now dockertest.State) bool { return now.Health == "healthy" })
}

// firstStart starts a target that was only created, once the program knows it.
func (w *faultWorld) firstStart() {
	w.t.Helper()
	await(w.t, 20*time.Second, "it is known", w.stateOf("container", targetName)("new"))
	w.person(w.target)
	w.target.Start()
}

// firstEnd waits for the target's end by itself, which is the fault.
func (w *faultWorld) firstEnd() {
	w.t.Helper()
	await(w.t, 20*time.Second, "it ends", func() bool { return len(w.events.of(w.target.ID, "die")) > 0 })
	w.began = w.events.of(w.target.ID, "die")[0].At
}
