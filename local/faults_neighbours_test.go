package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"trade-monitor/shared/docker/dockertest"
)

// neighbourFaults have several processes, containers or hosts in them.
var neighbourFaults = []fault{
	{
		zh: "两个进程共用一个 MariaDB，争抢同一故障", en: "two runners race on one MariaDB",
		set: setting{runners: 2},
		act: func(w *faultWorld) {
			w.happens()
			var posting sync.WaitGroup
			for n := range 20 {
				s := []*runningService{w.runningService, w.others[0]}[n%2]
				posting.Go(func() {
					if r, err := s.do(http.MethodPost, "/api/events/notify", "application/json", ticker(targetName).json()); err != nil || r.status != http.StatusOK {
						w.t.Errorf("%v %s", err, r.text)
					}
				})
			}
			posting.Wait()
		},
		want: restartedOnce,
	},
	{
		zh: "两台主机有同名容器，策略没有指明", en: "two hosts have a container of that name, and the policy names none",
		set:  setting{twoHosts: true},
		act:  func(w *faultWorld) { w.report(targetName) },
		want: want{restarts: never, alerts: "TICKER_SYNC_TIMEOUT", remedies: "SKIPPED two_hosts", says: []string{"Ticker同步超时告警", "指明是哪一台"}},
	},
	{
		zh: "十个容器同时故障（主机刹车）", en: "ten containers fail at once (the host's brake)",
		set: setting{policy: manyFail, env: []string{"REMEDIATION_CONTAINERS=" + strings.Join(tenNames(), ",")}},
		act: func(w *faultWorld) {
			for _, name := range tenNames()[1:] {
				w.flock = append(w.flock, w.run(dockertest.Spec{ExactName: name}))
			}
			w.happens()
			var posting sync.WaitGroup
			for _, name := range tenNames() {
				posting.Go(func() { w.report(name) })
			}
			posting.Wait()
		},
		want: want{
			restarts: twice, unordered: true,
			alerts: "REMEDIATION_BRAKE, TICKER_SYNC_TIMEOUT ×8, TICKER_SYNC_TIMEOUT- ×2", remedies: "SKIPPED brake ×8, SUCCEEDED stable ×2",
			onlyOnce: "多个容器同时异常，暂停自动处置",
		},
	},
}

const manyFail = `
defaults: {cooldown: 5m, verify: {stable: 2s, healthy: 10s}}
`

// tenNames are the target and nine more.
func tenNames() []string {
	names := []string{targetName}
	for n := range 9 {
		names = append(names, fmt.Sprintf("%s-%d", targetName, n+2))
	}
	return names
}
