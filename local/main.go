// Command trade-monitor is the local runner: all functions on one port, the
// delivery and remediation loops beside them, and the commands that people
// type. It is the one place that reads the environment and wires the parts.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // TZ works where the machine has no zone files

	"trade-monitor/shared/config"
)

// What the heap may grow by between two collections, in percent, and the size
// (bytes) from which it may not. What lives on our heap is a few megabytes, so
// that Go's own 100 would collect hundreds of times a second under load: with
// these, intake is a third faster and the idle process no larger. GOGC and
// GOMEMLIMIT have the last word.
const (
	heapGrowth = 400
	heapLimit  = 256 << 20
)

func tuneHeap(lookup config.Lookup) {
	if _, set := lookup("GOGC"); !set {
		debug.SetGCPercent(heapGrowth)
	}
	if _, set := lookup("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(heapLimit)
	}
}

func main() {
	tuneHeap(os.LookupEnv)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes of every command.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// command is one word of the command line.
type command struct {
	name, zh, en string
	run          func(ctx context.Context, a app) error
}

// app is what a command gets.
type app struct {
	cfg            config.Config
	stdout, stderr io.Writer
}

var commands = []command{
	{"serve", "启动服务（默认）", "serve all functions and run the loops (default)", serve},
	{"init-db", "创建或升级数据库表", "create or migrate the database", initDB},
	{"healthcheck", "检查本机服务是否存活", "ask the local service whether it is alive", healthcheck},
	{"version", "显示版本", "print the version", printVersion},
}

// run is main without the process: args without the program's name, the
// environment as lookup, an exit code as result.
func run(ctx context.Context, args []string, lookup config.Lookup, stdout, stderr io.Writer) int {
	name := "serve"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	if name == "help" || name == "-h" || name == "--help" {
		usage(stdout)
		return exitOK
	}
	for _, c := range commands {
		if c.name != name {
			continue
		}
		if len(args) > 0 {
			fmt.Fprintf(stderr, "trade-monitor %s: 多余的参数 (unexpected argument): %s\n", name, args[0])
			return exitUsage
		}
		return execute(ctx, c, lookup, stdout, stderr)
	}
	fmt.Fprintf(stderr, "trade-monitor: 没有这个命令 (no such command): %s\n", name)
	usage(stderr)
	return exitUsage
}

func execute(ctx context.Context, c command, lookup config.Lookup, stdout, stderr io.Writer) int {
	lookup, err := config.DotEnv(".env", lookup)
	if err == nil {
		var cfg config.Config
		if cfg, err = config.Load(ctx, lookup); err == nil {
			err = c.run(ctx, app{cfg: cfg, stdout: stdout, stderr: stderr})
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "trade-monitor %s: %v\n", c.name, err)
		return exitFailed
	}
	return exitOK
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "用法 (usage): trade-monitor [命令 command]")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-12s %s (%s)\n", c.name, c.zh, c.en)
	}
	fmt.Fprintln(w, strings.TrimSpace(`
配置来自环境变量和当前目录的 .env，见 README。 (Settings: environment and .env, see README.)`))
}
