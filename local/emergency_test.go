package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/store/storetest"
	"trade-monitor/shared/wecom/wecomtest"
)

const (
	databaseDown = "数据库不可用"
	databaseBack = "数据库已恢复"
)

// aboutDatabase tells whether a message is of an outage, and of no alert.
func aboutDatabase(content string) bool {
	return strings.Contains(content, databaseDown) || strings.Contains(content, databaseBack)
}

// toldWith are the messages of a robot with some words, and the others.
func toldWith(robots *wecomtest.Server, words string) (with, without []wecomtest.Received) {
	for _, m := range robots.Messages(robots.Key("group")) {
		if strings.Contains(m.Content, words) {
			with = append(with, m)
		} else {
			without = append(without, m)
		}
	}
	return with, without
}

// caller posts until it is answered, as a caller should: what is answered 503
// it posts again when it is told to.
type caller503 struct {
	refused  atomic.Int64
	slowest  atomic.Int64
	answered sync.Map // service → alert id
}

func (c *caller503) post(t *testing.T, s *runningService, ev event) {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(250 * time.Millisecond) {
		begun := time.Now()
		res, err := s.plain.Post(s.url+"/api/events/notify", "application/json", strings.NewReader(ev.json()))
		if err != nil {
			t.Errorf("a caller got no answer: %v", err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if took := time.Since(begun).Milliseconds(); took > c.slowest.Load() {
			c.slowest.Store(took)
		}
		switch found := alertID.FindSubmatch(body); {
		case res.StatusCode == http.StatusOK && found != nil:
			c.answered.Store(ev.ServiceName, string(found[1]))
			return
		case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
			c.refused.Add(1)
		default:
			t.Errorf("a caller was answered %d %s", res.StatusCode, body)
			return
		}
	}
	t.Errorf("%s was never answered 200", ev.ServiceName)
}

// storm posts n events at an even pace and returns when all were answered 200.
func (c *caller503) storm(t *testing.T, s *runningService, n int, within time.Duration, at func(i int)) {
	begin, next := time.Now(), make(chan event)
	var posting sync.WaitGroup
	for range 128 {
		posting.Go(func() {
			for ev := range next {
				c.post(t, s, ev)
			}
		})
	}
	for i := range n {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * within / time.Duration(n))))
		at(i)
		ev := ticker(fmt.Sprintf("svc-%05d", i))
		if i%25 == 12 {
			ev.Severity = "CRITICAL"
		}
		next <- ev
	}
	close(next)
	posting.Wait()
}

// Promise 8, in a storm: the database is killed as by a power cut. People are
// told within 10 s, callers get 503, nothing that was answered 200 is lost, the
// storm is told when the database is back, and never is there a 21st message.
func TestAStormInWhichTheDatabaseIsKilled(t *testing.T) {
	if !proofLong() {
		t.Parallel()
	}
	db := storetest.OwnMariaDB(t)
	robots := wecomtest.Start(t)
	s := launch(t, append(databaseSettings(db), "REMEDIATION_MODE=off", "WECHAT_WEBHOOK_URL="+robots.Webhook("group"), "WECHAT_ALLOWED_HOSTS="+robots.Host)...)
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })

	alerts, within := either(400, 10_000), either(5*time.Second, 10*time.Second)
	var c caller503
	var killed, told, back time.Time
	var outage sync.WaitGroup
	c.storm(t, s, alerts, within, func(i int) {
		if i != alerts/2 {
			return
		}
		db.Kill()
		killed = time.Now()
		outage.Go(func() {
			await(t, 30*time.Second, "people are told", func() bool {
				down, _ := toldWith(robots, databaseDown)
				return len(down) > 0
			})
			told = time.Now()
			ready := s.get("/readyz")
			assert.Equal(t, http.StatusServiceUnavailable, ready.status)
			assert.Contains(t, ready.text, "自 ", "since when")
			assert.Equal(t, http.StatusOK, s.get("/healthz").status)
			db.Start(t)
			back = time.Now()
		})
	})
	outage.Wait()
	assert.Less(t, told.Sub(killed), 10*time.Second)
	assert.Positive(t, c.refused.Load())
	assert.Less(t, c.slowest.Load(), int64(2500), "milliseconds")

	await(t, 100*time.Second, "everything is told, and that the database is back", func() bool {
		shown, _ := toldWith(robots, databaseBack)
		return len(shown) > 0 && sentAlerts(t, s) == alerts
	})
	shown := awaitStormOver(t, robots)
	checkRate(t, robots, shown)
	down, _ := toldWith(robots, databaseDown)
	again, _ := toldWith(robots, databaseBack)
	assert.Len(t, down, 1)
	assert.Contains(t, down[0].Content, "连接不上数据库")
	assert.NotContains(t, down[0].Content, db.Host)
	assert.Len(t, again, 1)
	doubled := carriedBy(t, shown) - len(down) - len(again) - alerts
	assert.GreaterOrEqual(t, doubled, 0)
	assert.LessOrEqual(t, doubled, largestMessage(t, shown), "at most the one message that was in flight")
	c.check(t, s, alerts)
	checkEmergencyOnRecord(t, db)
	assert.Contains(t, s.get("/metrics").text, `trade_monitor_emergency_words_total{status="ACCEPTED"} 1`)
	t.Logf("figures: the database killed in a storm of %d alerts within %s: told after %.1f s, back after %.1f s; %d answers 503, the slowest answer %d ms; that it is back said after %.1f s more; %d messages, %d alerts told twice, 0 lost",
		alerts, within, told.Sub(killed).Seconds(), back.Sub(killed).Seconds(), c.refused.Load(), c.slowest.Load(), again[0].At.Sub(back).Seconds(), len(shown), doubled)
}

