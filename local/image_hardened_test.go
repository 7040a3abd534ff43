//go:build image

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
)

// intruderSource is somebody inside the service's container: it makes the calls
// that it is given, "METHOD path", and prints each answer's status.
const intruderSource = `// Command intruder makes calls through the socket proxy.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	for _, call := range os.Args[1:] {
		method, path, _ := strings.Cut(call, " ")
		req, err := http.NewRequest(method, "http://docker-proxy:2375"+path, nil)
		if err != nil {
			fmt.Println(err)
			continue
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Println(err)
			continue
		}
		body, _ := io.ReadAll(res.Body)
		fmt.Println(res.StatusCode, strings.TrimSpace(string(body)))
	}
}
`

// inspected is what docker inspect tells of a container's rights.
type inspected struct {
	Mounts     []struct{ Type, Source, Destination string }
	HostConfig struct {
		ReadonlyRootfs, Privileged           bool
		CapAdd, CapDrop, SecurityOpt         []string
		PortBindings                         map[string]any
		PidMode, IpcMode, UTSMode, Cgroup    string
		Devices, DeviceRequests, VolumesFrom []any
	}
	NetworkSettings struct {
		Networks map[string]struct{ IPAddress string }
	}
	State struct{ Pid int }
}

func inspect(t *testing.T, container string) inspected {
	t.Helper()
	var all []inspected
	require.NoError(t, json.Unmarshal([]byte(dockerCmd(t, "inspect", container)), &all))
	return all[0]
}

