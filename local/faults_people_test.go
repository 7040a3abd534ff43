package main

import (
	"sync"
	"time"
)

// peopleFaults have a person in them who does something at the same time.
var peopleFaults = []fault{
	{
		zh: "人在同一时刻重启", en: "a person restarts it at the same moment",
		set: setting{spec: stubborn(4 * time.Second)},
		act: func(w *faultWorld) {
			w.restartedByPerson(func() {
				time.Sleep(300 * time.Millisecond)
				w.report(targetName)
			})
		},
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "SKIPPED in_hand_of_person, SKIPPED symptom_gone", says: []string{"Ticker同步超时告警", "有人正在停止或重启", "症状已消失"}},
	},
	{
		zh: "我们下令之后，人也重启", en: "a person restarts it while we verify",
		act: func(w *faultWorld) {
			w.report(targetName)
			w.reaches("VERIFYING")
			w.restartedByPerson(func() {})
		},
		want: want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT", remedies: "UNKNOWN person_took_over", says: []string{"Ticker同步超时告警", "请处理"}},
	},
	{
		zh: "人刚刚重启过，故障仍在", en: "a person has just restarted it, and the fault stays",
		act: func(w *faultWorld) {
			w.watched()
			w.restartedByPerson(func() {})
			w.report(targetName)
		},
		want: want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SKIPPED starting, SUCCEEDED stable", says: []string{"Ticker同步超时告警", "刚刚启动", "已恢复"}},
	},
}

// restartedByPerson has a person restart the target, past the program, and does
// something meanwhile.
func (w *faultWorld) restartedByPerson(meanwhile func()) {
	w.t.Helper()
	w.person(w.target)
	var restarting sync.WaitGroup
	restarting.Go(func() { w.target.Restart() })
	meanwhile()
	restarting.Wait()
}
