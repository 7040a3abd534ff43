package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/wecom/wecomtest"
)

// trouble is what one robot answers, one thing after the other, and what is to
// be on record of each.
var trouble = []struct {
	name    string
	fault   wecomtest.Fault
	status  string
	errcode float64
	says    string
}{
	{"45009", wecomtest.ErrCode(45009), "REFUSED", 45009, "api freq out of limit"},
	{"-1", wecomtest.ErrCode(-1), "REFUSED", -1, "system busy"},
	{"reset", wecomtest.Reset(), "UNKNOWN", 0, "connection cut"},
	{"hang", wecomtest.Hang(30 * time.Second), "UNKNOWN", 0, "timed out"},
	{"HTML", wecomtest.HTTPStatus(http.StatusOK), "UNKNOWN", 0, "unreadable answer"},
	{"500", wecomtest.HTTPStatus(http.StatusInternalServerError), "UNKNOWN", 0, "HTTP 500"},
	{"93000", wecomtest.ErrCode(93000), "REFUSED", 93000, "invalid webhook url"},
}

// heldUp is how late a message to the other group may be: what is promised in
// the long form, and what a busy machine holds in the short one.
func heldUp() time.Duration { return either(5*time.Second, time.Second) }

// TestARobotInTrouble: a robot answers with everything that robots answer with.
// Each verdict is on record, nothing is lost or doubled, and the other group
// notices nothing but that it is told. By the real clock, two minutes of it: the
// robot rests for one after 45009, and ever longer after each of the others.
func TestARobotInTrouble(t *testing.T) {
	t.Parallel()
	robots, env := robotsFor(t)
	s := launch(t, env...)
	ill, well := robots.Key("ill"), robots.Key("well")
	broken := s.addGroup("交易组", robots.Webhook("ill"))
	s.post("/api/alerts/wechat-groups", fmt.Sprintf(`{"groupName":"运维","webhookUrl":%q,"alertTypes":"CALM"}`, robots.Webhook("well")))
	r, err := s.do(http.MethodPut, fmt.Sprintf("/api/alerts/wechat-groups/%d", broken), "application/json", `{"alertTypes":"TICKER_SYNC_TIMEOUT"}`)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.status, r.text)
	for _, one := range trouble {
		robots.Fail(ill, one.fault)
	}

	// The first word is put off when nobody answered it three times; the second
	// meets the rest.
	begun := time.Now()
	waiting := []int64{s.notify(ticker("first")).number("alertId"), s.notify(ticker("second")).number("alertId")}
	calm := keepCalm(t, s, func() bool { return len(verdicts(s, waiting)) == len(trouble) })
	checkVerdicts(t, verdicts(s, waiting), begun)
	checkBroken(t, s, broken, true)
	require.Empty(t, robots.Messages(ill))

	waiting = append(waiting, s.notify(ticker("third")).number("alertId")) // to a robot that is known to be gone
	require.Equal(t, "robot_robot_gone", waits(s, waiting[2]))
	trial := s.post(fmt.Sprintf("/api/alerts/wechat-groups/%d/test", broken), "")
	require.Equal(t, true, trial.fields["success"], trial.text)
	robots.ExpectWithin(t, 3*time.Second, ill, "测试消息")
	for _, id := range waiting {
		await(t, 10*time.Second, "what waited is on record as told", func() bool { return s.story(id)["wechatSent"] == true })
	}
	robots.ExpectNoMore(t, robots.Key("fallback"), time.Second)
	checkToldOnce(t, robots.Messages(ill), "first", "second", "third")
	checkBroken(t, s, broken, false)
	checkCalm(t, robots.Messages(well), calm)
	assert.Equal(t, 1, robots.MaxInFlight(ill))
}

// keepCalm posts events for the other group, ever again until the trouble is
// over, and gives when each was posted.
func keepCalm(t *testing.T, s *runningService, over func() bool) (posted []time.Time) {
	t.Helper()
	// Slow enough for each to go singly and at once: so many are no overload.
	const pace = 7 * time.Second
	for deadline := time.Now().Add(4 * time.Minute); !over(); {
		require.True(t, time.Now().Before(deadline), "the trouble is not over within 4 min")
		ev := ticker(fmt.Sprintf("calm-%03d", len(posted)))
		ev.EventType = "CALM"
		posted = append(posted, time.Now())
		require.Equal(t, http.StatusOK, s.notify(ev).status)
		for next := time.Now().Add(pace); time.Now().Before(next) && !over(); {
			time.Sleep(500 * time.Millisecond)
		}
	}
	return posted
}

