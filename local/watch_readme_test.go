package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The README's three lines of shell are what people paste into a cron job: they
// must tell the start, the end, the exit status and the output.
func TestTheReadmesCronJobIsWatched(t *testing.T) {
	block := regexp.MustCompile("(?s)```bash\n(beat=.*?)```")
	english, chinese := block.FindStringSubmatch(fromRoot(t, readmes[0])), block.FindStringSubmatch(fromRoot(t, readmes[1]))
	require.NotNil(t, english)
	require.Equal(t, english, chinese)

	s := launch(t)
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	dir := t.TempDir()
	run := func(job string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "backup.sh"), []byte("#!/bin/bash\n"+job+"\n"), 0o700))
		cmd := exec.Command("bash", "-c", strings.ReplaceAll(english[1], "http://localhost:5005", s.url))
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Empty(t, string(out), "cron mails whatever is printed")
	}
	state := s.stateOf("heartbeat", "nightly-backup")

	run("echo @all is well; sleep 0.1")
	require.True(t, state("up")())
	run("yes line | head -n 50000; echo no space left; exit 3")
	require.True(t, state("down")())
	await(t, 10*time.Second, "on record", func() bool { return s.get("/api/alerts").fields["total"] == float64(1) })
	alert := s.story(1)
	require.Equal(t, "HEARTBEAT_DOWN", alert["alertType"])
	require.Contains(t, alert["message"], "退出码 3")
	require.Contains(t, alert["message"], "no space left", "the end of the output says why")
	run("true")
	require.True(t, state("up")())
	await(t, 10*time.Second, "over", func() bool { return s.story(1)["status"] == "RESOLVED" })
}
