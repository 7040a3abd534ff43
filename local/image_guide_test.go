//go:build image

package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/local/demo/script"
	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/store/storetest"
	"trade-monitor/shared/wecom/wecomtest"
)

// The user's guide, line by line.

const guidePage = "docs/user-guide.zh.md"

// guideWalk is a user who goes through the guide from its first line to its
// last, with a MySQL server and the async-service in the same compose project.
type guideWalk struct {
	*deployment
	t       *testing.T
	db      storetest.Database
	tables  *sql.DB
	robots  *wecomtest.Robots
	control int // the stand-in's port on this machine
	fill    *strings.Replacer
}

// block is one fenced block of the guide, below the heading that it stands under.
type block struct{ heading, language, text string }

// step is what the user does with the next block of the guide.
type step struct {
	heading string
	do      func(text string)
}

func (r registry) doesWhatTheGuideSays(t *testing.T) {
	w := newGuideWalk(t, r)
	var request string
	steps := []step{
		{"1. 配置企业微信机器人", w.writeEnv},
		{"方法1: 使用Shell脚本（最简单）", func(text string) { w.freshDatabase(); w.shell(text); w.hasTables(); w.hasDefaultGroup() }},
		{"方法2: 使用初始化命令", func(text string) { w.freshDatabase(); w.shell(text); w.hasTables() }},
		{"方法2: 使用初始化命令", func(text string) {
			w.freshDatabase()
			w.shell("cd trade-monitor\n" + text)
			w.hasTables()
			w.hasDefaultGroup()
		}},
		{"方法3: 手动执行SQL脚本", func(text string) { w.freshDatabase(); w.typePassword(text); w.hasTables() }},
		{"方法3: 手动执行SQL脚本", func(text string) { w.freshDatabase(); w.sql(text); w.hasTables() }},
		{"3. 配置微信群", w.sql},
		{"4. 启动服务", w.start},
		{"1. 接收事件通知", func(text string) { request = text }},
		{"1. 接收事件通知", func(text string) {
			w.answers("POST", "/api/events/notify", request, text)
			w.isTold("Ticker同步超时告警")
		}},
		{"2. 查询告警记录", func(text string) {
			w.answers("GET", "/api/alerts?page=1&pageSize=20&alertType=TICKER_SYNC_TIMEOUT&status=OPEN", "", text)
		}},
		{"3. 手动触发告警处置", func(text string) { w.awaitResolved(); w.answers("POST", "/api/alerts/1/handle", "", text) }},
		{"4. 查询微信群配置", func(text string) { w.answers("GET", "/api/alerts/wechat-groups", "", text) }},
		{"Async Service监控配置", w.watchedAs},
		{"日志查看", w.logs},
		{"手动触发告警", func(text string) {
			require.Contains(t, w.shell("cd trade-monitor\n"+text), `"success":true`)
			w.isTold("测试告警")
		}},
	}
	blocks := blocksOf(fromRoot(t, guidePage))
	require.Len(t, blocks, len(steps), "every block of the guide is walked")
	for i, b := range blocks {
		require.Equal(t, steps[i].heading, b.heading)
		t.Logf("%s:\n%s", b.heading, firstLine(b.text))
		steps[i].do(b.text)
	}
	w.restartsOnAStall()
	w.answersItsTroubles()
}

var (
	guideBlock   = regexp.MustCompile("(?ms)^#{2,4} ([^\n]+)$|^```(\\w+)\n(.*?)^```$")
	guideInline  = regexp.MustCompile("`(docker-compose [^`]+)`")
	guideAPILine = regexp.MustCompile(`(?m)^\*\*(GET|POST)\*\* ` + "`([^`]+)`")
)

func blocksOf(page string) []block {
	var blocks []block
	heading := ""
	for _, found := range guideBlock.FindAllStringSubmatch(page, -1) {
		if found[1] != "" {
			heading = found[1]
			continue
		}
		blocks = append(blocks, block{heading: heading, language: found[2], text: found[3]})
	}
	return blocks
}

