package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// socketProxyProcess is the built program as `trade-monitor socket-proxy`.
type socketProxyProcess struct {
	t      testing.TB
	env    []string
	host   string // for DOCKER_HOST
	cmd    *exec.Cmd
	output *output
}

var proxyListening = regexp.MustCompile(`tcp://(\S+:\d+)`)

// launchProxy starts it in front of an engine, for one container.
func launchProxy(t testing.TB, engine *dockertest.Private, container string, more ...string) *socketProxyProcess {
	t.Helper()
	p := &socketProxyProcess{t: t, output: &output{}}
	dir := t.TempDir()
	p.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "DOCKER_HOST=" + engine.Host, "PROXY_LISTEN=127.0.0.1:0",
		"REMEDIATION_CONTAINERS=" + container, "ASYNC_MONITOR_CONTAINER=" + container,
	}, more...)
	p.cmd = exec.Command(binary(t), "socket-proxy")
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = dir, p.env, p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Logf("the proxy printed:\n%s", p.output)
		}
	})
	for lines := bufio.NewScanner(stdout); p.host == ""; {
		require.True(t, lines.Scan(), "the proxy does not listen: %s", p.output)
		fmt.Fprintln(p.output, lines.Text())
		p.host = proxyListening.FindString(lines.Text())
	}
	go func() { _, _ = io.Copy(p.output, stdout) }()
	return p
}

// call is what somebody with full access to the proxy's port asks for.
func (p *socketProxyProcess) call(method, path string) (status int, body string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, strings.Replace(p.host, "tcp", "http", 1)+path, http.NoBody)
	require.NoError(p.t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	return res.StatusCode, string(text)
}

// The service without a socket does all that it does with one: it restarts what
// an event names, sees a container end, and hears a log fall silent.
func TestTheServiceHealsThroughTheSocketProxy(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	c := engine.Run(t, dockertest.Spec{Name: "async", Args: []string{"-line", "Ticker synced, 320 symbols", "-tick", "500ms"}})
	proxy := launchProxy(t, engine, c.Name)
	robots := wecomtest.Start(t)
	policy, _ := policyAt(t, "defaults: {cooldown: 1s, verify: {stable: 2s}}\ntypes: {TICKER_SYNC_TIMEOUT: {verify: {stable: 2s}}}")
	s := launchWatching(t, engine, robots, c.Name, "DOCKER_HOST="+proxy.host, "POLICY_FILE="+policy)
	await(t, 10*time.Second, "the log is followed", func() bool { return s.watchOf("log", c.Name)["state"] == "up" })
	await(t, 10*time.Second, "the container is watched", func() bool { return s.watchOf("container", c.Name)["state"] == "up" })
	assert.Equal(t, "ok", s.get("/readyz").fields["status"])
	assert.NotEmpty(t, s.watchOf("log", c.Name)["host"], "/info passes: the engine has an id")

	before := c.State().StartedAt
	id := s.notify(ticker(c.Name)).number("alertId")
	await(t, 30*time.Second, "restarted and verified", func() bool {
		all := objects(s.story(id), "remediations")
		return len(all) == 1 && all[0]["status"] == "SUCCEEDED"
	})
	again := c.State().StartedAt
	assert.NotEqual(t, before, again)
	robots.ExpectWithin(t, 10*time.Second, robots.Key("ops"), "Ticker同步超时告警")
	robots.ExpectWithin(t, 10*time.Second, robots.Key("ops"), "已恢复")

	await(t, 10*time.Second, "the ticker is heard again", func() bool { return s.watchOf("log", c.Name)["state"] == "up" })
	c.Kill("USR2") // the ticker stops
	robots.ExpectWithin(t, 15*time.Second, robots.Key("ops"), "Ticker数据同步已超过5秒未输出日志", "Ticker synced, 320 symbols")
	robots.ExpectWithin(t, 30*time.Second, robots.Key("ops"), "已恢复", "历时")
	assert.NotEqual(t, again, c.State().StartedAt, "and was restarted for it")

	c.Crash(syscall.SIGKILL)
	down := robots.ExpectWithin(t, 15*time.Second, robots.Key("ops"), c.Name, "137")
	assert.Contains(t, down.Content, "Ticker synced", "with its last lines")
	assert.NotContains(t, proxy.output.String(), "refused a call", "it asks for nothing that it does not get")
}