// check looks every answered event up.
func (c *caller503) check(t *testing.T, s *runningService, alerts int) {
	stored := map[string]string{}
	for _, a := range allAlerts(t, s) {
		stored[a["serviceName"].(string)] = idOf(a)
	}
	assert.Len(t, stored, alerts)
	n := 0
	c.answered.Range(func(service, id any) bool {
		n++
		return assert.Equal(t, id, stored[service.(string)])
	})
	assert.Equal(t, alerts, n, "every event was answered 200 in the end")
}

// checkEmergencyOnRecord: the word that was said without the record, and that
// which said that it is back.
func checkEmergencyOnRecord(t *testing.T, db storetest.Database) {
	var accepted, words int
	err := db.Admin(t, db.Name).QueryRow("SELECT COUNT(*), COALESCE(SUM(words), 0) FROM alert_messages WHERE kind = 'EMERGENCY' AND status = 'ACCEPTED'").Scan(&accepted, &words)
	require.NoError(t, err)
	assert.Equal(t, 2, accepted)
	assert.Zero(t, words)
}

// A service that starts into an outage says so, once over its restarts.
func TestAStartIntoAnOutageIsToldOnce(t *testing.T) {
	t.Parallel()
	db := storetest.OwnMariaDB(t)
	db.Stop()
	robots := wecomtest.Start(t)
	s := launch(t, append(databaseSettings(db), "REMEDIATION_MODE=off", "WECHAT_WEBHOOK_URL="+robots.Webhook("group"), "WECHAT_ALLOWED_HOSTS="+robots.Host)...)
	down := robots.ExpectWithin(t, 30*time.Second, robots.Key("group"), databaseDown, "连接不上数据库")
	assert.Equal(t, "text", down.Type, "whatever the group's format is, which the database knows: personal WeChat shows nothing else")
	await(t, 10*time.Second, "it is noted", func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "logs", "emergency.json"))
		return err == nil && bytes.Contains(text, []byte(`"ACCEPTED"`))
	})
	s.kill()
	s.start()
	robots.ExpectNoMore(t, robots.Key("group"), 12*time.Second)
	db.Start(t)
	back := robots.ExpectWithin(t, 30*time.Second, robots.Key("group"), databaseBack)
	assert.Equal(t, "text", back.Type)
	await(t, 20*time.Second, "events are taken", func() bool { return s.notify(ticker("svc")).status == http.StatusOK })
	robots.ExpectWithin(t, 10*time.Second, robots.Key("group"), "Ticker")
	checkEmergencyOnRecord(t, db)
}
