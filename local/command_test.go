package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// typed is what a command printed, and its exit code.
type typed struct {
	out  string
	code int
	took time.Duration
}

// typeCommand runs the built program as a person would in the folder dir, with
// these settings and no others. Nothing that it prints may hold a secret of
// them.
func typeCommand(t testing.TB, dir string, env []string, args ...string) typed {
	t.Helper()
	begun := time.Now()
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	c := &canaries{secrets: secretsOf(env)}
	c.look("what "+strings.Join(args, " ")+" printed", out)
	require.Empty(t, c.leaks)
	return typed{string(out), cmd.ProcessState.ExitCode(), time.Since(begun)}
}

// command runs a command beside the running service, with its settings.
func (s *runningService) command(args ...string) typed {
	s.t.Helper()
	s.mu.RLock()
	port := s.url[strings.LastIndex(s.url, ":")+1:]
	s.mu.RUnlock()
	done := typeCommand(s.t, s.dir, append(s.env, "PORT="+port), args...)
	s.canaries.look("what "+args[0]+" printed", []byte(done.out))
	return done
}

// cloneWithBinary is a folder with the scripts and the built program, as a clone
// has them after make build.
func cloneWithBinary(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "scripts"), os.DirFS("../scripts")))
	require.NoError(t, os.Chmod(filepath.Join(dir, "scripts", "init_db.sh"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bin"), 0o755))
	require.NoError(t, os.Symlink(binary(t), filepath.Join(dir, "bin", "trade-monitor")))
	return dir
}

func writeFile(t testing.TB, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
}

// inFolder runs a program there, with a shell's environment and env.
func inFolder(t *testing.T, dir string, env []string, program string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
