package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/store/storetest"
	"trade-monitor/shared/wecom/wecomtest"
)

// Promise 1: `kill -9` at any instant loses nothing that was answered.
func TestNothingAnsweredIsLostWhenTheProcessIsKilled(t *testing.T) {
	for name, settings := range map[string]func(testing.TB) []string{
		"sqlite":  func(testing.TB) []string { return nil },
		"mariadb": mariaDB,
	} {
		t.Run(name, func(t *testing.T) {
			robots := wecomtest.Start(t)
			s := launch(t, append(settings(t), "REMEDIATION_MODE=off", "WECHAT_WEBHOOK_URL="+robots.Webhook("group"), "WECHAT_ALLOWED_HOSTS="+robots.Host)...)
			answered := postWhileKilling(t, s, 5000, 32, 5)

			checkAnswered(t, s, answered)
			checkWords(t, s, robots, len(answered), 5)
			checkAudit(t, s)
		})
	}
}

// mariaDB gives the settings of a fresh database.
func mariaDB(t testing.TB) []string {
	db := storetest.MariaDB(t)
	return databaseSettings(db)
}

func databaseSettings(db storetest.Database) []string {
	return []string{
		"MYSQL_HOST=" + db.Host, fmt.Sprintf("MYSQL_PORT=%d", db.Port), "MYSQL_USER=" + db.User,
		"MYSQL_PASSWORD=" + db.Password, "MYSQL_DATABASE=" + db.Name,
	}
}

// postWhileKilling posts events from many clients while the program is killed
// and started again, and gives the alert id that each answered event got.
func postWhileKilling(t *testing.T, s *runningService, events, clients, kills int) map[string]int64 {
	var mu sync.Mutex
	answered := map[string]int64{}
	var next, done atomic.Int64
	var posting sync.WaitGroup
	for range clients {
		posting.Go(func() {
			for n := next.Add(1); n <= int64(events); n = next.Add(1) {
				service := fmt.Sprintf("svc-%d", n)
				for attempt := 0; attempt < 50; attempt++ {
					r, err := s.do(http.MethodPost, "/api/events/notify", "application/json", ticker(service).json())
					if err == nil && r.status == http.StatusOK {
						mu.Lock()
						answered[service] = r.number("alertId")
						mu.Unlock()
						break
					}
					time.Sleep(20 * time.Millisecond)
				}
				done.Add(1)
			}
		})
	}
	for kill := range kills {
		await(t, 90*time.Second, "the next part of the events", func() bool { return done.Load() >= int64((kill+1)*events/(kills+1)) })
		s.kill()
		s.start()
	}
	posting.Wait()
	require.Len(t, answered, events, "every event was answered in the end")
	return answered
}

// checkAnswered looks every answered alert up.
func checkAnswered(t *testing.T, s *runningService, answered map[string]int64) {
	stored := map[int64]string{}
	for _, alert := range allAlerts(t, s) {
		stored[int64(alert["id"].(float64))] = alert["serviceName"].(string)
	}
	for service, id := range answered {
		require.Equal(t, service, stored[id])
	}
	require.EqualValues(t, len(stored), s.get("/api/alerts").number("total"))
	require.Len(t, stored, len(answered), "one alert per service, however often it was posted")
}

// checkWords: every alert has its one word and is told, and no robot heard one
// twice but for what was in flight when the program was killed.
func checkWords(t *testing.T, s *runningService, robots *wecomtest.Server, alerts, kills int) {
	await(t, 100*time.Second, "every alert was told, and nothing waits", func() bool {
		pending := regexp.MustCompile(`trade_monitor_notifications_pending{group="0"} (\S+)`).FindStringSubmatch(s.get("/metrics").text)
		return (pending == nil || pending[1] == "0") && sentAlerts(t, s) == alerts
	})
	shown := robots.Messages(robots.Key("group"))
	var sizes []int
	for _, m := range shown {
		sizes = append(sizes, carries(t, m))
	}
	slices.Sort(sizes)
	most := 0
	for _, n := range sizes[max(0, len(sizes)-kills):] {
		most += n
	}
	doubled := carriedBy(t, shown) - alerts
	require.GreaterOrEqual(t, doubled, 0, "what is marked as sent was in a message")
	require.LessOrEqual(t, doubled, most, "at most the one message in flight at each kill")
	word := objects(s.story(int64(allAlerts(t, s)[0]["id"].(float64))), "notifications")
	require.Len(t, word, 1)
	require.Equal(t, "SENT", word[0]["status"])
}

// allAlerts walks the whole record.
func allAlerts(t testing.TB, s *runningService) []map[string]any {
	var all []map[string]any
	for path := "/api/alerts?pageSize=200"; path != ""; {
		r := s.get(path)
		require.Equal(t, http.StatusOK, r.status, r.text)
		path = ""
		if cursor, ok := r.fields["nextCursor"].(string); ok && cursor != "" {
			path = "/api/alerts?pageSize=200&cursor=" + cursor
		}
		all = append(all, objects(r.fields, "data")...)
	}
	return all
}

// sentAlerts counts the alerts whose one word was delivered.
func sentAlerts(t *testing.T, s *runningService) int {
	sent := 0
	for _, alert := range allAlerts(t, s) {
		if alert["wechatSent"] == true {
			sent++
		}
	}
	return sent
}
