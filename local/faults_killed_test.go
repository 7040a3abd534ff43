package main

import (
	"context"
	"sync"
	"time"
)

// restartedOnce is how a restart ends well, whatever became of us meanwhile.
var restartedOnce = want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED stable", says: []string{"Ticker同步超时告警", "已恢复"}}

// restartedAfterAKill is the same, and one message may have come twice.
var restartedAfterAKill = func() want { w := restartedOnce; w.killed = true; return w }()

// killFaults are our own ends by kill -9, each at one stage of a restart. (At
// any instant: TestFaultKills.)
var killFaults = []fault{
	{
		zh: "自身 kill -9：意图入库之前", en: "our kill -9 before the intent is stored",
		act: func(w *faultWorld) {
			w.proxy.Hang(true)
			w.report(targetName)
			time.Sleep(300 * time.Millisecond)
			w.kill()
			w.proxy.CutAll()
			w.proxy.Hang(false)
			w.revive()
		},
		want: restartedAfterAKill,
	},
	{
		zh: "自身 kill -9：意图已入库，命令未到引擎", en: "our kill -9 after the intent is stored, before the order reaches the engine", quick: true,
		act: func(w *faultWorld) {
			w.killedOnce(func(kill func()) {
				w.recorder.hook(func(context.Context, order) int { kill(); return 0 }, nil)
			})
		},
		want: restartedAfterAKill,
	},
	{
		zh: "自身 kill -9：容器停止期间", en: "our kill -9 while the container is being stopped",
		set: setting{spec: stubborn(4 * time.Second)},
		act: func(w *faultWorld) {
			w.report(targetName)
			w.ordered(1)
			time.Sleep(time.Second)
			w.kill()
			w.revive()
		},
		want: restartedAfterAKill,
	},
	{
		zh: "自身 kill -9：容器已启动，回答未到", en: "our kill -9 after the container started, before the answer", quick: true,
		act: func(w *faultWorld) {
			w.killedOnce(func(kill func()) {
				w.recorder.hook(nil, func(context.Context, order) { kill() })
			})
		},
		want: restartedAfterAKill,
	},
	{
		zh: "自身 kill -9：确认期间", en: "our kill -9 during verification",
		act: func(w *faultWorld) {
			w.report(targetName)
			w.reaches("VERIFYING")
			time.Sleep(500 * time.Millisecond)
			w.kill()
			w.revive()
		},
		want: restartedAfterAKill,
	},
	{
		zh: "自身被正常停止：容器停止期间", en: "we are stopped in order while the container is being stopped",
		set: setting{spec: stubborn(12 * time.Second)},
		act: func(w *faultWorld) {
			w.report(targetName)
			w.ordered(1)
			w.stop()
			w.revive()
		},
		want: restartedOnce,
	},
}

// killedOnce reports a fault, has a hook kill the program at its first order,
// and starts it again.
func (w *faultWorld) killedOnce(set func(kill func())) {
	w.t.Helper()
	killed := make(chan struct{})
	var first sync.Once
	set(func() { first.Do(func() { w.kill(); close(killed) }) })
	w.report(targetName)
	select {
	case <-killed:
	case <-time.After(20 * time.Second):
		w.t.Fatal("no order came")
	}
	w.revive()
}
