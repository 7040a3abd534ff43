//go:build image

package main

import (
	"archive/tar"
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
)

// The real Dockerfile, compose file and script, on a real engine, as the guide
// has them used. One image serves all of it: building it is what takes long.
func TestTheImage(t *testing.T) {
	dockertest.Require(t)
	r := newRegistry(t)
	d := newDeployment(t, r, "app")
	logs := filepath.Join(d.dir, "logs")
	require.NoError(t, os.Mkdir(logs, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(logs, "alert.log"), []byte("written by a former owner\n"), 0o600))

	said := d.up(t, "--build")
	assert.Contains(t, said, "没有 .env", "it starts without settings and says what is missing")
	assert.Contains(t, said, fmt.Sprintf("已就绪 (ready): http://127.0.0.1:%d", d.port))

	t.Run("is healthy by its own check", d.isHealthy)
	t.Run("holds one program and nothing else", d.holdsOneProgram)
	t.Run("runs as an unprivileged user without capabilities", d.isUnprivileged)
	t.Run("answers the guide's curl and shows it by tail", d.answersTheGuide)
	t.Run("is reached by another project, whose container it restarts", d.healsAnotherProject)
	t.Run("reaps what is left to its first process", d.reapsOrphans)
	t.Run("believes public roots, and a private one that is named", d.believesWhomItIsTold)
	t.Run("runs without root at all", d.runsHardened)
	t.Run("reaches Docker through the proxy alone", d.runsBehindTheProxy)
	t.Run("stops at once", d.stopsAtOnce)
	t.Run("is at home in ten minutes", r.isAtHomeInTenMinutes)
	t.Run("does what the guide says", r.doesWhatTheGuideSays)
}

func (d *deployment) isHealthy(t *testing.T) {
	await(t, 20*time.Second, "healthy", func() bool {
		return dockerCmd(t, "inspect", "-f", "{{.State.Health.Status}}", d.container) == "healthy"
	})
	assert.Contains(t, dockerCmd(t, "exec", d.container, "trade-monitor", "version"), "v9.8.7", "VERSION is what it was built with")
}

func (d *deployment) holdsOneProgram(t *testing.T) {
	export := exec.Command("docker", "export", d.container)
	stdout, err := export.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, export.Start())
	var files []string
	for archive := tar.NewReader(stdout); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		given := regexp.MustCompile(`^(\.dockerenv|dev/|proc/|sys/|etc/)`) // by the engine
		if header.Typeflag != tar.TypeDir && !given.MatchString(header.Name) {
			files = append(files, header.Name)
		}
	}
	require.NoError(t, export.Wait())
	slices.Sort(files)
	assert.Equal(t, []string{"bin/tail", "bin/trade-monitor"}, slices.DeleteFunc(files, func(name string) bool { return name == "run/docker.sock" || name == "var/run/docker.sock" }))
}

func (d *deployment) isUnprivileged(t *testing.T) {
	status, err := os.ReadFile("/proc/" + d.pid(t) + "/status")
	require.NoError(t, err)
	assert.Regexp(t, `\nUid:\t10001\t10001\t10001\t10001\nGid:\t10001\t10001\t10001\t10001\n`, string(status))
	assert.Regexp(t, `\nCapPrm:\t0+\nCapEff:\t0+\n`, string(status))
	assert.Regexp(t, `\nNoNewPrivs:\t1\n`, string(status))
	info, err := os.Stat(dockertest.Socket)
	require.NoError(t, err)
	assert.Regexp(t, fmt.Sprintf(`\nGroups:\t(\d+ )*%d `, info.Sys().(*syscall.Stat_t).Gid), string(status), "the socket's group")

	for _, file := range []string{"data", "data/trade-monitor.db", "logs", "logs/alert.log"} {
		info, err := os.Stat(filepath.Join(d.dir, file))
		require.NoError(t, err)
		assert.EqualValues(t, 10001, info.Sys().(*syscall.Stat_t).Uid, file)
	}
}

func (d *deployment) pid(t *testing.T) string {
	t.Helper()
	return dockerCmd(t, "inspect", "-f", "{{.State.Pid}}", d.container)
}

