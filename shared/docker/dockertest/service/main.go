// Command service is what the tests run in containers: a small static program
// that ticks, hangs, ends or falls ill on command.
//
//	service [flags]      run; SIGUSR1 switches its health, SIGUSR2 its ticker;
//	                     SIGHUP prints a tick's line at once, silent or not
//	service health       exit 0 while healthy, else 1
//	service whereami     print what a process can tell of its own container
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// healthFile is how a running service tells `service health` how it is.
const healthFile = "/health"

func main() {
	os.Exit(run(os.Args[1:], os.Stdout))
}

func run(args []string, out io.Writer) int {
	if len(args) > 0 {
		switch args[0] {
		case "health":
			return health(out)
		case "whereami":
			return whereami(out)
		}
	}
	return serve(args, out)
}

func health(out io.Writer) int {
	state, err := os.ReadFile(healthFile)
	if err != nil || string(state) != "ok" {
		fmt.Fprintln(out, "not well")
		return 1
	}
	fmt.Fprintln(out, "well")
	return 0
}

func whereami(out io.Writer) int {
	host, _ := os.Hostname()
	fmt.Fprintf(out, "== hostname\n%s\n", host)
	for _, file := range []string{"cgroup", "mountinfo"} {
		text, err := os.ReadFile("/proc/self/" + file)
		if err != nil {
			fmt.Fprintln(out, err)
			return 1
		}
		fmt.Fprintf(out, "== %s\n%s", file, text)
	}
	return 0
}

type service struct {
	out     io.Writer
	line    string
	long    string
	healthy bool
	silent  bool
}

func serve(args []string, out io.Writer) int {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	flags.SetOutput(out)
	line := flags.String("line", "Ticker synced", "what is printed at every tick")
	tick := flags.Duration("tick", time.Second, "time between lines")
	silentAfter := flags.Duration("silent-after", 0, "print no more lines after this time; 0: never")
	ignoreTerm := flags.Bool("ignore-term", false, "carry on when told to stop")
	exitAfter := flags.Duration("exit-after", 0, "end after this time; 0: never")
	exitCode := flags.Int("exit-code", 0, "exit code of that end")
	unhealthyAfter := flags.Duration("unhealthy-after", 0, "fall ill after this time; 0: never")
	long := flags.Int("long", 0, "print a line of that many bytes before each tick's line")
	longEnd := flags.String("long-end", "", "what the long line ends with")
	chatter := flags.Int("chatter", 0, "other lines a second, of 100 bytes, whether silent or not")
	chatterLine := flags.String("chatter-line", "nothing to see here", "what the other lines begin with")
	firstRun := flags.Bool("first-run-only", false, "tick in the first run of the container only: a restart does not help")
	once := flags.Bool("once", false, "fall ill, end and take memory in the first run of the container only: a restart helps")
	wellAfter := flags.Duration("well-after", 0, "be ill until then in each run: a slow start; 0: well at once")
	eatAfter := flags.Duration("eat-after", 0, "take memory without end after this time; 0: never")
	if err := flags.Parse(args); err != nil {
		return 2
	}

	s := &service{out: out, line: *line, long: longLine(*long, *longEnd)}
	if err := s.feel(*wellAfter == 0); err != nil {
		fmt.Fprintln(out, err)
		return 1
	}
	if (*firstRun || *once) && ranBefore() {
		s.silent = *firstRun
		spare(*once, unhealthyAfter, exitAfter, eatAfter)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGHUP)
	ticker := time.NewTicker(*tick) // keeps to its schedule, however long a tick takes
	silent, ill, end, hungry := after(*silentAfter), after(*unhealthyAfter), after(*exitAfter), after(*eatAfter)
	well := after(*wellAfter)
	if *chatter > 0 {
		go chat(out, *chatter, *chatterLine)
	}
	s.tick()
	for {
		select {
		case <-ticker.C:
			s.tick()
		case <-silent:
			s.silent = true
		case <-ill:
			_ = s.feel(false)
		case <-well:
			_ = s.feel(true)
		case <-hungry:
			eat()
		case <-end:
			return *exitCode
		case got := <-signals:
			if s.obey(got) && !*ignoreTerm {
				return 0
			}
		}
	}
}

// spare takes faults away.
func spare(all bool, faults ...*time.Duration) {
	for _, f := range faults {
		if all {
			*f = 0
		}
	}
}

// ranBefore tells whether this is a later run of the container, whose files
// outlive its restarts.
func ranBefore() bool {
	const mark = "/ran"
	_, err := os.Stat(mark)
	_ = os.WriteFile(mark, nil, 0o600)
	return err == nil
}

// obey carries out a signal and tells whether it asks for the end.
func (s *service) obey(got os.Signal) bool {
	switch got {
	case syscall.SIGUSR1:
		_ = s.feel(!s.healthy)
	case syscall.SIGUSR2:
		s.silent = !s.silent
	case syscall.SIGHUP:
		s.print()
	default:
		fmt.Fprintln(s.out, "told to stop:", got)
		return true
	}
	return false
}

func (s *service) tick() {
	if !s.silent {
		s.print()
	}
}

func (s *service) print() {
	if s.long != "" {
		fmt.Fprintln(s.out, s.long)
	}
	fmt.Fprintln(s.out, s.line)
}

func (s *service) feel(healthy bool) error {
	state := "ill"
	if healthy {
		state = "ok"
	}
	s.healthy = healthy
	if err := os.WriteFile(healthFile, []byte(state), 0o600); err != nil {
		return fmt.Errorf("writing the health file: %w", err)
	}
	return nil
}

// after is time.After, where 0 means never.
func after(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.After(d)
}