// verdicts are the messages about some alerts that were answered, in the order in
// which they were sent.
func verdicts(s *runningService, alerts []int64) (all []map[string]any) {
	for _, id := range alerts {
		for _, m := range objects(s.story(id), "messages") {
			if m["status"] != "SENDING" {
				all = append(all, m)
			}
		}
	}
	slices.SortFunc(all, func(a, b map[string]any) int { return int(a["id"].(float64) - b["id"].(float64)) })
	return all
}

// checkToldOnce: each service is in one message.
func checkToldOnce(t *testing.T, shown []wecomtest.Received, services ...string) {
	t.Helper()
	for _, service := range services {
		times := 0
		for _, m := range shown {
			times += strings.Count(m.Content, service)
		}
		assert.Equal(t, 1, times, service)
	}
	assert.LessOrEqual(t, len(shown), 1+len(services), "the test, and what waited, maybe folded")
}

func checkVerdicts(t *testing.T, got []map[string]any, begun time.Time) {
	t.Helper()
	var took []string
	for i, want := range trouble {
		assert.Equal(t, want.status, got[i]["status"], want.name)
		assert.Equal(t, want.errcode, got[i]["errCode"], want.name)
		assert.Contains(t, got[i]["error"], want.says, want.name)
		sent, err := time.Parse(time.RFC3339, got[i]["sentAt"].(string))
		require.NoError(t, err)
		took = append(took, fmt.Sprintf("%s after %s", want.name, sent.Sub(begun).Round(time.Second)))
		if i == 1 {
			assert.Greater(t, sent.Sub(begun), 58*time.Second, "after 45009 the robot rests for a minute at least")
		}
	}
	t.Logf("figures: a robot in trouble: %s", strings.Join(took, ", "))
}

// checkBroken: the API and the metrics say whether a group's robot is gone.
func checkBroken(t *testing.T, s *runningService, group int64, broken bool) {
	t.Helper()
	state := map[bool]string{true: "BROKEN", false: "OK"}
	await(t, 5*time.Second, "the metrics say so", func() bool {
		return strings.Contains(s.get("/metrics").text, fmt.Sprintf("\ntrade_monitor_robot_state{group=\"%d\",state=%q} 1\n", group, state[broken]))
	})
	for _, g := range objects(s.get("/api/alerts/wechat-groups").fields, "data") {
		ours := int64(g["id"].(float64)) == group
		require.Equal(t, state[ours && broken], g["robotState"], "%v", g)
		if ours && broken {
			require.Contains(t, g["robotReason"].(map[string]any)["text"], "errcode 93000")
		}
	}
	alarm := s.alarms("交易组")
	require.Len(t, alarm, 1)
	require.Equal(t, "ROBOT_BROKEN", alarm[0]["alertType"])
	require.Equal(t, map[bool]string{true: "OPEN", false: "RESOLVED"}[broken], alarm[0]["status"])
}

// waits is why the only word about an alert waits.
func waits(s *runningService, alert int64) string {
	why, _ := objects(s.story(alert), "notifications")[0]["waits"].(map[string]any)
	code, _ := why["code"].(string)
	return code
}

// checkCalm: the other group was told of each of its events at once, and of the
// robot that is gone, once when it was and once when it was mended.
func checkCalm(t *testing.T, shown []wecomtest.Received, posted []time.Time) {
	t.Helper()
	var late []time.Duration
	var robot []string
	for _, m := range shown {
		if strings.Contains(m.Content, "群机器人已") {
			robot = append(robot, m.Content)
			continue
		}
		n := len(late)
		require.Less(t, n, len(posted), "an extra message: %s", m.Content)
		require.Contains(t, m.Content, fmt.Sprintf("calm-%03d", n))
		late = append(late, m.At.Sub(posted[n]))
		assert.Less(t, late[n], heldUp(), "event %d", n)
	}
	require.Len(t, late, len(posted), "each event of the other group was told")
	require.Len(t, robot, 2)
	assert.Contains(t, robot[0], "群机器人已失效")
	assert.Contains(t, robot[1], "已恢复")
	t.Logf("figures: the other group meanwhile, from its event to its message: %s", spread(late))
}
