package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/store/storetest"
	"trade-monitor/shared/wecom/wecomtest"
)

// healthyHost is a machine on which nothing is wrong: each fault is planted in
// one of its settings.
type healthyHost struct {
	engine    *dockertest.Private
	robots    *wecomtest.Server
	container string
	settings  []string
}

func newHealthyHost(t *testing.T) *healthyHost {
	engine := dockertest.PrivateEngine(t)
	container := engine.Run(t, dockertest.Spec{Args: []string{"-tick", "100ms"}})
	robots := wecomtest.Start(t)
	return &healthyHost{engine, robots, container.Name, []string{
		"PORT=" + fmt.Sprint(unusedPort(t)), "DOCKER_HOST=" + engine.Host, "REMEDIATION_CONTAINERS=" + container.Name, "ASYNC_MONITOR_CONTAINER=" + container.Name,
		"WECHAT_ALLOWED_HOSTS=" + robots.Host, "WECHAT_WEBHOOK_URL=" + robots.Webhook("doctor"),
		"API_TOKENS=canary:all:canary-doctor-token",
	}}
}

func unusedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (h *healthyHost) doctor(t *testing.T, dir string, more ...string) typed {
	t.Helper()
	return typeCommand(t, dir, append(h.settings, more...), "doctor")
}

func TestDoctorFindsNothingWhereNothingIsWrong(t *testing.T) {
	h := newHealthyHost(t)
	dir := t.TempDir()
	before := h.doctor(t, dir)
	assert.Zero(t, before.code, before.out)
	assert.Contains(t, before.out, "失败 (failed) 0，注意 (warnings) 0")
	assert.Regexp(t, `内置公共根证书 1\d\d 个，20\d\d-`, before.out)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "it leaves nothing behind")

	s := launch(t, append(h.settings, "PORT=0")...)
	beside := s.command("doctor")
	assert.Zero(t, beside.code, beside.out)
	assert.Contains(t, beside.out, "服务正在运行", "the embedded database is read beside the service")
	require.Zero(t, s.stop())
	assert.NotContains(t, s.output.String(), "mend=", "the start has nothing to tell either")
	after := typeCommand(t, s.dir, append(s.env, "PORT="+fmt.Sprint(unusedPort(t))), "doctor")
	assert.Zero(t, after.code, after.out)
	h.robots.ExpectNoMore(t, h.robots.Key("doctor"), 0)
}