func newGuideWalk(t *testing.T, r registry) *guideWalk {
	robots, address, ca := secureRobots(t)
	w := &guideWalk{deployment: newDeployment(t, r, "guide"), t: t, db: storetest.OwnMariaDB(t), robots: robots, control: freePort(t)}
	settings := w.env
	w.env = nil // the user has .env, and nothing else
	w.run(t, "cp", ".env.example", ".env")
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		w.edit(t, map[string]string{name: value})
	}
	service := dockertest.Image(t, "trade-monitor/local/demo/asyncservice")
	w.override(t, trusting(ca)+w.service("async-service", w.standIn(), service, "8081")+
		w.service("other-service", w.stalling(), service, fmt.Sprintf("127.0.0.1:%d:%d", w.control, script.ControlPort)))
	w.edit(t, map[string]string{"REMEDIATION_CONTAINERS": w.standIn() + "," + w.stalling()})
	host := bridgeAddress(t)
	forward(t, net.JoinHostPort(host, strconv.Itoa(w.db.Port)), w.db.Host)
	w.edit(t, map[string]string{"WECHAT_ALLOWED_HOSTS": address, "MYSQL_HOST": host, "MYSQL_PORT": strconv.Itoa(w.db.Port),
		"MYSQL_USER": "aifuturetrade", "MYSQL_PASSWORD": guidePassword, "MYSQL_DATABASE": "aifuturetrade"})
	w.fill = strings.NewReplacer(
		"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=YOUR_KEY_HERE", wecomtest.URL("https://"+address, robots.Key("guide")),
		"mysql.example.internal", host, "3306", strconv.Itoa(w.db.Port), "YOUR_PASSWORD", guidePassword,
		"http://localhost:5005", w.url(), "aifuturetrade-trade-monitor", w.container, "aifuturetrade-async-service", w.standIn())
	root := w.db.Admin(t, "")
	_, err := root.Exec("CREATE USER 'aifuturetrade'@'%' IDENTIFIED BY '" + guidePassword + "'; GRANT ALL ON aifuturetrade.* TO 'aifuturetrade'@'%'")
	require.NoError(t, err)
	w.tables = root
	return w
}

// bridgeAddress is where containers of the default network reach this machine.
// An engine that found its bridge there already names no gateway.
func bridgeAddress(t *testing.T) string {
	t.Helper()
	if gateway := dockerCmd(t, "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}"); gateway != "" {
		return gateway
	}
	bridge, err := net.InterfaceByName(dockerCmd(t, "network", "inspect", "bridge", "-f", `{{index .Options "com.docker.network.bridge.name"}}`))
	require.NoError(t, err)
	addresses, err := bridge.Addrs()
	require.NoError(t, err)
	require.NotEmpty(t, addresses)
	ip, _, err := net.ParseCIDR(addresses[0].String())
	require.NoError(t, err)
	return ip.String()
}

// service is a service of the user's project, with the guide's settings.
func (d *deployment) service(name, container, image, port string) string {
	return fmt.Sprintf(`
  %s:
    container_name: %s
    image: %s
    environment:
      TRADE_MONITOR_URL: ${TRADE_MONITOR_URL:-http://trade-monitor:5005}
      ASYNC_MONITOR_CONTAINER: %[2]s
      ASYNC_MONITOR_TICKER_TIMEOUT: ${ASYNC_MONITOR_TICKER_TIMEOUT:-3}
      ASYNC_MONITOR_CHECK_INTERVAL: ${ASYNC_MONITOR_CHECK_INTERVAL:-60}
    ports:
      - "%[4]s"
    networks:
      - trade-monitor
`, name, container, image, port)
}

// stalling is the container whose ticker is made to stall: the first one is in
// its cooldown by then.
func (d *deployment) stalling() string { return d.standIn() + "-2" }

// guidePassword is made up for the server that the walk starts.
const guidePassword = "test-only-guide-password"

// forward lets containers reach a server that listens on loopback only.
func forward(t *testing.T, at, to string) {
	t.Helper()
	_, port, err := net.SplitHostPort(at)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", at)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go join(in, net.JoinHostPort(to, port))
		}
	}()
}

func join(in net.Conn, to string) {
	defer in.Close()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
	_, _ = io.Copy(in, out)
}

func (w *guideWalk) freshDatabase() {
	w.t.Helper()
	_, err := w.tables.Exec("DROP DATABASE IF EXISTS aifuturetrade; CREATE DATABASE aifuturetrade CHARACTER SET utf8mb4")
	require.NoError(w.t, err)
}

// writeEnv is “修改.env文件”.
func (w *guideWalk) writeEnv(text string) {
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(name, "#") {
			w.edit(w.t, map[string]string{name: w.fill.Replace(value)})
		}
	}
}

