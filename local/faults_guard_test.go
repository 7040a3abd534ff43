package main

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
)

const lostHeartbeat = `
defaults: {cooldown: 4s, budget: {max: 3, per: 1h}, verify: {stable: 2s, healthy: 10s}, symptom: 15s}
types: {ORDER_LOOP_DOWN: {action: restart}}
heartbeats:
  order-loop: {period: 2s, grace: 1s, type: ORDER_LOOP_DOWN, service: async}
`

// guardFaults are those in which the question is whether to act, and how often.
var guardFaults = []fault{
	{
		zh: "ticker 静默（日志监控）", en: "silent ticker (log watch)",
		set: setting{spec: dockertest.Spec{Args: []string{"-tick", "300ms"}}, env: []string{"ASYNC_MONITOR_CONTAINER=" + targetName, "ASYNC_MONITOR_LOG_PATTERN=Ticker synced"}},
		act: func(w *faultWorld) {
			await(w.t, 20*time.Second, "armed", w.stateOf("log", targetName)("up"))
			w.happens()
			w.target.Kill("USR2")
		},
		want: want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED stable", says: []string{"Ticker同步超时告警", "已恢复"}},
	},
	{
		zh: "心跳丢失", en: "heartbeat lost",
		set: setting{policy: lostHeartbeat},
		act: func(w *faultWorld) {
			beat := func() { require.Equal(w.t, http.StatusOK, w.get("/api/heartbeats/order-loop").status) }
			beat()
			w.happens() // the last of it
			w.startedAgain(2)
			for range 8 { // the new run beats again
				beat()
				time.Sleep(500 * time.Millisecond)
			}
			w.beating("/api/heartbeats/order-loop")
		},
		want: want{restarts: once, alerts: "ORDER_LOOP_DOWN-", remedies: "SUCCEEDED stable", says: []string{"心跳", "已恢复"}},
	},
	{
		zh: "同一故障的 40 个事件同时到达", en: "40 events of one fault at once", quick: true,
		act: func(w *faultWorld) {
			w.happens()
			var posting sync.WaitGroup
			for n := range 40 {
				posting.Go(func() {
					ev := ticker(targetName)
					ev.Message = fmt.Sprintf("%s（%d）", ev.Message, n)
					if r, err := w.do(http.MethodPost, "/api/events/notify", "application/json", ev.json()); err != nil || r.status != http.StatusOK {
						w.t.Errorf("%v %s", err, r.text)
					}
				})
			}
			posting.Wait()
		},
		want: restartedOnce,
	},
	{
		zh: "时好时坏，直到熔断", en: "it flaps until the breaker trips",
		act: func(w *faultWorld) {
			for n := range 5 {
				w.report(targetName)
				await(w.t, 20*time.Second, "the end of it", func() bool {
					all := w.remediations()
					last := all[len(all)-1]["status"]
					return len(all) > n && (last == "SUCCEEDED" || last == "SKIPPED") || n == 4
				})
				time.Sleep(4 * time.Second) // the cooldown
			}
		},
		want: want{
			restarts: thrice, alerts: "TICKER_SYNC_TIMEOUT- ×3, TICKER_SYNC_TIMEOUT", remedies: "FAILED symptom_returned ×3, SKIPPED budget",
			says: []string{"Ticker同步超时告警", "已恢复", "Ticker同步超时告警", "已恢复", "Ticker同步超时告警", "已恢复", "Ticker同步超时告警"},
		},
	},
	{
		zh: "处置之前服务报告已恢复", en: "the service says that it is well before anything is done", quick: true,
		act: func(w *faultWorld) {
			w.proxy.Refuse(true)
			w.proxy.CutAll()
			w.report(targetName)
			over := ticker(targetName)
			over.Status = "RESOLVED"
			require.Equal(w.t, http.StatusOK, w.notify(over).status)
			w.proxy.Refuse(false)
		},
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SKIPPED alert_over", says: []string{"Ticker同步超时告警", "已恢复"}},
	},
	{
		zh: "演练模式", en: "dry run",
		set:  setting{env: []string{"REMEDIATION_MODE=dry-run"}},
		act:  func(w *faultWorld) { w.report(targetName) },
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "SKIPPED dry_run", says: []string{"Ticker同步超时告警", "演练模式"}},
	},
	{
		zh: "重启之后，人在冷却期内再次处置", en: "a person asks for another restart within the cooldown",
		set: setting{policy: "defaults: {cooldown: 5m, verify: {stable: 2s}}"},
		act: func(w *faultWorld) {
			id := w.report(targetName).number("alertId")
			w.reaches("SUCCEEDED")
			r := w.post(fmt.Sprintf("/api/alerts/%d/handle", id), "{}")
			require.Equal(w.t, http.StatusOK, r.status, r.text)
		},
		want: want{restarts: twice, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED stable ×2", says: []string{"Ticker同步超时告警", "已恢复", "已恢复"}},
	},
}

// beating goes on with a heartbeat until the test ends.
func (w *faultWorld) beating(path string) {
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(500 * time.Millisecond):
			}
			if _, err := w.do(http.MethodGet, path, "", ""); err != nil {
				return // the test is ending: a beat that is missing before shows in the row
			}
		}
	})
	w.t.Cleanup(func() { close(done); all.Wait() })
}
