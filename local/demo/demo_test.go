package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/local/demo/engine"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/docker/dockertest"
)

// The tests have names of their own, so that they never remove a demonstration
// that somebody keeps. Runs wait for each other.
const (
	testName = DefaultName + "-test"
	asMain   = "TRADE_MONITOR_DEMO_AS_MAIN"
)

// TestMain lets the test binary be the program, for the test that kills it.
func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// ours lists what the demonstration has in Docker.
func ours(t *testing.T) []string {
	t.Helper()
	e, err := engine.Open(os.Getenv("DOCKER_HOST"))
	require.NoError(t, err)
	defer e.Close()
	names, err := e.Labelled(t.Context(), newStage(e, testName, nil).labels)
	require.NoError(t, err)
	return names
}

// listener calls heard once, when what was said holds the words.
type listener struct {
	mu    sync.Mutex
	said  bytes.Buffer
	words string
	heard func() error
}

func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said.Write(p)
	if l.heard != nil && strings.Contains(l.said.String(), l.words) {
		heard := l.heard
		l.heard = nil
		return len(p), heard()
	}
	return len(p), nil
}

func (l *listener) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.String()
}

func runDemo(t *testing.T, ctx context.Context, out io.Writer) (code int, errors string) {
	t.Helper()
	var stderr bytes.Buffer
	code = run(ctx, []string{"--name", testName}, os.Getenv, out, &stderr)
	return code, stderr.String()
}

// killedRun is a demonstration that was killed as soon as everything stood.
func killedRun(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "--name", testName)
	cmd.Env = append(os.Environ(), asMain+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out := &listener{words: "【服务】", heard: func() error { return cmd.Process.Kill() }}
	cmd.Stdout, cmd.Stderr = out, out
	require.ErrorContains(t, cmd.Run(), "signal: killed", "%s", out)
	require.Len(t, ours(t), 9, "four containers, a network and four images are left behind\n%s", out)
}

// requireTold checks that all of it was said, in this order.
func requireTold(t *testing.T, all string, wanted ...string) {
	t.Helper()
	rest := all
	for _, want := range wanted {
		at := regexp.MustCompile(want).FindStringIndex(rest)
		require.NotNil(t, at, "not told, or not in this order: %s\n%s", want, all)
		rest = rest[at[1]:]
	}
}

