//go:build image

package main

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deployment is a copy of the repository, deployed by its own compose file as a
// user would: names, ports and folders are the test's, all else is as it stands.
type deployment struct {
	from      registry
	name      string // of the project and the network; unique
	dir       string // of the copy
	image     string
	container string
	port      int
	env       []string // beside what a shell has
}

// registry is where a deployment's build gets what it needs: it plays Docker Hub
// and the module proxy.
type registry struct{ base, modules string }

func newRegistry(t *testing.T) registry {
	t.Helper()
	r := registry{base: fmt.Sprintf("tmimage-%d-base", os.Getpid()), modules: moduleProxy(t)}
	baseImage(t, r.base)
	return r
}

// newDeployment copies the repository. Everything that is made is removed after
// the test.
func newDeployment(t *testing.T, from registry, what string) *deployment {
	t.Helper()
	name := fmt.Sprintf("tmimage-%d-%s", os.Getpid(), what)
	d := &deployment{from: from, name: name, dir: filepath.Join(t.TempDir(), "trade-monitor"), image: name + ":test", container: name + "-trade-monitor", port: freePort(t)}
	copyRepository(t, d.dir)
	d.override(t, `
services:
  trade-monitor:
    build:
      network: host # the module proxy is this test
    healthcheck:
      interval: 1s
`)
	for name, value := range d.asOthers() {
		d.env = append(d.env, name+"="+value)
	}
	d.env = append(d.env, "TRADE_MONITOR_VERSION=v9.8.7")
	t.Cleanup(func() {
		d.compose(t, "down", "-v", "--remove-orphans")
		removeImages(t, d.image)
	})
	return d
}

// override says what the test's machine has otherwise than a user's.
func (d *deployment) override(t *testing.T, compose string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "docker-compose.override.yml"), []byte(compose), 0o600))
}

func (d *deployment) standIn() string { return d.name + "-async-service" }

func (d *deployment) url() string { return fmt.Sprintf("http://localhost:%d", d.port) }

// up runs the script of the guide.
func (d *deployment) up(t *testing.T, args ...string) string {
	t.Helper()
	return d.run(t, "./scripts/docker-compose-up.sh", args...)
}

func (d *deployment) compose(t *testing.T, args ...string) string {
	t.Helper()
	return d.run(t, "docker-compose", args...)
}

func (d *deployment) run(t *testing.T, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // also in a cleanup
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = d.dir, append(bareEnvironment(), d.env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %v:\n%s", program, args, out)
	return string(out)
}

// dockerCmd runs the docker command and gives what it prints.
func dockerCmd(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	require.NoError(t, err, "docker %v:\n%s", args, out)
	return strings.TrimSpace(string(out))
}

// bareEnvironment is what a shell needs, without this machine's settings.
func bareEnvironment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// copyRepository copies what a clone would have: no built files, no data, no
// settings of whoever works here.
func copyRepository(t *testing.T, to string) {
	t.Helper()
	left := []string{".git", "bin", "build", "data", "logs", ".env", "docker-compose.override.yml"}
	require.NoError(t, filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel("..", name)
		if err != nil {
			return err
		}
		switch {
		case slices.Contains(left, relative) && entry.IsDir():
			return fs.SkipDir
		case slices.Contains(left, relative):
			return nil
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, relative), 0o755)
		}
		content, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, relative), content, info.Mode().Perm())
	}))
}

// removeImages removes an image and all that was built on it, leaves first.
func removeImages(t *testing.T, tag string) {
	root, err := exec.Command("docker", "image", "inspect", "-f", "{{.Id}}", tag).Output()
	if err != nil {
		return // it was never made
	}
	ids, err := exec.Command("docker", "images", "-aq", "--no-trunc").Output()
	require.NoError(t, err)
	// Images of others come and go meanwhile: what is gone is not printed.
	lines, _ := exec.Command("docker", append([]string{"image", "inspect", "-f", "{{.Id}} {{.Parent}}"}, strings.Fields(string(ids))...)...).Output()
	children := map[string][]string{}
	for line := range strings.Lines(string(lines)) {
		if id, parent, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			children[parent] = append(children[parent], id)
		}
	}
	remove := []string{strings.TrimSpace(string(root))}
	for i := 0; i < len(remove); i++ {
		remove = append(remove, children[remove[i]]...)
	}
	for _, id := range slices.Backward(remove) {
		out, err := exec.Command("docker", "rmi", "-f", id).CombinedOutput()
		if err != nil && !strings.Contains(string(out), "No such image") {
			t.Errorf("removing image %s: %s", id, out)
		}
	}
}
