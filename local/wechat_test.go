package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store/storetest"
	"trade-monitor/shared/wecom/wecomtest"
)

// addGroup puts a row into the table by the API, as a person would.
func (s *runningService) addGroup(name, webhook string) int64 {
	s.t.Helper()
	answer := s.post("/api/alerts/wechat-groups", fmt.Sprintf(`{"groupName":%q,"webhookUrl":%q}`, name, webhook))
	require.Equal(s.t, http.StatusOK, answer.status, answer.text)
	return int64(answer.object("data")["id"].(float64))
}

// bySQL writes into the database of the running service, as a person would.
func (s *runningService) bySQL(statement string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "data", "trade-monitor.db")+"?_pragma=busy_timeout(5000)")
	require.NoError(s.t, err)
	defer db.Close()
	_, err = db.ExecContext(s.t.Context(), statement)
	require.NoError(s.t, err)
}

func robotsFor(t *testing.T) (*wecomtest.Server, []string) {
	robots := wecomtest.Start(t)
	return robots, []string{"REMEDIATION_MODE=off", "WECHAT_ALLOWED_HOSTS=" + robots.Host, "WECHAT_WEBHOOK_URL=" + robots.Webhook("fallback")}
}

func TestWechatTestTellsEveryGroupAndWhatIsWrong(t *testing.T) {
	robots, env := robotsFor(t)
	s := launch(t, env...)
	s.addGroup("交易组", robots.Webhook("trade"))
	s.addGroup("同一个机器人", robots.Webhook("trade"))
	s.addGroup("旧机器人", wecomtest.URL("http://"+robots.Host, "test-robot-removed"))
	s.addGroup("示例", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=YOUR_KEY_HERE")
	s.canaries.add(robots.Key("trade"), "test-robot-removed")

	done := s.command("wechat-test")
	assert.Equal(t, 1, done.code, done.out)
	assert.Regexp(t, `✓ 交易组 \(id 1\): 已送达，\d+ 毫秒`, done.out)
	assert.NotContains(t, done.out, "同一个机器人", "each robot once")
	assert.Contains(t, done.out, "✗ 旧机器人 (id 3): errcode 93000，Webhook 的 key 无效或机器人已被移除")
	assert.Contains(t, done.out, "处理 (mend)：请在群里重新添加机器人，并更新 webhook_url (add a robot")
	assert.Contains(t, done.out, "✗ 示例 (id 4): 未配置")
	assert.Regexp(t, `✓ WECHAT_WEBHOOK_URL \(id 0\): 已送达`, done.out)
	assert.Contains(t, done.out, "4 个群中有 2 个未送达")
	robots.ExpectWithin(t, time.Second, robots.Key("trade"), "测试消息", "交易组")
	robots.ExpectWithin(t, time.Second, robots.Key("fallback"), "测试消息", "WECHAT_WEBHOOK_URL")

	byName, byID, unknown := s.command("wechat-test", "交易组"), s.command("wechat-test", "1"), s.command("wechat-test", "x")
	assert.Zero(t, byName.code, byName.out)
	assert.Zero(t, byID.code, byID.out)
	assert.Equal(t, 1, unknown.code)
	assert.Contains(t, unknown.out, `没有 id 或名称为 "x" 的群`)
	robots.ExpectWithin(t, time.Second, robots.Key("trade"), "测试消息")
	robots.ExpectWithin(t, time.Second, robots.Key("trade"), "测试消息")
}

func TestWechatTestWithoutTheService(t *testing.T) {
	robots, env := robotsFor(t)
	dir := t.TempDir()
	done := typeCommand(t, dir, append(env, "PORT=1"), "wechat-test")
	assert.Zero(t, done.code, done.out)
	assert.Contains(t, done.out, "服务未运行")
	robots.ExpectWithin(t, time.Second, robots.Key("fallback"), "测试消息")

	robots.Fail(robots.Key("fallback"), wecomtest.Hang(time.Minute))
	hung := typeCommand(t, dir, append(env, "PORT=1"), "wechat-test")
	assert.Equal(t, 1, hung.code)
	assert.Contains(t, hung.out, "结果未知")
	assert.Contains(t, hung.out, "处理 (mend)：请到群里查看")
	assert.Less(t, hung.took, 12*time.Second)

	nothing := typeCommand(t, dir, []string{"PORT=1", "REMEDIATION_MODE=off"}, "wechat-test")
	assert.Equal(t, 1, nothing.code)
	assert.Contains(t, nothing.out, "把它的 Webhook 写入 .env 的 WECHAT_WEBHOOK_URL")
}

func TestWechatTestNeedsATokenWhereTheServiceDoes(t *testing.T) {
	robots, env := robotsFor(t)
	s := launch(t, append(env, "API_TOKENS=a:read:canary-reader,b:operate:canary-operator")...)
	done := s.command("wechat-test")
	assert.Zero(t, done.code, done.out)
	robots.ExpectWithin(t, time.Second, robots.Key("fallback"), "测试消息")

	s.env = append(s.env, "API_TOKENS=a:read:canary-reader,b:operate:canary-another")
	denied := s.command("wechat-test")
	assert.Equal(t, 1, denied.code)
	assert.Contains(t, denied.out, "API_TOKENS")
}

// A mended robot does not have to be waited for: its test sends what waits.
func TestATestThatArrivesSendsWhatWaits(t *testing.T) {
	robots, env := robotsFor(t)
	s := launch(t, env...)
	key := robots.Key("fallback")
	robots.Fail(key, wecomtest.ErrCode(93008))
	s.notify(ticker("svc"))
	await(t, 5*time.Second, "the robot is known to be gone", func() bool {
		messages := objects(s.story(1), "messages")
		return len(messages) == 1 && messages[0]["status"] == "REFUSED"
	})
	require.Equal(t, http.StatusOK, s.post("/api/alerts/wechat-groups/0/test", "").status)
	robots.ExpectWithin(t, time.Second, key, "测试消息")
	robots.ExpectWithin(t, 2*time.Second, key, "Ticker同步超时告警")
}

// Test messages cost budget like all others.
func TestTestsKeepToTheBudget(t *testing.T) {
	robots, env := robotsFor(t)
	s := launch(t, env...)
	for range alerting.RobotBudget {
		require.Equal(t, http.StatusOK, s.post("/api/alerts/wechat-groups/0/test", "").status)
		robots.ExpectWithin(t, time.Second, robots.Key("fallback"), "测试消息")
	}
	over := s.post("/api/alerts/wechat-groups/0/test", "")
	require.Equal(t, http.StatusConflict, over.status, over.text)
	require.Contains(t, over.text, `"code":"robot_budget"`)
	require.Contains(t, over.text, `"retryAt":`)
	wait, err := strconv.Atoi(over.header.Get("Retry-After"))
	require.NoError(t, err, over.header)
	require.True(t, wait > 30 && wait <= 61, "%d s", wait)
	require.Equal(t, alerting.RobotBudget, robots.Attempts(robots.Key("fallback")), "nothing was sent for it")
}

func TestGroupsAreKeptByTheAPI(t *testing.T) {
	robots, env := robotsFor(t)
	s := launch(t, env...)
	s.canaries.add(robots.Key("ops"))
	id := s.addGroup("运维", robots.Webhook("ops"))
	path := fmt.Sprintf("/api/alerts/wechat-groups/%d", id)
	put := func(body string) reply {
		r, err := s.do(http.MethodPut, path, "application/json", body)
		require.NoError(t, err)
		return r
	}

	changed := put(`{"alertTypes":"ticker_sync_timeout， CONTAINER_DOWN","description":"值班","webhookUrl":"http://x/cgi-bin/webhook/send?key=***"}`)
	require.Equal(t, http.StatusOK, changed.status, changed.text)
	require.Equal(t, "TICKER_SYNC_TIMEOUT,CONTAINER_DOWN", changed.object("data")["alertTypes"])
	s.notify(ticker("svc"))
	robots.ExpectWithin(t, 2*time.Second, robots.Key("ops"), "Ticker同步超时告警") // a masked webhook stays as it was

	wrong := put(`{"groupName":"","alertTypes":"` + strings.Repeat("x", 51) + `","webhookUrl":"https://elsewhere.invalid/send?key=k"}`)
	require.Equal(t, http.StatusBadRequest, wrong.status)
	for _, field := range []string{"groupName", "alertTypes", "webhookUrl"} {
		require.Contains(t, wrong.text, `"field":"`+field+`"`, "all problems at once")
	}
	example := put(`{"webhookUrl":"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=YOUR_KEY_HERE"}`)
	require.Contains(t, example.text, `"notes":["webhookUrl 仍是示例地址`)
	environment := put(`{"webhookUrl":"${WECHAT_WEBHOOK_URL}"}`)
	require.Equal(t, true, environment.object("data")["configured"], environment.text)
	require.NotContains(t, environment.text, `"notes"`)
	s.notify(ticker("other"))
	robots.ExpectWithin(t, 2*time.Second, robots.Key("fallback"), "Ticker同步超时告警")

	gone, err := s.do(http.MethodDelete, path, "", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, gone.status)
	require.Equal(t, http.StatusNotFound, put(`{"isEnabled":false}`).status)
	require.Equal(t, http.StatusNotFound, s.post(path+"/test", "").status)
}

// What WeCom says of a test is its result, whatever it is; the record says who
// asked.
func TestATestAnswersWhatTheRobotSaid(t *testing.T) {
	robots, env := robotsFor(t)
	s := launch(t, append(env, "API_TOKENS=oncall:read+operate:canary-oncall-token")...)
	oncall := s.as("canary-oncall-token")
	key := robots.Key("fallback")
	try := func() map[string]any {
		answer := oncall.post("/api/alerts/wechat-groups/0/test", "")
		require.Equal(t, http.StatusOK, answer.status, answer.text)
		data := answer.object("data")
		require.Equal(t, data["verdict"] == "ACCEPTED", answer.fields["success"], answer.text)
		return data
	}
	for _, c := range []struct {
		fault      wecomtest.Fault
		verdict    string
		errcode    int
		what, mend string
	}{
		{wecomtest.OK(), "ACCEPTED", 0, "成功 (accepted)", ""},
		{wecomtest.ErrCode(93000), "REFUSED", 93000, "key 无效", "重新添加机器人"},
		{wecomtest.HTTPStatus(200), "UNKNOWN", 0, "结果未知", "HTTPS_PROXY"},
		{wecomtest.ErrCode(45009), "REFUSED", 45009, "每分钟 20 条", "请勿与其他程序共用"},
	} {
		robots.Fail(key, c.fault)
		data := try()
		assert.Equal(t, c.verdict, data["verdict"])
		assert.EqualValues(t, c.errcode, data["errcode"])
		assert.Contains(t, data["explanation"], c.what)
		if c.mend == "" {
			assert.Nil(t, data["mend"])
		} else {
			assert.Contains(t, data["mend"], c.mend)
		}
	}
	robots.ExpectWithin(t, time.Second, key, "测试消息", "发起：oncall")
	paused := oncall.post("/api/alerts/wechat-groups/0/test", "")
	require.Equal(t, http.StatusConflict, paused.status, "45009: the robot must be left alone")
	require.Contains(t, paused.text, `"code":"robot_rate_limit"`)
	require.NotEmpty(t, paused.header.Get("Retry-After"))

	await(t, 3*time.Second, "alert.log tells of every test, and who asked for it", func() bool {
		journal, err := os.ReadFile(filepath.Join(s.dir, "logs", "alert.log"))
		return err == nil && strings.Count(string(journal), "测试消息 WECHAT_WEBHOOK_URL (id 0) | 发起：oncall | ") == 4 &&
			strings.Contains(string(journal), "| REFUSED errcode 93000")
	})
}

// Rows that people write by SQL are tried as they stand.
func TestWechatTestOfRowsBySQL(t *testing.T) {
	robots, env := robotsFor(t)
	s := launch(t, env...)
	s.bySQL("INSERT INTO wechat_groups (group_name, webhook_url, is_enabled) VALUES ('外面', 'https://elsewhere.invalid/cgi-bin/webhook/send?key=test-robot-elsewhere', 1)")
	s.bySQL("INSERT INTO wechat_groups (group_name, webhook_url, is_enabled) VALUES ('停用', '" + robots.Webhook("off") + "', 0)")
	s.bySQL("INSERT INTO wechat_groups (group_name, webhook_url, is_enabled) VALUES ('1', '" + robots.Webhook("named-1") + "', 1)")
	s.canaries.add("test-robot-elsewhere", robots.Key("off"))

	outside := s.command("wechat-test", "外面")
	assert.Equal(t, 1, outside.code)
	assert.Contains(t, outside.out, "elsewhere.invalid")
	assert.Contains(t, outside.out, "处理 (mend)：请更正 webhook_url，或在 WECHAT_ALLOWED_HOSTS 中加入该主机")

	off := s.command("wechat-test", "停用")
	assert.Zero(t, off.code, off.out)
	assert.Contains(t, off.out, "该群已停用")
	robots.ExpectWithin(t, time.Second, robots.Key("off"), "测试消息", "已停用")

	assert.Zero(t, s.command("wechat-test", "1").code, "a name comes before a number")
	robots.ExpectWithin(t, time.Second, robots.Key("named-1"), "测试消息")

	robots.Fail(robots.Key("named-1"), wecomtest.ErrCode(45009))
	rate := s.command("wechat-test", "3")
	assert.Equal(t, 1, rate.code)
	assert.Contains(t, rate.out, "errcode 45009")
	again := s.command("wechat-test", "3")
	assert.Equal(t, 1, again.code)
	assert.Contains(t, again.out, "暂停发送")
}

// The embedded database belongs to the process that serves; where that does not
// answer at PORT, the command says so and sends nothing.
func TestWechatTestBesideAServiceElsewhere(t *testing.T) {
	_, env := robotsFor(t)
	s := launch(t, env...)
	done := typeCommand(t, s.dir, append(s.env, "PORT=1"), "wechat-test")
	assert.Equal(t, 1, done.code)
	assert.Contains(t, done.out, "没有应答，本命令也打不开数据库")
	assert.Contains(t, done.out, "127.0.0.1:1")
}

// What waits for a group that is deleted is settled, with the reason on record.
func TestWhatWaitsForADeletedGroupIsSuppressed(t *testing.T) {
	robots, env := robotsFor(t)
	s := launch(t, env...)
	id := s.addGroup("运维", robots.Webhook("ops"))
	robots.Fail(robots.Key("ops"), wecomtest.ErrCode(93008))
	s.notify(ticker("svc"))
	word := func() map[string]any { return objects(s.story(1), "notifications")[0] }
	await(t, 5*time.Second, "its robot is known to be gone", func() bool { return word()["status"] == "PENDING" && word()["attempts"] == 1.0 })
	gone, err := s.do(http.MethodDelete, fmt.Sprintf("/api/alerts/wechat-groups/%d", id), "", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, gone.status)
	await(t, 3*time.Second, "the word is settled", func() bool { return word()["status"] == "SUPPRESSED" })
	assert.Equal(t, "group_gone", word()["reason"].(map[string]any)["code"])
	robots.ExpectNoMore(t, robots.Key("ops"), 500*time.Millisecond)
}

// Before anything is sent the database is asked: when it hangs, a person is told
// so as soon as everybody is, and nothing is sent later.
func TestATestOfAGroupDoesNotHangWithTheDatabase(t *testing.T) {
	db := storetest.OwnMariaDB(t)
	robots, env := robotsFor(t)
	s := launch(t, append(databaseSettings(db), env...)...)
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	db.Signal(t, syscall.SIGSTOP)
	begun := time.Now()
	hung := s.post("/api/alerts/wechat-groups/0/test", "")
	assert.Equal(t, http.StatusServiceUnavailable, hung.status, hung.text)
	assert.Less(t, time.Since(begun), 2500*time.Millisecond)
	db.Signal(t, syscall.SIGCONT)
	robots.ExpectNoMore(t, robots.Key("fallback"), time.Second)
	await(t, 30*time.Second, "and then it works", func() bool {
		return s.post("/api/alerts/wechat-groups/0/test", "").status == http.StatusOK
	})
	robots.ExpectWithin(t, time.Second, robots.Key("fallback"), "测试消息")
}