func TestTheStoryHappensAndLeavesNothing(t *testing.T) {
	killedRun(t)
	foreign := dockertest.Run(t, dockertest.Spec{Name: testName + "-async-service", Labels: map[string]string{labelName: testName, labelOwner: "somebody else"}})
	// Somebody's own container that is watched, and ends again and again.
	dockertest.Run(t, dockertest.Spec{Name: "real", Labels: map[string]string{docker.WatchLabel: "true"}, Args: []string{"-exit-after", "3s"}, RestartPolicy: "always"})
	before := foreign.State()

	var built time.Time
	out := &listener{words: "四个镜像已就绪", heard: func() error { built = time.Now(); return nil }}
	code, failures := runDemo(t, t.Context(), out)
	require.Equal(t, exitOK, code, "%s\n%s", failures, out)
	assert.Less(t, time.Since(built), 90*time.Second, "a demonstration is no long wait")
	t.Logf("\n%s", out)

	requireTold(t, out.String(),
		`已移除之前留下的 9 项`,
		`Trade Monitor 已就绪`,
		`http://127\.0\.0\.1:\d+/api/alerts`,
		`\(the group, for your browser\): http://127\.0\.0\.1:\d+/\n`,
		`━━ 开场`,
		`【服务】async-service 已启动`,
		`│ 日志 log +up +超过 3s 没有同步行即告警`,
		`│ 容器 container +up `,
		`│ 心跳 heartbeat +up +超过 4s \+ 4s 没有心跳即告警`,

		`━━ 第一幕`,
		`▶ 演示操作：让 ticker 停滞`,
		`ticker 停滞 \d 秒…`,
		`【监控】日志监控：最后一行同步之后 3s 没有新的`,
		`【告警】#1 TICKER_SYNC_TIMEOUT · ERROR · Ticker同步超时告警`,
		`【通知】微信群收到第 1 条消息`,
		`│ 错误：Ticker同步超时告警\n`,
		`│ > 已用独立连接再次读取日志确认，容器在运行\n`,
		`│ > 最近日志：\n`,
		`│ > Ticker数据同步完成 .* #\d+\n`,
		`【处置】容器又启动了，Docker 的 StartedAt：\d\d:\d\d:\d\d\.\d+ → \d\d:\d\d:\d\d\.\d+`,
		`【通知】微信群收到第 2 条消息`,
		`│ 已恢复：Ticker同步超时告警\n`,
		`│ 恢复：.*（历时 \d+秒）\n`,
		`重启后已稳定运行 20s / 30s`,
		`【记录】#1 的处置已被证实`,
		`status=RESOLVED actionTaken=重启容器 `+testName+`-async-service：已恢复.* wechatSent=true occurrences=2`,
		`│ .*1\. 收到事件.*由日志监控发现`,

		`━━ 第二幕`,
		`▶ 演示操作：让服务自己崩溃`,
		`【告警】#2 CONTAINER_DOWN · CRITICAL · 容器 `+testName+`-async-service 意外退出，退出码 3`,
		`【通知】微信群收到第 3 条消息`,
		`│ > 退出码 3\n`,
		`从进程退出到群里收到消息：\d+ 毫秒`,
		`▶ 演示操作：值班的张三看到通知，调用 POST /api/alerts/2/handle 启动它`,
		`【处置】启动 `+testName+`-async-service，下达者：张三`,
		`【服务】ticker 又开始同步`,
		`【通知】微信群收到第 4 条消息`,
		`│ 已恢复：容器 `+testName+`-async-service 意外退出`,

		`━━ 第三幕`,
		`▶ 演示操作：让服务停发心跳`,
		`\d 秒没有心跳，监控状态 late…`,
		`【告警】#3 HEARTBEAT_DOWN · ERROR · 心跳超时：async-service-alive`,
		`【通知】微信群收到第 5 条消息`,
		`▶ 演示操作：让服务重新发送心跳`,
		`【通知】微信群收到第 6 条消息`,
		`│ 已恢复：心跳超时：async-service-alive\n`,

		`━━ 尾声`,
		`【通知】微信群收到第 7 条消息`,
		`│ 已恢复（容器已稳定运行 30秒）\n`,
		`│ .*由 张三 手动触发`,
		`━━ 核对结果`,
		`✓ 容器的 StartedAt 恰好变化两次.*: 2；.*: 3`,
		`✓ 群里恰好七条消息 .*: 7；`,
		`演示成功`,
		`已清理：移除了 9 项`,
	)
	// Telling and healing do not wait for each other: their order is open.
	assert.Regexp(t, `【处置】重启 `+testName+`-async-service，下达者：Trade Monitor`, out.String())
	assert.Regexp(t, `【合并】服务里的看门狗随后也上报了`, out.String())
	assert.NotContains(t, out.String(), "✗")
	assert.NotContains(t, out.String(), "%!", "a line was given the wrong arguments")

	assert.Empty(t, ours(t), "everything is removed")
	assert.Equal(t, before, foreign.State(), "what belongs to somebody else is left alone")
}

func TestAnInterruptedRunLeavesNothing(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	out := &listener{words: "【合并】", heard: func() error { interrupt(); return nil }}
	code, failures := runDemo(t, ctx, out)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, failures, "已中断 (interrupted)")
	assert.Contains(t, out.String(), "已清理：移除了 9 项")
	assert.Empty(t, ours(t))
}

func TestARunThatNobodyReadsEndsAndLeavesNothing(t *testing.T) {
	out := &listener{words: "Trade Monitor 已就绪", heard: func() error { return errors.New("broken pipe") }}
	code, _ := runDemo(t, t.Context(), out)
	assert.Equal(t, exitFailed, code)
	assert.NotContains(t, out.String(), "━━ 第一幕")
	assert.Empty(t, ours(t))
}

func TestAPanicLeavesNothing(t *testing.T) {
	out := &listener{words: "Trade Monitor 已就绪", heard: func() error { panic("on purpose") }}
	assert.PanicsWithValue(t, "on purpose", func() { runDemo(t, t.Context(), out) })
	assert.Empty(t, ours(t))
}

func TestTheCommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, exitOK, "-keep"},
		{[]string{"--name", "Not/a name"}, exitUsage, "--name"},
		{[]string{"--unknown"}, exitUsage, "-unknown"},
		{[]string{"more"}, exitUsage, "unexpected argument"},
	} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, c.code, run(t.Context(), c.args, func(string) string { return "" }, &stdout, &stderr), "%q", c.args)
		assert.Contains(t, stderr.String(), c.says)
		assert.Empty(t, stdout.String())
	}
}

func TestWithoutAnEngineItSaysSo(t *testing.T) {
	for host, says := range map[string]string{
		"unix:///nowhere/docker.sock": "没有可用的 Docker 引擎",
		"tcp://10.0.0.1:2375":         "DOCKER_HOST",
	} {
		var stdout, stderr bytes.Buffer
		getenv := func(string) string { return host }
		assert.Equal(t, exitFailed, run(t.Context(), []string{"--name", testName + "-nowhere"}, getenv, &stdout, &stderr))
		assert.Contains(t, stderr.String(), says)
	}
}
