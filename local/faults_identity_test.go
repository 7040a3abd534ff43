package main

import (
	"time"

	"trade-monitor/shared/docker/dockertest"
)

// identityFaults change which container a name means, or whether it is meant to
// run.
var identityFaults = []fault{
	{
		zh: "容器已删除", en: "container removed", quick: true,
		act: func(w *faultWorld) {
			w.target.Remove()
			w.report(targetName)
		},
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "SKIPPED no_container", says: []string{"Ticker同步超时告警", "不存在"}},
	},
	{
		zh: "确认期间容器被删除", en: "container removed during verification",
		act: func(w *faultWorld) {
			w.report(targetName)
			w.reaches("VERIFYING")
			w.target.Remove()
		},
		want: want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT", remedies: "FAILED no_container, SKIPPED no_container", says: []string{"Ticker同步超时告警", "未恢复，请处理", "不存在"}},
	},
	{
		zh: "容器已改名", en: "container renamed",
		act: func(w *faultWorld) {
			w.target.Rename("renamed")
			w.report(targetName)
		},
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "SKIPPED no_container", says: []string{"Ticker同步超时告警", "不存在"}},
	},
	{
		zh: "确认期间容器被改名", en: "container renamed during verification",
		act: func(w *faultWorld) {
			w.report(targetName)
			w.reaches("VERIFYING")
			w.target.Rename("renamed")
		},
		want: want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT", remedies: "FAILED no_container, SKIPPED no_container", says: []string{"Ticker同步超时告警", "未恢复，请处理", "不存在"}},
	},
	{
		zh: "同名重建，之后发生故障", en: "container recreated with the same name, then it fails",
		act: func(w *faultWorld) {
			w.target.Remove()
			w.target = w.run(dockertest.Spec{ExactName: targetName})
			w.report(targetName)
		},
		want: want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT-", remedies: "SUCCEEDED stable", says: []string{"Ticker同步超时告警", "已恢复"}},
	},
	{
		zh: "确认期间同名重建", en: "container recreated with the same name during verification",
		set: setting{policy: "defaults: {cooldown: 10s, startGrace: 8s, verify: {stable: 6s, healthy: 10s}}"},
		act: func(w *faultWorld) {
			w.report(targetName)
			w.reaches("VERIFYING")
			time.Sleep(3 * time.Second)
			w.target.Remove()
			w.run(dockertest.Spec{ExactName: targetName})
		},
		want: want{restarts: once, alerts: "TICKER_SYNC_TIMEOUT", remedies: "FAILED container_changed, SKIPPED starting, SKIPPED symptom_gone", says: []string{"Ticker同步超时告警", "未恢复，请处理", "刚刚启动", "症状已消失"}},
	},
	{
		zh: "被人停止，之后收到事件", en: "stopped by a person, then an event comes", quick: true,
		act: func(w *faultWorld) {
			w.watched()
			w.target.Stop()
			w.report(targetName)
		},
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "SKIPPED stopped_by_person", says: []string{"Ticker同步超时告警", "由人停止"}},
	},
	{
		zh: "不在名单中的容器", en: "a container that is not on the list", quick: true,
		act:  func(w *faultWorld) { w.report(bystanderName) },
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "SKIPPED not_allowed", says: []string{"Ticker同步超时告警"}},
	},
	{
		zh: "事件中写了不合法的容器名", en: "an event that names no container but a path", quick: true,
		act:  func(w *faultWorld) { w.report("../" + targetName) },
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "SKIPPED bad_target", says: []string{"Ticker同步超时告警"}},
	},
	{
		zh: "对象是 Trade Monitor 自己", en: "ourselves as the target",
		set:  setting{ourselves: true},
		act:  func(w *faultWorld) { w.report(w.target.Name) },
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "SKIPPED ourselves", says: []string{"Ticker同步超时告警", "Trade Monitor 自己"}},
	},
}