// Each fault is planted in a host where all else is well; doctor names it, and
// the mend.
func TestDoctorFindsPlantedFaults(t *testing.T) {
	h := newHealthyHost(t)
	server := storetest.MariaDB(t)
	mysqlOf := func(more ...string) []string { return append(databaseSettings(server), more...) }
	for name, fault := range map[string]struct {
		plant       func(t *testing.T, dir string) []string
		finds, mend string
		warns       bool
	}{
		"a bad value in .env": {
			func(t *testing.T, dir string) []string {
				writeFile(t, filepath.Join(dir, ".env"), "REMEDIATION_MODE=sometimes\nTZ=Nowhere\n")
				return nil
			}, "REMEDIATION_MODE", "改正 .env", false},
		"a refused password": {
			func(*testing.T, string) []string { return mysqlOf("MYSQL_PASSWORD=canary-refused-password") }, "数据库拒绝连接", "检查 MYSQL_USER", false},
		"a database that is away": {
			func(*testing.T, string) []string { return mysqlOf("MYSQL_PORT=1") }, "不可达", "检查 MYSQL_HOST", false},
		"a database without tables": {
			func(*testing.T, string) []string { return mysqlOf() }, "表缺失或版本旧", "trade-monitor init-db", false},
		"the guide's example as robot": {
			func(*testing.T, string) []string {
				return []string{"WECHAT_ALLOWED_HOSTS=", "WECHAT_WEBHOOK_URL=https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=YOUR_KEY_HERE"}
			}, "TICKER_SYNC_TIMEOUT 不会通知任何人", "写入 .env 的 WECHAT_WEBHOOK_URL", false},
		"a robot on a host that is not allowed": {
			func(*testing.T, string) []string { return []string{"WECHAT_ALLOWED_HOSTS=qyapi.weixin.qq.com"} }, "主机不在 WECHAT_ALLOWED_HOSTS 中", "改正 .env", false},
		"no way to WeCom": {
			func(t *testing.T, _ string) []string {
				address := fmt.Sprintf("127.0.0.1:%d", unusedPort(t))
				return []string{"WECHAT_ALLOWED_HOSTS=" + address, "WECHAT_WEBHOOK_URL=" + wecomtest.URL("http://"+address, "test-robot-unreached")}
			}, "无法连接", "检查本机的网络、DNS、防火墙和 HTTPS_PROXY", false},
		"no Docker socket": {
			func(t *testing.T, dir string) []string { return []string{"DOCKER_HOST=unix://" + dir + "/no.sock"} }, "没有 socket 文件", "挂载 /var/run/docker.sock", false},
		"a socket without an engine": {
			func(t *testing.T, dir string) []string {
				l, err := net.Listen("unix", dir+"/dead.sock")
				require.NoError(t, err)
				l.(*net.UnixListener).SetUnlinkOnClose(false)
				require.NoError(t, l.Close())
				return []string{"DOCKER_HOST=unix://" + dir + "/dead.sock"}
			}, "socket 上没有引擎", "systemctl start docker", false},
		"a container's name with a typo": {
			func(*testing.T, string) []string {
				return []string{"REMEDIATION_CONTAINERS=" + h.container + ",aifuturetrade-async-servcie-of-a-test"}
			}, "没有名为 aifuturetrade-async-servcie-of-a-test 的容器", "docker ps -a", true},
		"a watched container that may not be restarted": {
			func(*testing.T, string) []string { return []string{"ASYNC_MONITOR_CONTAINER=another"} }, "another 不在 REMEDIATION_CONTAINERS 中", "加入 REMEDIATION_CONTAINERS", true},
		"a log folder that is a file": {
			func(t *testing.T, dir string) []string {
				writeFile(t, filepath.Join(dir, "log"), "")
				return []string{"LOG_DIR=" + filepath.Join(dir, "log")}
			}, "LOG_DIR", "chown", false},
		"a port that another program holds": {
			func(t *testing.T, _ string) []string {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				t.Cleanup(func() { _ = l.Close() })
				return []string{fmt.Sprintf("PORT=%d", l.Addr().(*net.TCPAddr).Port)}
			}, "被其他程序占用", "更换 PORT", false},
		"an API that is open to the network": {
			func(*testing.T, string) []string { return []string{"LISTEN_HOST=0.0.0.0", "API_TOKENS="} }, "端口对网络开放", "设置 API_TOKENS", true},
		"a policy file with a mistake": {
			func(t *testing.T, dir string) []string {
				writeFile(t, filepath.Join(dir, "policy.yaml"), "types:\n  A: {action: dance}\n")
				return []string{"POLICY_FILE=" + filepath.Join(dir, "policy.yaml")}
			}, "第 2 行 types.A.action", "trade-monitor policy check", false},
		"a certificate that is missing": {
			func(*testing.T, string) []string {
				return []string{"TLS_CERT_FILE=/no/cert.pem", "TLS_KEY_FILE=/no/key.pem"}
			}, "https 证书无法使用", "改正 TLS_CERT_FILE", false},
		"an authority that is no certificate": {
			func(t *testing.T, dir string) []string {
				writeFile(t, filepath.Join(dir, "ca.pem"), "nothing")
				return []string{"SSL_CERT_FILE=" + filepath.Join(dir, "ca.pem")}
			}, "没有 PEM 证书", "改正 SSL_CERT_FILE", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			done := h.doctor(t, dir, fault.plant(t, dir)...)
			code, mark := 1, "✗"
			if fault.warns {
				code, mark = 0, "!"
			}
			assert.Equal(t, code, done.code, done.out)
			assert.True(t, finding(done.out, mark, fault.finds, fault.mend), "%s … %s in\n%s", fault.finds, fault.mend, done.out)
		})
	}
}

// finding tells whether a line with the mark holds the one text, and the mend
// below it the other.
func finding(out, mark, what, mend string) bool {
	lines := strings.Split(out, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, mark) && strings.Contains(strings.Join(lines[i:], "\n"), "处理 (mend)") {
			said, rest, _ := strings.Cut(strings.Join(lines[i:], "\n"), "处理 (mend)")
			if strings.Contains(said, what) && strings.Contains(firstOf(rest), mend) {
				return true
			}
		}
	}
	return false
}

