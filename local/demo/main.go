// Command demo shows what Trade Monitor notices by itself, on a real container:
// it puts Trade Monitor, a simulated WeCom robot and a small async-service on a
// stage of their own in Docker, has the service fall silent, crash and lose its
// heartbeat, tells line by line what happens until all is well again, and checks
// that it all did. It leaves nothing behind and touches nothing that it did not
// make.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"trade-monitor/local/demo/engine"
)

func main() {
	// A closed terminal ends the demonstration as Ctrl-C does: it must get to
	// clean up. So must it when nobody reads its output any more; being notified
	// of SIGPIPE would tell of every other broken connection, too.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// DefaultName begins the names of everything that is made.
const DefaultName = "trade-monitor-demo"

// options are the command line.
type options struct {
	name   string
	keep   bool
	remove bool
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,60}$`)

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.name, "name", DefaultName, "容器、网络和镜像名称的`前缀` (begins the names of all that is made)")
	flags.BoolVar(&o.keep, "keep", false, "结束后保留全部容器 (leave everything running at the end)")
	flags.BoolVar(&o.remove, "remove", false, "只移除之前留下的内容 (only remove what an earlier run left)")
	err := flags.Parse(args)
	switch {
	case err != nil:
		return o, err
	case flags.NArg() > 0:
		err = fmt.Errorf("多余的参数 (unexpected argument): %s", flags.Arg(0))
	case !namePattern.MatchString(o.name):
		err = errors.New("--name 只能由小写字母、数字和 - 组成 (takes lower-case letters, digits and -)")
	}
	if err != nil {
		fmt.Fprintln(stderr, "demo:", err)
	}
	return o, err
}

// run is main without the process. getenv is os.Getenv.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	if err := show(ctx, o, getenv, stdout); err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return exitFailed
	}
	return exitOK
}

// show is the whole demonstration, from the lock to the last broom.
func show(ctx context.Context, o options, getenv func(string) string, stdout io.Writer) (err error) {
	docker, err := engine.Open(getenv("DOCKER_HOST"))
	if err != nil {
		return err
	}
	defer docker.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	out := newTeller(stdout, stop)
	out.say("Trade Monitor 演示：一个服务，三次故障，三种监控", "a demonstration: one service, three failures, three watches")
	arch, err := docker.Arch(ctx)
	if err != nil {
		return fmt.Errorf("没有可用的 Docker 引擎，请安装并启动 (no Docker engine answers; install and start one): %w", err)
	}
	unlock, err := lock(ctx, o.name, out)
	if err != nil {
		return err
	}
	defer unlock()
	s := newStage(docker, o.name, out)
	left, err := docker.RemoveLabelled(ctx, s.labels)
	if err != nil {
		return err
	}
	if left > 0 || o.remove {
		out.say("已移除之前留下的 %d 项", "removed %d things that an earlier run left", left)
	}
	if o.remove {
		return nil
	}
	kept := false
	// Deferred, so that a panic does not leave the stage standing either.
	defer func() {
		if !kept {
			err = errors.Join(err, s.clear(ctx))
		}
	}()
	err = perform(ctx, s, arch)
	if kept = o.keep && s.ready && ctx.Err() == nil; kept {
		s.farewell(o)
	}
	return err
}

var errInterrupted = errors.New("已中断 (interrupted)")

// perform sets the stage, plays the story and checks it.
func perform(ctx context.Context, s *stage, arch string) error {
	err := s.set(ctx, arch)
	if err == nil {
		err = play(ctx, s)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errInterrupted
	}
	s.confess(ctx)
	return err
}

// lock keeps two runs with the same names apart: what the other one uses would
// look like something left behind. The lock ends with its process, whatever
// ends that.
func lock(ctx context.Context, name string, out *teller) (unlock func(), err error) {
	file := flock.New(filepath.Join(os.TempDir(), fmt.Sprintf("%s-%d.lock", name, os.Getuid())))
	held, err := file.TryLock()
	if err == nil && !held {
		out.say("另一个演示正在运行，等它结束…", "another demonstration runs; waiting for its end …")
		_, err = file.TryLockContext(ctx, 500*time.Millisecond)
	}
	switch {
	case ctx.Err() != nil:
		return nil, errInterrupted
	case err != nil:
		return nil, fmt.Errorf("lock: %w", err)
	}
	return func() { _ = file.Unlock() }, nil
}
