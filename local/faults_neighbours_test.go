package main

import (
	"net/http"
	"sync"
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
		want: onceOfMany(),
	},
}
