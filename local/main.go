// Command trade-monitor is the local runner: all functions on one port, the
// delivery and remediation loops beside them, and the commands that people
// type. It is the one place that reads the environment and wires the parts.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
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

func main() { os.Exit(begin()) }

// begin settles what precedes every command: as whom we run, by which of its
// names the program was called, and whom we trust.
func begin() int {
	if err := becomeUnprivileged(os.LookupEnv, os.Args); err != nil {
		fmt.Fprintf(os.Stderr, "trade-monitor: %v\n", err)
		return exitFailed
	}
	tuneHeap(os.LookupEnv)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if calledTail(os.Args[0]) {
		return tailCommand(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	adoptOrphans()
	if err := trustRoots(os.LookupEnv); err != nil {
		fmt.Fprintf(os.Stderr, "trade-monitor: %v\n", err)
	}
	return run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
}

// The exit codes of every command.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// command is one thing that the command line can ask for.
type command struct {
	name   string   // one word, or two
	args   []string // what may follow, as the usage shows it; what need not is in brackets, with ... as often as one likes
	zh, en string
	run    func(ctx context.Context, a app) error
}

// app is what a command gets.
type app struct {
	cfg            config.Config
	invalid        error    // why the settings cannot be used; only doctor is run then
	args           []string // those that the command declares
	stdout, stderr io.Writer
}

var commands = []command{
	{"serve", nil, "启动服务（默认）", "serve all functions and run the loops (default)", serve},
	{"init-db", nil, "创建或升级数据库表", "create or migrate the database", initDB},
	{"wechat-test", []string{"[GROUP]"}, "向群发送测试消息（名称或 id；默认全部）", "send a test message to a group (name or id; default: all)", wechatTest},
	{"notify", notifyArgs, "从命令行上报一个事件", "post an event from a shell", notifyCommand},
	{"rearm", rearmArgs, "复位容器的熔断，或解除刹车；不带参数则列出", "re-arm a breaker or release a brake; without arguments: list them", rearmCommand},
	{"doctor", nil, "检查配置和环境，指出问题和处理办法", "check everything around the service and name the mends", doctorCommand},
	{"policy check", []string{"[FILE]"}, "检查策略文件（默认 POLICY_FILE）", "check a policy file (default: POLICY_FILE)", policyCheck},
	{"policy show", nil, "显示生效的策略及其来源", "print the policy in force and where it comes from", policyShow},
	{"socket-proxy check", nil, "检查本机的 socket 代理是否可用", "ask the local socket proxy whether it works", socketProxyCheck},
	{"socket-proxy", nil, "在 Docker socket 前只放行本服务用到的调用", "let only the service's own calls through to the Docker socket", socketProxy},
	{"healthcheck", nil, "检查本机服务是否存活", "ask the local service whether it is alive", healthcheck},
	{"version", nil, "显示版本", "print the version", printVersion},
}

// usageError is a command line that a command cannot be run by.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// named tells whether args begin with the command's words, and gives the rest.
func (c command) named(args []string) (rest []string, ok bool) {
	words := strings.Fields(c.name)
	if len(args) < len(words) || !slices.Equal(args[:len(words)], words) {
		return nil, false
	}
	return args[len(words):], true
}

// admits checks the arguments by their number.
func (c command) admits(args []string) error {
	n := len(c.args)
	if len(args) > n && (n == 0 || !strings.HasSuffix(c.args[n-1], "...]")) {
		return usageError{"多余的参数 (unexpected argument): " + args[n]}
	}
	for _, missing := range c.args[min(n, len(args)):] {
		if !strings.HasPrefix(missing, "[") {
			return usageError{"缺少参数 (missing argument): " + missing}
		}
	}
	return nil
}

// run is main without the process: args without the program's name, the
// environment as lookup, an exit code as result.
func run(ctx context.Context, args []string, lookup config.Lookup, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		args = []string{"serve"}
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(stdout)
		return exitOK
	}
	for _, c := range commands {
		if rest, ok := c.named(args); ok {
			return execute(ctx, c, lookup, app{args: rest, stdout: stdout, stderr: stderr})
		}
	}
	fmt.Fprintf(stderr, "trade-monitor: 没有这个命令 (no such command): %s\n", strings.Join(args, " "))
	usage(stderr)
	return exitUsage
}

func execute(ctx context.Context, c command, lookup config.Lookup, a app) int {
	err := c.admits(a.args)
	if err == nil {
		lookup, err = config.DotEnv(".env", lookup)
	}
	if err == nil {
		a.cfg, err = config.Load(ctx, lookup)
	}
	if err != nil && c.name == "doctor" && !errors.As(err, new(usageError)) {
		a.invalid, err = err, nil
	}
	if err == nil {
		err = c.run(ctx, a)
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(a.stderr, "trade-monitor %s: %v\n", c.name, err)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "用法 (usage): trade-monitor [命令 command]")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-20s %s (%s)\n", strings.Join(append([]string{c.name}, c.args...), " "), c.zh, c.en)
	}
	fmt.Fprintln(w, strings.TrimSpace(`
配置来自环境变量和当前目录的 .env，见 README。 (Settings: environment and .env, see README.)`))
}