// runsBehindTheProxy brings docker-compose.hardened.yml up on the image that is
// there, as the page says, and proves that it heals with less.
func (d *deployment) runsBehindTheProxy(t *testing.T) {
	h := &deployment{from: d.from, name: d.name + "-least", dir: d.dir, image: d.image, container: d.name + "-least-tm", port: freePort(t)}
	proxy, standIn := h.container+"-docker-proxy", h.standIn()
	policy := "volumes: ['./policy.yml:/app/policy.yml:ro']"
	require.NoError(t, os.WriteFile(filepath.Join(h.dir, "policy.yml"), []byte("types: {TICKER_SYNC_TIMEOUT: {verify: {stable: 3s}}}\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(h.dir, "mounts.yml"), []byte("services:\n  trade-monitor: {"+policy+"}\n  docker-proxy: {"+policy+", healthcheck: {interval: 1s}}\n"), 0o600))
	for name, value := range h.asOthers() {
		h.env = append(h.env, name+"="+value)
	}
	h.env = append(h.env, "COMPOSE_FILE=docker-compose.hardened.yml:mounts.yml", "POLICY_FILE=/app/policy.yml",
		"REMEDIATION_CONTAINERS="+strings.Join([]string{standIn, h.container, proxy}, ","), "ASYNC_MONITOR_CONTAINER="+standIn)
	t.Cleanup(func() { h.compose(t, "down", "-v") })
	begun := time.Now()
	assert.Contains(t, h.up(t), "已就绪 (ready)")
	stranger := dockertest.Run(t, dockertest.Spec{Name: "stranger"})
	dockerCmd(t, "run", "-d", "--name", standIn, "--network", h.name, "-e", "NAME="+standIn, "-e", "TRADE_MONITOR_URL=http://trade-monitor:5005", dockertest.Image(t, standInSource))
	t.Cleanup(func() { dockerCmd(t, "rm", "-fv", standIn) })

	await(t, 30*time.Second, "restarted through the proxy, and verified", func() bool {
		all := objects(h.story(t, standIn), "remediations")
		return len(all) == 1 && all[0]["status"] == "SUCCEEDED"
	})
	assert.Contains(t, h.get(t, "/readyz"), `"status":"ok"`)
	now := instantOf(t, dockerCmd(t, "inspect", "-f", "{{.State.StartedAt}}", standIn))
	assert.WithinDuration(t, now, at(t, objects(h.story(t, standIn), "remediations")[0], "startedAfter"), time.Millisecond)
	h.hasLeastRights(t, proxy)
	h.givesAnIntruderNothing(t, proxy, stranger)
	t.Logf("%5.1f s  all of it", time.Since(begun).Seconds())
}

func (d *deployment) hasLeastRights(t *testing.T, proxy string) {
	service, guard := inspect(t, d.container), inspect(t, proxy)
	var mounts []string
	for _, m := range service.Mounts {
		assert.NotContains(t, m.Source+m.Destination, "docker.sock")
		mounts = append(mounts, m.Destination)
	}
	assert.ElementsMatch(t, []string{"/app/data", "/app/logs", "/app/policy.yml"}, mounts)
	mounts = nil
	for _, m := range guard.Mounts {
		mounts = append(mounts, m.Destination)
	}
	assert.ElementsMatch(t, []string{"/var/run/docker.sock", "/app/policy.yml"}, mounts, "the socket, and nothing that can be written to")
	assert.Empty(t, service.HostConfig.CapAdd)
	assert.ElementsMatch(t, []string{"SETGID", "SETUID"}, guard.HostConfig.CapAdd)
	assert.Empty(t, guard.HostConfig.PortBindings)
	assert.Len(t, guard.NetworkSettings.Networks, 1)
	for name, c := range map[string]inspected{"service": service, "proxy": guard} {
		assert.True(t, c.HostConfig.ReadonlyRootfs, name)
		assert.False(t, c.HostConfig.Privileged, name)
		assert.Equal(t, []string{"ALL"}, c.HostConfig.CapDrop, name)
		assert.Equal(t, []string{"no-new-privileges:true"}, c.HostConfig.SecurityOpt, name)
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.State.Pid))
		require.NoError(t, err)
		assert.Regexp(t, `\nUid:\t10001\t10001\t10001\t10001\nGid:\t10001\t10001\t10001\t10001\n`, string(status), name)
		assert.Regexp(t, `\nCapInh:\t0+\nCapPrm:\t0+\nCapEff:\t0+\n`, string(status), name)
		assert.Regexp(t, `\nNoNewPrivs:\t1\n`, string(status), name)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", service.State.Pid))
	require.NoError(t, err)
	assert.Regexp(t, `\nCapBnd:\t0+\n`, string(status), "and it can get none")
	await(t, 20*time.Second, "the proxy is healthy by its own check", func() bool {
		return dockerCmd(t, "inspect", "-f", "{{.State.Health.Status}}", proxy) == "healthy"
	})
}

func (d *deployment) givesAnIntruderNothing(t *testing.T, proxy string, stranger *dockertest.Container) {
	network := d.name + "_docker-proxy"
	assert.Equal(t, "true 2", dockerCmd(t, "network", "inspect", "-f", "{{.Internal}} {{len .Containers}}", network), "no way out, and nobody else in it")
	was, since := stranger.State(), dockerCmd(t, "inspect", "-f", "{{.State.StartedAt}}", d.container, proxy)
	calls := []string{"POST /containers/" + stranger.Name + "/restart", "POST /containers/" + stranger.Name + "/start", "GET /containers/" + stranger.Name + "/logs?stdout=1",
		"GET /containers/" + stranger.Name + "/json", "POST /containers/create", "POST /containers/" + d.standIn() + "/exec", "GET /images/json",
		"POST /containers/" + d.container + "/restart", "POST /containers/" + proxy + "/restart"}
	intruder := dockertest.Image(t, intruderSource)
	said := dockerCmd(t, append([]string{"run", "--rm", "--network", "container:" + d.container, intruder}, append(calls, "GET /_ping")...)...)
	answers := strings.Split(said, "\n")
	require.Len(t, answers, len(calls)+1, said)
	for i, call := range calls {
		assert.True(t, strings.HasPrefix(answers[i], `403 {"message":`), "%s: %s", call, answers[i])
	}
	assert.Contains(t, answers[len(calls)-2], "never touched")
	assert.Contains(t, answers[len(calls)-1], "never touched")
	assert.Equal(t, "200 OK", answers[len(calls)], "it was the service's own way")
	assert.Equal(t, was, stranger.State())
	assert.Equal(t, since, dockerCmd(t, "inspect", "-f", "{{.State.StartedAt}}", d.container, proxy))

	said = dockerCmd(t, "run", "--rm", "--network", network, intruder, "GET /_ping")
	assert.Contains(t, said, "403", "another container in the same network")
	res, err := http.Get("http://" + inspect(t, proxy).NetworkSettings.Networks[network].IPAddress + ":2375/_ping")
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	assert.Equal(t, http.StatusForbidden, res.StatusCode, "somebody on the host")
	assert.Contains(t, dockerCmd(t, "logs", proxy), "refused a call")
}
