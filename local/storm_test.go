package main

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/store/storetest"
	"trade-monitor/shared/wecom/wecomtest"
)

// The storm proof: many distinct alerts within seconds, one robot, the real
// clock and the real program. `make storm` is the long form.
type stormSize struct {
	alerts int
	within time.Duration
	every  int // each of so many is CRITICAL
}

func sizeOfStorm() stormSize {
	return either(stormSize{1_000, 3 * time.Second, 25}, stormSize{10_000, 10 * time.Second, 100})
}

func (z stormSize) critical(i int) bool { return i%z.every == z.every/2 }

// maxResident is how much memory a storm may take (DESIGN: 150 MiB).
const maxResident = 150 << 20

// TestAStormOfAlerts runs both beside each other in the short form: most of the
// time is the robot's window. What the long form measures is measured alone.
func TestAStormOfAlerts(t *testing.T) {
	for name, storm := range map[string]func(*testing.T){
		"is told within a minute":                  testAStormIsToldWithinAMinute,
		"on two processes, of which one is killed": testAStormOnTwoProcessesOfWhichOneIsKilled,
	} {
		t.Run(name, func(t *testing.T) {
			if !proofLong() {
				t.Parallel()
			}
			storm(t)
		})
	}
}

func testAStormIsToldWithinAMinute(t *testing.T) {
	robots := wecomtest.Start(t)
	s := launch(t, "REMEDIATION_MODE=off", "WECHAT_WEBHOOK_URL="+robots.Webhook("group"), "WECHAT_ALLOWED_HOSTS="+robots.Host)
	z := sizeOfStorm()
	began := time.Now()
	posted := postStorm(t, z, func(int) *runningService { return s })
	last := time.Now()

	shown := awaitStormOver(t, robots)
	checkRate(t, robots, shown)
	checkOrder(t, z, shown)
	checkStormNumbers(t, z, shown)
	checkEveryAlert(t, s, posted, last)
	checkAudit(t, s)
	resident := peakMemory(t, s.cmd.Process.Pid)
	t.Logf("figures: %s", stormFigures(z, shown, began, last, resident))
	if proofLong() {
		assert.LessOrEqual(t, last.Sub(began), z.within+2*time.Second)
		assert.LessOrEqual(t, resident, int64(maxResident))
	}
}

// testAStormOnTwoProcessesOfWhichOneIsKilled is the same on a server that two
// processes share, whose clocks are half a minute apart and of which one is
// killed in the middle.
func testAStormOnTwoProcessesOfWhichOneIsKilled(t *testing.T) {
	robots := wecomtest.Start(t)
	settings := append(databaseSettings(storetest.MariaDB(t)), "REMEDIATION_MODE=off", "WECHAT_WEBHOOK_URL="+robots.Webhook("group"), "WECHAT_ALLOWED_HOSTS="+robots.Host)
	doomed, s := launchAhead(t, 15*time.Second, settings...), launchAhead(t, -15*time.Second, settings...)
	checkClock(t, doomed, 15*time.Second)
	checkClock(t, s, -15*time.Second)
	z := sizeOfStorm()
	began := time.Now()
	var once sync.Once
	posted := postStorm(t, z, func(i int) *runningService {
		if i >= z.alerts/2 {
			once.Do(doomed.kill)
			return s
		}
		return []*runningService{doomed, s}[i%2]
	})
	last := time.Now()

	shown := awaitStormOver(t, robots)
	checkRate(t, robots, shown)
	checkEveryAlert(t, s, posted, last)
	checkAudit(t, s)
	checkRecordedBetween(t, s, began, last)
	assert.LessOrEqual(t, carriedBy(t, shown)-z.alerts, largestMessage(t, shown), "at most the one message that was in flight is doubled")
	checkClock(t, s, -15*time.Second)
	t.Logf("figures: two processes, clocks 30 s apart, one killed: %s", stormFigures(z, shown, began, last, peakMemory(t, s.cmd.Process.Pid)))
}

// postStorm posts the storm at an even pace and gives the alert of each event.
// Whoever was not answered posts again, as a caller does.
func postStorm(t *testing.T, z stormSize, to func(i int) *runningService) []int64 {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	ids := make([]int64, z.alerts)
	begin, next := time.Now(), make(chan int)
	var posting sync.WaitGroup
	for range 64 {
		posting.Go(func() {
			for i := range next {
				ev := ticker(fmt.Sprintf("svc-%05d", i))
				ev.EventType = fmt.Sprintf("KIND_%d", i%7)
				if ev.Severity = "ERROR"; z.critical(i) {
					ev.Severity = "CRITICAL"
				}
				ids[i] = postUntilAnswered(t, client, to, i, ev)
			}
		})
	}
	for i := range z.alerts {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * z.within / time.Duration(z.alerts))))
		next <- i
	}
	close(next)
	posting.Wait()
	return ids
}

var alertID = regexp.MustCompile(`"alertId":(\d+)`)