// Somebody who has taken the service over, or the network, has what the service
// has, and no more.
func TestBehindTheSocketProxyAStrangersContainerIsOutOfReach(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	image := engine.Image(t, dockertest.Service)
	listed := engine.Run(t, dockertest.Spec{Name: "listed", Image: image})
	stranger := engine.Run(t, dockertest.Spec{Name: "stranger", Image: image, Env: []string{"PASSWORD=canary"}})
	asleep := engine.Run(t, dockertest.Spec{Name: "asleep", Image: image, Created: true})
	policy, replace := policyAt(t, "containers: ["+listed.Name+"]")
	proxy := launchProxy(t, engine, "nothing-of-these", "POLICY_FILE="+policy)
	was := stranger.State()
	for _, c := range []*dockertest.Container{stranger, asleep} {
		for _, ref := range []string{c.Name, c.ID} {
			for _, call := range []string{"POST /containers/%s/restart", "POST /containers/%s/start", "GET /containers/%s/logs?stdout=1", "GET /containers/%s/json"} {
				method, path, _ := strings.Cut(fmt.Sprintf(call, ref), " ")
				status, body := proxy.call(method, path)
				assert.Equal(t, http.StatusForbidden, status, "%s: %s", call, body)
				assert.NotContains(t, body, "canary")
			}
		}
	}
	assert.Equal(t, was, stranger.State())
	assert.False(t, asleep.State().Running)
	assert.Contains(t, proxy.output.String(), "refused a call")

	status, _ := proxy.call(http.MethodPost, "/containers/"+listed.Name+"/restart")
	assert.Equal(t, http.StatusNoContent, status)
	replace("containers: [" + stranger.Name + "]")
	await(t, 10*time.Second, "the list is taken over", func() bool {
		status, _ := proxy.call(http.MethodGet, "/containers/"+stranger.Name+"/json")
		return status == http.StatusOK
	})
	status, _ = proxy.call(http.MethodPost, "/containers/"+listed.Name+"/restart")
	assert.Equal(t, http.StatusForbidden, status, "what left the list is out of reach")
}

func TestTheSocketProxyIsCheckedAndStops(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	c := engine.Run(t, dockertest.Spec{Name: "listed"})
	proxy := launchProxy(t, engine, c.Name)
	check := func() typed {
		return typeCommand(t, t.TempDir(), append(proxy.env, "PROXY_LISTEN="+strings.TrimPrefix(proxy.host, "tcp://")), "socket-proxy", "check")
	}
	assert.Equal(t, 0, check().code)

	stream, err := http.Get(strings.Replace(proxy.host, "tcp", "http", 1) + "/containers/" + c.Name + "/logs?follow=1&stdout=1")
	require.NoError(t, err)
	defer func() { _ = stream.Body.Close() }()
	engine.Stop()
	failed := check()
	assert.Equal(t, 1, failed.code)
	assert.Contains(t, failed.out, "HTTP 502")
	engine.Start()
	await(t, 10*time.Second, "it works again", func() bool { return check().code == 0 })

	c.Start()
	following, err := http.Get(strings.Replace(proxy.host, "tcp", "http", 1) + "/events")
	require.NoError(t, err)
	defer func() { _ = following.Body.Close() }()
	begun := time.Now()
	require.NoError(t, proxy.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, proxy.cmd.Wait())
	assert.Less(t, time.Since(begun), 4*time.Second, "streams do not hold it up")
	gone := check()
	assert.Equal(t, 1, gone.code)
	assert.Contains(t, gone.out, "没有应答")
}
