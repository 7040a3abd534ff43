package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// That the image's start becomes another user, with the folders and the socket,
// is shown on the built image: see image_test.go.

func TestRunAsNamesAUserByNumber(t *testing.T) {
	for text, want := range map[string]account{"10001:10002": {10001, 10002}, "1000": {1000, 1000}, "0:0": {0, 0}} {
		got, err := parseAccount(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"nobody", "1000:", ":1000", "-1:5", "1:2:3", "99999999999", "1000:staff"} {
		_, err := parseAccount(text)
		require.ErrorContains(t, err, "RUN_AS", text)
	}
}

func TestWithoutRunAsOrWithRootAskedForNobodyChanges(t *testing.T) {
	before := os.Geteuid()
	for _, value := range []string{"", "0:0"} {
		lookup := func(string) (string, bool) { return value, value != "" }
		require.NoError(t, becomeUnprivileged(lookup, []string{"trade-monitor"}))
	}
	require.Equal(t, before, os.Geteuid())
}

func TestOnlyCommandsThatWriteHandTheFoldersOver(t *testing.T) {
	for _, args := range [][]string{{"trade-monitor"}, {"trade-monitor", "serve"}, {"trade-monitor", "init-db"}} {
		assert.True(t, writes(args), "%v", args)
	}
	for _, args := range [][]string{{"trade-monitor", "healthcheck"}, {"tail", "-f", "alert.log"}, {"trade-monitor", "version"}} {
		assert.False(t, writes(args), "%v", args)
	}
}

func TestTheSocketsGroupIsTakenWhenItMayUseTheSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	require.NoError(t, os.WriteFile(socket, nil, 0o600))
	require.NoError(t, os.Chmod(socket, 0o660))
	info, err := os.Stat(socket)
	require.NoError(t, err)
	group := int(info.Sys().(*syscall.Stat_t).Gid)
	assert.Equal(t, []int{group}, socketGroup("unix://"+socket))
	require.NoError(t, os.Chmod(socket, 0o600))
	assert.Empty(t, socketGroup("unix://"+socket), "its group may not use it")
	assert.Empty(t, socketGroup("unix://"+socket+".none"))
	assert.Empty(t, socketGroup("tcp://127.0.0.1:2375"))
}

func TestHandingOverLeavesAloneWhatIsTheUsersAndFollowsNoLink(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "logs")
	me := account{uid: os.Geteuid(), gid: os.Getegid()}
	require.NoError(t, handOver(dir, me), "a folder that is not there is made")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "old"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "old", "alert.log"), nil, 0o600))
	require.NoError(t, os.Symlink("/nowhere", filepath.Join(dir, "dangling")))
	require.NoError(t, os.Symlink("..", filepath.Join(dir, "up")))
	require.NoError(t, handOver(dir, me))

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Error(t, handOver(file, me), "a file is no folder")
}