func firstOf(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// What only the record knows: a robot that is gone, words that wait, groups that
// people switched off.
func TestDoctorReadsTheRecord(t *testing.T) {
	h := newHealthyHost(t)
	db := storetest.MariaDB(t)
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte("defaults: {escalate: [{after: 15m, groups: [值班经理裙]}]}\n"), 0o600))
	s := launch(t, append(append(h.settings, databaseSettings(db)...), "PORT=0", "API_TOKENS=", "POLICY_FILE="+policy)...)
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	id := s.addGroup("交易组", wecomtest.URL("http://"+h.robots.Host, "test-robot-removed"))
	s.notify(ticker("svc"))
	await(t, 10*time.Second, "refused", func() bool { return strings.Contains(s.get("/api/alerts/1").text, "93000") })
	hand := db.Admin(t, db.Name)
	_, err := hand.Exec("UPDATE alert_notifications SET created_us = created_us - 600000000")
	require.NoError(t, err)

	done := s.command("doctor")
	assert.Equal(t, 1, done.code, done.out)
	assert.True(t, finding(done.out, "!", "defaults.escalate[0].groups: 值班经理裙", "wechat_groups"), done.out)
	assert.True(t, finding(done.out, "✗", "群“交易组”的机器人已失效", "重新添加或启用机器人"), done.out)
	assert.True(t, finding(done.out, "✗", "群“交易组”有 1 条通知未送达", fmt.Sprintf("trade-monitor wechat-test %d", id)), done.out)

	_, err = hand.Exec("UPDATE wechat_groups SET is_enabled = 0")
	require.NoError(t, err)
	done = s.command("doctor")
	assert.True(t, finding(done.out, "✗", "1 个群全部停用", "is_enabled = 1"), done.out)
}

// A user without a right to the socket is told which group to join.
func TestDoctorSeesAMissingRightToTheSocket(t *testing.T) {
	h := newHealthyHost(t)
	dir := t.TempDir()
	for path := dir; path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		require.NoError(t, os.Chmod(path, 0o755))
	}
	program := filepath.Join(dir, "trade-monitor")
	content, err := os.ReadFile(binary(t))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, content, 0o755))
	require.NoError(t, os.Chmod(program, 0o755))
	cmd := exec.CommandContext(t.Context(), program, "doctor")
	cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + os.Getenv("PATH")}, h.settings...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.True(t, finding(string(out), "✗", "无权使用 socket", "group_add"), "%s", out)
	assert.True(t, finding(string(out), "✗", "DATA_DIR", "chown -R 65534:65534"), "%s", out)
}

// Everything around hangs: doctor does not.
func TestDoctorComesToAnEnd(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			defer conn.Close() //nolint:staticcheck // all at the end
		}
	}()
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer hung.Close()
	address := silent.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	done := typeCommand(t, t.TempDir(), []string{
		"MYSQL_HOST=127.0.0.1", "MYSQL_PORT=" + port, "MYSQL_USER=u", "MYSQL_PASSWORD=canary-hung-password", "MYSQL_DATABASE=d",
		"WECHAT_ALLOWED_HOSTS=" + address, "WECHAT_WEBHOOK_URL=" + wecomtest.URL("http://"+address, "test-robot-hung"),
		"DOCKER_HOST=tcp://" + strings.TrimPrefix(hung.URL, "http://"), "PORT=" + port,
	}, "doctor")
	assert.Equal(t, 1, done.code, done.out)
	assert.Less(t, done.took, 16*time.Second)
	assert.Contains(t, done.out, "检查完成")
}

// The start tells in short what would go wrong, with the mend.
func TestTheStartTellsWhatDoctorWould(t *testing.T) {
	s := launch(t, "WECHAT_WEBHOOK_URL=https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=YOUR_KEY_HERE", "REMEDIATION_MODE=off")
	s.awaitLine(`TICKER_SYNC_TIMEOUT 不会通知任何人.* mend=.*WECHAT_WEBHOOK_URL`)
}
