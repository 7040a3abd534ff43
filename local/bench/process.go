package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a server that we started.
type process struct {
	cmd    *exec.Cmd
	url    string
	output *tail
	exited chan struct{}
}

// startWait is how long a server may take to say where it listens, and stopWait
// how long to end when it is asked to.
const (
	startWait = 20 * time.Second
	stopWait  = 15 * time.Second
)

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// start runs a server that prints where it listens.
func start(ctx context.Context, cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, output: &tail{}, exited: make(chan struct{})}
	cmd.Stderr = p.output
	// A run that is killed takes its servers along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	found := make(chan string, 1)
	go func() {
		defer close(p.exited)
		p.listen(out, found)
		_ = cmd.Wait()
	}()
	timeout := time.NewTimer(startWait)
	defer timeout.Stop()
	select {
	case p.url = <-found:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("%s ended: %s", cmd.Path, p.output)
	case <-timeout.C:
		err = fmt.Errorf("%s does not listen: %s", cmd.Path, p.output)
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.kill()
	return nil, err
}

// listen reads what the server prints until it ends.
func (p *process) listen(out io.Reader, found chan<- string) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		_, _ = io.WriteString(p.output, lines.Text()+"\n")
		if at := address.FindString(lines.Text()); at != "" {
			select {
			case found <- at:
			default:
			}
		}
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// stop asks the server to end, and wants it to end in order.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
	case <-time.After(stopWait):
		p.kill()
		return fmt.Errorf("%s did not end within %s: %s", p.cmd.Path, stopWait, p.output)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with %d: %s", p.cmd.Path, code, p.output)
	}
	return nil
}

// memory reads a line of /proc/<pid>/status, in MiB: VmRSS is what the process
// holds now, VmHWM the most it ever held.
func (p *process) memory(line string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for text := range strings.Lines(string(status)) {
		fields := strings.Fields(text)
		if len(fields) == 3 && fields[0] == line+":" && fields[2] == "kB" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in the status of process %d", line, p.cmd.Process.Pid)
}

// tail keeps the end of what a server printed.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const keptTail = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if extra := len(t.text) - keptTail; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// sleep waits; an error: ctx ended first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