func postUntilAnswered(t *testing.T, client *http.Client, to func(i int) *runningService, i int, ev event) int64 {
	for try := range 200 {
		s := to(i + try) // the other one, if there is one
		s.mu.RLock()
		url := s.url
		s.mu.RUnlock()
		res, err := client.Post(url+"/api/events/notify", "application/json", strings.NewReader(ev.json()))
		if err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		var body [2048]byte
		n, _ := res.Body.Read(body[:])
		_ = res.Body.Close()
		if found := alertID.FindSubmatch(body[:n]); res.StatusCode == http.StatusOK && found != nil {
			id, err := strconv.ParseInt(string(found[1]), 10, 64)
			assert.NoError(t, err)
			return id
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("event %d was never answered", i)
	return 0
}

const stormEnd = "告警风暴已结束"

// awaitStormOver waits for the last message of the storm and gives all of them.
func awaitStormOver(t *testing.T, robots *wecomtest.Server) []wecomtest.Received {
	t.Helper()
	var shown []wecomtest.Received
	await(t, 100*time.Second, "the storm is told to be over", func() bool {
		shown = robots.Messages(robots.Key("group"))
		return len(shown) > 0 && strings.Contains(shown[len(shown)-1].Content, stormEnd)
	})
	return shown
}

// checkRate: never a 21st message in any 60 s, and nothing that the robot had
// to refuse.
func checkRate(t *testing.T, robots *wecomtest.Server, shown []wecomtest.Received) {
	t.Helper()
	for i := 20; i < len(shown); i++ {
		assert.Greater(t, shown[i].At.Sub(shown[i-20].At), time.Minute)
	}
	assert.LessOrEqual(t, robots.Attempts(robots.Key("group"))-len(shown), 1, "but for a request that was cut off with its process")
	assert.Equal(t, 1, robots.MaxInFlight(robots.Key("group")))
}

var digestLine = regexp.MustCompile(`汇总：(\d+) 条告警`)

// carries is how many alerts a message tells of.
func carries(t *testing.T, m wecomtest.Received) int {
	t.Helper()
	if strings.Contains(m.Content, stormEnd) {
		return 0
	}
	found := digestLine.FindStringSubmatch(m.Content)
	if found == nil {
		return 1
	}
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

func carriedBy(t *testing.T, shown []wecomtest.Received) (n int) {
	for _, m := range shown {
		n += carries(t, m)
	}
	return n
}

func largestMessage(t *testing.T, shown []wecomtest.Received) (most int) {
	for _, m := range shown {
		most = max(most, carries(t, m))
	}
	return most
}

// checkOrder: CRITICAL alerts are told first, eight of them singly.
func checkOrder(t *testing.T, z stormSize, shown []wecomtest.Received) {
	t.Helper()
	var singles, folded, others int
	for _, m := range shown {
		critical := strings.Contains(m.Content, "严重告警汇总")
		switch {
		case carries(t, m) == 1 && strings.HasPrefix(m.Content, `### <font color="warning">严重：`):
			singles++
			assert.Zero(t, folded, "singly before the digests")
		case critical:
			folded += carries(t, m)
			assert.Equal(t, 8, singles)
		case carries(t, m) > 1 && others == 0:
			others = carries(t, m)
			assert.Equal(t, 8, singles, "CRITICAL went before the first digest of others")
			assert.Positive(t, folded)
		}
	}
	want := 0
	for i := range z.alerts {
		if z.critical(i) {
			want++
		}
	}
	assert.Equal(t, want, singles+folded)
	assert.Positive(t, others)
}

// checkStormNumbers: what the messages say adds up, and so does the last one.
func checkStormNumbers(t *testing.T, z stormSize, shown []wecomtest.Received) {
	t.Helper()
	assert.Equal(t, z.alerts, carriedBy(t, shown), "every alert is named or counted once")
	assert.Contains(t, shown[len(shown)-1].Content, fmt.Sprintf("%d 个事件，%d 个告警，%d 条消息，0 条丢失", z.alerts, z.alerts, len(shown)-1))
}

// checkEveryAlert: each answered alert was told, within a minute of the last
// event, and says by which message.
func checkEveryAlert(t *testing.T, s *runningService, posted []int64, last time.Time) {
	t.Helper()
	told := map[int64]map[string]any{}
	for _, alert := range allAlerts(t, s) {
		told[int64(alert["id"].(float64))] = alert
	}
	assert.Len(t, told, len(posted))
	for i, id := range posted {
		require.Contains(t, told, id, "event %d", i)
		require.Equal(t, true, told[id]["wechatSent"], "event %d", i)
		at, err := time.Parse(time.RFC3339, told[id]["wechatSentAt"].(string))
		require.NoError(t, err)
		require.LessOrEqual(t, at.Sub(last), time.Minute, "event %d", i)
	}
	story := s.story(posted[len(posted)-1])
	word := objects(story, "notifications")[0]
	assert.Equal(t, true, word["folded"])
	assert.Equal(t, word["messageId"], objects(story, "messages")[0]["id"])
}

// peakMemory is the most that a process ever had resident, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(raw)
	require.NotNil(t, found)
	kib, err := strconv.ParseInt(string(found[1]), 10, 64)
	require.NoError(t, err)
	return kib << 10
}

func stormFigures(z stormSize, shown []wecomtest.Received, began, last time.Time, resident int64) string {
	var firstDigest, lastWord time.Time
	digests := 0
	for _, m := range shown {
		if digestLine.MatchString(m.Content) {
			if digests++; firstDigest.IsZero() {
				firstDigest = m.At
			}
		}
		if !strings.Contains(m.Content, stormEnd) {
			lastWord = m.At
		}
	}
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
	return fmt.Sprintf("%d alerts in %s; %d messages, %d of them digests; first digest after %s; all told %s after the last event; end told after %s; peak memory %d MiB",
		z.alerts, round(last.Sub(began)), len(shown), digests, round(firstDigest.Sub(began)), round(lastWord.Sub(last)), round(shown[len(shown)-1].At.Sub(last)), resident>>20)
}