// shell runs a block where the user stands: beside the clone.
func (w *guideWalk) shell(text string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", w.fill.Replace(text))
	cmd.Dir, cmd.Env = filepath.Dir(w.dir), bareEnvironment()
	out, err := cmd.CombinedOutput()
	require.NoError(w.t, err, "%s\n%s", text, out)
	return string(out)
}

// typePassword runs a block in a terminal and answers its question.
func (w *guideWalk) typePassword(text string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "script", "-qec", w.fill.Replace(text), "/dev/null")
	cmd.Dir, cmd.Env = filepath.Dir(w.dir), bareEnvironment()
	stdin, err := cmd.StdinPipe()
	require.NoError(w.t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(w.t, err)
	require.NoError(w.t, cmd.Start())
	said := bufio.NewReader(stdout)
	asked, err := said.ReadString(':')
	require.NoError(w.t, err)
	require.Contains(w.t, asked, "password")
	_, err = io.WriteString(stdin, guidePassword+"\n")
	require.NoError(w.t, err)
	rest, _ := io.ReadAll(said) // ends with the terminal
	require.NoError(w.t, cmd.Wait(), "%s", rest)
}

// sql runs statements as a person does in a client.
func (w *guideWalk) sql(text string) {
	w.t.Helper()
	_, err := w.tables.Exec("USE aifuturetrade;" + w.fill.Replace(text))
	require.NoError(w.t, err)
}

func (w *guideWalk) count(query string) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.tables.QueryRow(query).Scan(&n))
	return n
}

// hasTables: the tables of the guide are there, with its columns.
func (w *guideWalk) hasTables() {
	w.t.Helper()
	for table, columns := range map[string]int{"wechat_groups": 8, "alert_records": 13} {
		var names []string
		for _, found := range regexp.MustCompile("(?m)^  `(\\w+)`").FindAllStringSubmatch(createOf(w.t, table), -1) {
			names = append(names, "'"+found[1]+"'")
		}
		require.Len(w.t, names, columns, table)
		require.Equal(w.t, columns, w.count("SELECT COUNT(*) FROM information_schema.columns WHERE table_schema='aifuturetrade' AND table_name='"+
			table+"' AND column_name IN ("+strings.Join(names, ",")+")"))
	}
}

func createOf(t *testing.T, table string) string {
	t.Helper()
	_, after, found := strings.Cut(fromRoot(t, guidePage), "CREATE TABLE IF NOT EXISTS `"+table+"`")
	require.True(t, found)
	statement, _, _ := strings.Cut(after, ";")
	return statement
}

func (w *guideWalk) hasDefaultGroup() {
	w.t.Helper()
	require.Equal(w.t, 1, w.count("SELECT COUNT(*) FROM aifuturetrade.wechat_groups WHERE group_name='默认告警群' AND is_enabled=1"))
}

// start is both commands of the guide, one after the other.
func (w *guideWalk) start(text string) {
	for _, command := range commandsOf(text) {
		w.shell("cd trade-monitor\n" + command)
	}
	await(w.t, 30*time.Second, "Swagger UI", func() bool {
		res, err := http.Get(w.url() + "/swagger-ui.html")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	for _, api := range guideAPILine.FindAllStringSubmatch(fromRoot(w.t, guidePage), -1) {
		path, _, _ := strings.Cut(api[2], "?")
		require.Contains(w.t, w.get(w.t, "/openapi.yaml"), "\n  "+path+":", "the guide's interface is in the contract")
	}
}

var jsonName = regexp.MustCompile(`"(\w+)":`)

// answers checks that an answer begins with the fields that the guide shows, in
// its order; it may have more.
func (w *guideWalk) answers(method, path, body, shown string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url()+path, strings.NewReader(w.fill.Replace(body)))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	require.Equal(w.t, http.StatusOK, res.StatusCode, "%s", text)
	var fields map[string]any
	require.NoError(w.t, json.Unmarshal(text, &fields))
	require.Equal(w.t, true, fields["success"])
	at := 0
	for _, name := range jsonName.FindAllString(shown, -1) {
		next := strings.Index(string(text)[at:], name)
		require.GreaterOrEqual(w.t, next, 0, "%s in %s", name, text)
		at += next
	}
	for _, message := range regexp.MustCompile(`"message": ("[^"]*")`).FindAllStringSubmatch(shown, -1) {
		require.Contains(w.t, string(text), `"message":`+message[1])
	}
}

// isTold waits for a message in the group that holds all the words.
func (w *guideWalk) isTold(words ...string) {
	w.t.Helper()
	await(w.t, 10*time.Second, "told of "+strings.Join(words, ", "), func() bool {
		return slices.ContainsFunc(w.robots.Messages(w.robots.Key("guide")), func(m wecomtest.Received) bool {
			return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(m.Content, word) })
		})
	})
}