func (d *deployment) answersTheGuide(t *testing.T) {
	lines := d.follow(t)
	out, err := exec.Command("bash", "-c", strings.ReplaceAll(guideCurl, "http://localhost:5005", d.url())).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.True(t, strings.HasPrefix(string(out), `{"success":true,"alertId":1,"message":"事件通知已接收并处理",`), "%s", out)
	for line := range lines {
		if strings.Contains(line, "测试告警") {
			break
		}
	}
	assert.Contains(t, dockerCmd(t, "exec", d.container, "tail", "-n", "50", "/app/logs/alert.log"), "written by a former owner\n")
	assert.Regexp(t, `"createdAt":"[^"]*\+08:00"`, d.get(t, "/api/alerts"), "Asia/Shanghai is known")
}

// follow is the guide's `docker exec -it … tail -f …` in a terminal. Its lines
// end when the test does, or after a minute.
func (d *deployment) follow(t *testing.T) <-chan string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "script", "-qfec", "docker exec -it "+d.container+" tail -f /app/logs/alert.log", "/dev/null")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := make(chan string, 100)
	limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		limit.Stop()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	select {
	case line := <-lines:
		require.Contains(t, line, "written by a former owner")
	case <-time.After(20 * time.Second):
		t.Fatal("tail prints nothing")
	}
	return lines
}

func (d *deployment) get(t *testing.T, path string) string {
	t.Helper()
	res, err := http.Get(d.url() + path)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s", body)
	return string(body)
}

// story is GET /api/alerts/{id} of a service's newest alert.
func (d *deployment) story(t *testing.T, service string) map[string]any {
	t.Helper()
	var list struct{ Data []struct{ ID int64 } }
	require.NoError(t, json.Unmarshal([]byte(d.get(t, "/api/alerts?serviceName="+service)), &list))
	if len(list.Data) == 0 {
		return nil
	}
	var answer struct{ Data map[string]any }
	require.NoError(t, json.Unmarshal([]byte(d.get(t, fmt.Sprintf("/api/alerts/%d", list.Data[0].ID))), &answer))
	return answer.Data
}

func (d *deployment) reapsOrphans(t *testing.T) {
	parent := d.pid(t)
	orphaned := make(chan bool, 1)
	go func() {
		seen := false
		for limit := time.Now().Add(20 * time.Second); !seen && time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
			seen = len(childrenOf(parent)) > 0
		}
		orphaned <- seen
	}()
	dockerCmd(t, "run", "--rm", "--network=none", "--pid=container:"+d.container, d.from.base, "sh", "-c", "(sleep 1 &); sleep 2")
	require.True(t, <-orphaned, "the container's first process was given a child")
	require.Empty(t, childrenOf(parent), "and reaped it")
}

// childrenOf lists the processes whose parent this is, zombies too.
func childrenOf(parent string) []string {
	var found []string
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, _ := os.ReadFile(name) // it may be gone
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == parent {
			found = append(found, string(stat))
		}
	}
	return found
}

func (d *deployment) runsHardened(t *testing.T) {
	info, err := os.Stat(dockertest.Socket)
	require.NoError(t, err)
	name := d.name + "-hardened"
	t.Cleanup(func() { dockerCmd(t, "rm", "-fv", name) })
	dockerCmd(t, "run", "-d", "--name", name, "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--user", "10001:10001", "--group-add", fmt.Sprint(info.Sys().(*syscall.Stat_t).Gid), "--network", "none",
		"-v", dockertest.Socket+":/var/run/docker.sock", d.image)
	await(t, 20*time.Second, "alive", func() bool {
		return exec.Command("docker", "exec", name, "trade-monitor", "healthcheck").Run() == nil
	})
	assert.Contains(t, dockerCmd(t, "logs", name), "Docker: 可达 (reachable)")
}

func (d *deployment) stopsAtOnce(t *testing.T) {
	begun := time.Now()
	dockerCmd(t, "stop", d.container)
	assert.Less(t, time.Since(begun), 3*time.Second)
	assert.Equal(t, "0", dockerCmd(t, "inspect", "-f", "{{.State.ExitCode}}", d.container))
	assert.Equal(t, "20", dockerCmd(t, "inspect", "-f", "{{.Config.StopTimeout}}", d.container), "what the compose file grants")
}
