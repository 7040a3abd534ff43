package dockertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Private is an engine of its own: its socket, data and network namespace are
// shared with nobody, so that a test may stop it.
type Private struct {
	*Engine
	t    testing.TB
	dir  string
	args []string
	log  bytes.Buffer
	cmd  *exec.Cmd
}

// PrivateEngine starts a private engine that ends with the test. Its containers
// have no network. Further dockerd flags may be given ("--live-restore").
// It needs root, dockerd and unshare.
func PrivateEngine(t testing.TB, flags ...string) *Private {
	t.Helper()
	for _, program := range []string{"dockerd", "unshare", "umount"} {
		if _, err := exec.LookPath(program); err != nil || os.Geteuid() != 0 {
			t.Fatalf("a private Docker Engine needs root and %s: apt-get install -y docker.io util-linux mount", program)
		}
	}
	// Not t.TempDir: a socket's path may have 108 bytes only.
	dir, err := os.MkdirTemp("", "tmtest-")
	if err != nil {
		t.Fatalf("directory of a private engine: %v", err)
	}
	socket := filepath.Join(dir, "docker.sock")
	namespace := filepath.Base(dir)
	p := &Private{Engine: newEngine(socket), t: t, dir: dir}
	p.args = append([]string{
		"--net", "dockerd", "--host", "unix://" + socket,
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"),
		"--bridge=none", "--iptables=false", "--ip-forward=false",
		// Where a containerd is shared with the machine's engine, its contents are not.
		"--containerd-namespace", namespace, "--containerd-plugins-namespace", namespace + "-plugins",
	}, flags...)
	t.Cleanup(p.discard)
	p.Start()
	return p
}

// Start starts the engine and waits until it answers.
func (p *Private) Start() {
	p.t.Helper()
	p.log.Reset()
	p.cmd = exec.Command("unshare", p.args...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.WaitDelay = 5 * time.Second // containers may hold the pipes of an engine that is gone
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		p.t.Fatalf("starting a private engine: %v", err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := p.ping(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.Stop()
			p.t.Fatalf("a private engine does not answer: %v\n%s", err, p.log.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Stop ends the engine as a service manager does, and with it its containers
// unless it runs with --live-restore.
func (p *Private) Stop() {
	p.t.Helper()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	hard := time.AfterFunc(40*time.Second, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait()
	hard.Stop()
	p.cmd = nil
}

// Restart stops the engine and starts it again.
func (p *Private) Restart() {
	p.t.Helper()
	p.Stop()
	p.Start()
}

// discard ends the engine and removes everything that was its own.
func (p *Private) discard() {
	p.Stop()
	if mounts, err := os.ReadFile("/proc/self/mounts"); err == nil {
		for line := range strings.Lines(string(mounts)) {
			if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], p.dir+"/") {
				_ = exec.Command("umount", "--lazy", fields[1]).Run()
			}
		}
	}
	if err := os.RemoveAll(p.dir); err != nil {
		p.t.Errorf("removing what a private engine left: %v", fmt.Errorf("%w\n%s", err, p.log.String()))
	}
}

// discarded tells whether nothing of the engine can remain: a private one
// takes its containers and images along.
func (e *Engine) discarded() bool { return e.Host != "unix://"+Socket }