// awaitResolved waits until the event's restart is proven and told.
func (w *guideWalk) awaitResolved() {
	w.t.Helper()
	await(w.t, time.Minute, "resolved", func() bool {
		return w.count("SELECT COUNT(*) FROM aifuturetrade.alert_records WHERE id=1 AND status='RESOLVED' AND wechat_sent=1 AND action_taken IS NOT NULL") == 1
	})
	w.isTold("已恢复")
}

// watchedAs is the watching part of .env, with the three minutes made short.
func (w *guideWalk) watchedAs(text string) {
	require.Contains(w.t, text, "ASYNC_MONITOR_TICKER_TIMEOUT=3\n")
	require.Contains(w.t, text, "ASYNC_MONITOR_CHECK_INTERVAL=60\n")
	w.writeEnv(strings.NewReplacer("TIMEOUT=3\n", "TIMEOUT=4s\n", "INTERVAL=60\n", "INTERVAL=2s\n").Replace(text))
	w.awaitHandled()
	w.shell("cd trade-monitor && docker-compose up -d")
}

// awaitHandled waits until the restart that handle asked for is over.
func (w *guideWalk) awaitHandled() {
	await(w.t, time.Minute, "handled", func() bool {
		return w.count("SELECT COUNT(*) FROM aifuturetrade.alert_remediations WHERE status IN ('REQUESTED','RUNNING','VERIFYING')") == 0
	})
}

// logs are the guide's three commands; each one follows, and is ended here.
func (w *guideWalk) logs(text string) {
	commands := append(commandsOf(text), inlineCommands(w.t)...)
	require.Len(w.t, commands, 5)
	for _, command := range commands {
		out, _ := w.terminal(w.fill.Replace(command))
		switch {
		case strings.Contains(command, "alert.log"):
			assert.Contains(w.t, out, "TICKER_SYNC_TIMEOUT", command)
		case strings.HasSuffix(command, "async-service"):
			assert.Contains(w.t, out, script.Synced, command)
		default:
			assert.Contains(w.t, out, "Trade Monitor v", command)
		}
	}
}

// inlineCommands are those of the guide's chapter on troubles.
func inlineCommands(t *testing.T) (commands []string) {
	t.Helper()
	for _, found := range guideInline.FindAllStringSubmatch(fromRoot(t, guidePage), -1) {
		commands = append(commands, found[1])
	}
	return commands
}

// terminal runs a command that never ends in a terminal, for three seconds.
func (w *guideWalk) terminal(command string) (string, error) {
	// In the foreground, else it may not use the terminal; -k for one that waits.
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "script", "-qec", "timeout --foreground -k 2 3 "+command, "/dev/null")
	cmd.Dir, cmd.Env = w.dir, bareEnvironment()
	out, err := cmd.Output()
	return string(out), err
}

// restartsOnAStall is the guide's “模拟ticker同步超时”, with seconds for minutes.
func (w *guideWalk) restartsOnAStall() {
	started := func() string { return dockerCmd(w.t, "inspect", "-f", "{{.State.StartedAt}}", w.stalling()) }
	before := started()
	res, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d%s", w.control, script.StallPath), "", nil)
	require.NoError(w.t, err)
	require.NoError(w.t, res.Body.Close())
	await(w.t, 30*time.Second, "restarted", func() bool { return started() != before })
	recorded := "SELECT COUNT(*) FROM aifuturetrade.alert_records WHERE alert_type='TICKER_SYNC_TIMEOUT' AND wechat_sent=1 AND service_name='" + w.stalling() + "'"
	await(w.t, 10*time.Second, "told and on record", func() bool { return w.count(recorded) == 1 })
	w.isTold(w.stalling(), "minutesSinceLastSync")
}

// answersItsTroubles: what the guide has people check is answered by doctor,
// here also that the container of .env is not one that may be restarted.
func (w *guideWalk) answersItsTroubles() {
	out := w.shell("docker exec aifuturetrade-trade-monitor trade-monitor doctor")
	for _, part := range []string{"✓ 数据库", "✓ 群", "✓ Docker: 可达", "aifuturetrade-async-service 不在 REMEDIATION_CONTAINERS 中"} {
		assert.Contains(w.t, out, part)
	}
}
