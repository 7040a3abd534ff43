// Command bench measures Trade Monitor on this machine. What depends on the
// machine is shown as a ratio, in one run and under the same load, against a
// bare net/http + encoding/json server that stores nothing; a target that is
// missed ends it with exit code 1.
//
// The measured process is the real binary with a folder of its own and
// REMEDIATION_MODE=off: what is measured is taking events in, recording them
// and telling people, not restarting containers. Its robot is a simulator with
// the real robot's rules, so every alert really owes a word.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // a target was missed, or a figure could not be taken
	exitUsage  = 2
)

// plan is how much is measured.
type plan struct {
	binary   string
	parts    []string
	markdown bool

	rounds      int           // of bare and ours in turn, for each kind of load
	seconds     int           // of load on ours in each; wrk counts whole ones
	bareSeconds int           // and on bare, which is steadier
	idle        time.Duration // before the memory is read
	samples     int           // of the way from an event to the robot
	gap         time.Duration // between two of them
	few, many   int           // alerts on record when a page of history is read
	pages       int           // how many are read of each
	words       int           // that are delivered without a limit
	waiting     int           // that wait while the memory is read
	connections int
	threads     int
	lambdas     []string // functions whose Lambda binaries are built and weighed
}

// The two sizes. The full one takes about five minutes, the short one one.
var (
	full = plan{
		rounds: 5, seconds: 2, bareSeconds: 1, idle: 10 * time.Second, samples: 60, gap: 100 * time.Millisecond,
		few: 10_000, many: 200_000, pages: 300, words: 2_000, waiting: 100_000, connections: 32, threads: 2,
		lambdas: []string{"notify", "alerts", "handle", "deliver"},
	}
	short = plan{
		rounds: 2, seconds: 1, bareSeconds: 1, idle: 4 * time.Second, samples: 50, gap: 60 * time.Millisecond,
		few: 2_000, many: 20_000, pages: 100, words: 500, waiting: 10_000, connections: 32, threads: 2,
	}
)

// bareWord as the only argument makes this program the bare server, which must
// be a process of its own as the measured one is.
const bareWord = "bare-server"

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == bareWord {
		if err := serveBare(ctx, stdout); err != nil {
			fmt.Fprintln(stderr, "bench:", err)
			return exitFailed
		}
		return exitOK
	}
	p, err := parse(args, stderr)
	if err != nil {
		return exitUsage
	}
	figures, err := measure(ctx, p, stderr)
	write := writeText
	if p.markdown {
		write = writeMarkdown
	}
	if printed := write(stdout, figures); printed != nil {
		err = errors.Join(err, printed)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	if missed(figures) {
		return exitFailed
	}
	return exitOK
}

func parse(args []string, stderr io.Writer) (plan, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	quick := flags.Bool("short", false, "快速测量，约一分钟 (a quick run, about a minute)")
	markdown := flags.Bool("md", false, "以 Markdown 输出 (print Markdown)")
	binary := flags.String("binary", "bin/trade-monitor", "被测程序 (the program to measure)")
	words := flags.String("parts", "", "只测这些部分，逗号分隔 (only these, comma-separated): "+strings.Join(partNames(), ","))
	if err := flags.Parse(args); err != nil {
		return plan{}, err
	}
	p := full
	if *quick {
		p = short
	}
	p.binary, p.markdown, p.parts = *binary, *markdown, partNames()
	if *words != "" {
		p.parts = strings.Split(*words, ",")
	}
	for _, part := range p.parts {
		if !slices.Contains(partNames(), part) {
			err := fmt.Errorf("没有这个部分 (no such part): %q", part)
			fmt.Fprintln(stderr, "bench:", err)
			return plan{}, err
		}
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("多余的参数 (unexpected argument): %q", flags.Arg(0))
		fmt.Fprintln(stderr, "bench:", err)
		return plan{}, err
	}
	return p, nil
}
