package docker

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
)

const (
	idA = "aaaaaaaaaaaa1111111111111111111111111111111111111111111111111111"
	idB = "bbbbbbbbbbbb2222222222222222222222222222222222222222222222222222"
)

func TestEachSignIsEnoughToKnowOurselves(t *testing.T) {
	for name, me := range map[string]identity{
		"host name":         identify(idA[:12], "", ""),
		"cgroup v1":         identify("chosen", "4:memory:/docker/"+idA+"\n", ""),
		"cgroup of systemd": identify("chosen", "0::/system.slice/docker-"+idA+".scope\n", ""),
		"mounted files":     identify("chosen", "0::/\n", "612 593 8:1 /var/lib/docker/containers/"+idA+"/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"),
		"writable layer":    identify("chosen", "0::/\n", "593 1 0:53 / / rw,relatime - overlay overlay rw,lowerdir=/l/1:/l/2,upperdir=/o/aaa/diff,workdir=/o/aaa/work\n"),
	} {
		assert.True(t, me.is(idA, "/o/aaa/diff"), name)
		assert.False(t, me.is(idB, "/o/bbb/diff"), name)
	}
}

func TestOnAHostNoContainerIsOurselves(t *testing.T) {
	shm := "700 30 0:61 / /var/lib/docker/containers/" + idA + "/mounts/shm rw - tmpfs shm rw\n"
	layer := "701 30 0:62 / /var/lib/docker/overlay2/aaa/merged rw - overlay overlay rw,lowerdir=/l/1,upperdir=/o/aaa/diff,workdir=/w\n"
	me := identify("tradehost", "0::/user.slice\n", "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n"+shm+layer)
	assert.False(t, me.is(idA, "/o/aaa/diff"))
	assert.False(t, me.is(idA, ""), "a missing layer is no match")
}

// The signs are those of a real container, read by a program in it.
func TestARealContainerKnowsItself(t *testing.T) {
	e, err := Open(dockertest.Require(t).Host)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	image := dockertest.Image(t, dockertest.Service)
	other := dockertest.Run(t, dockertest.Spec{Name: "other", Image: image})
	for _, hostname := range []string{"", "trade-monitor"} {
		c := dockertest.Run(t, dockertest.Spec{Image: image, Hostname: hostname, Args: []string{"whereami"}})
		c.Until(10*time.Second, "ended", func(s dockertest.State) bool { return !s.Running })
		e.self = whereami(t, c.Logs())
		if hostname == "" {
			assert.Equal(t, c.ID[:12], e.self.hostname)
		}
		assert.Contains(t, e.self.ids, c.ID)
		assert.NotEmpty(t, e.self.upper)

		self, err := e.Inspect(t.Context(), c.Name)
		require.NoError(t, err)
		assert.True(t, self.Self)
		e.self = identity{upper: e.self.upper}
		self, err = e.Inspect(t.Context(), c.Name)
		require.NoError(t, err)
		assert.True(t, self.Self, "by the writable layer alone")
		stranger, err := e.Inspect(t.Context(), other.Name)
		require.NoError(t, err)
		assert.False(t, stranger.Self)
	}
}

func whereami(t *testing.T, logs string) identity {
	t.Helper()
	part := func(name string) string {
		_, rest, found := strings.Cut(logs, "== "+name+"\n")
		require.True(t, found, "%s in %q", name, logs)
		text, _, _ := strings.Cut(rest, "== ")
		return text
	}
	return identify(strings.TrimSpace(part("hostname")), part("cgroup"), part("mountinfo"))
}
