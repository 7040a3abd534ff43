// Package doctor runs checks side by side, and tells people what is wrong and
// how it is mended.
package doctor

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Level is how bad a finding is.
type Level int

// The levels, in their order.
const (
	Fine    Level = iota // as it should be
	Warning              // works, and somebody should look
	Failed               // does not work
)

var marks = [...]string{"✓", "!", "✗"}

// Finding is what a check saw, in Chinese and English.
type Finding struct {
	Level Level
	What  string
	Mend  string // what to do about it; empty for Fine
}

// Check looks at one thing. Look honours its context, or is given up.
type Check struct {
	Name string
	Look func(ctx context.Context) []Finding
}

// Good is a finding with nothing to mend.
func Good(format string, args ...any) Finding {
	return Finding{Fine, fmt.Sprintf(format, args...), ""}
}

// Examine runs the checks at once, each for the limit at most, and reports each
// in its turn. It gives how many findings there are of each level.
func Examine(ctx context.Context, checks []Check, limit time.Duration, report func(name string, f Finding)) (counts [3]int) {
	results := make([]chan []Finding, len(checks))
	for i, check := range checks {
		results[i] = make(chan []Finding, 1)
		go func() { results[i] <- look(ctx, check, limit) }()
	}
	for i, check := range checks {
		for _, f := range <-results[i] {
			counts[f.Level]++
			report(check.Name, f)
		}
	}
	return counts
}

func look(ctx context.Context, check Check, limit time.Duration) []Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan []Finding, 1)
	go func() { done <- check.Look(ctx) }()
	select {
	case findings := <-done:
		return findings
	case <-time.After(limit + time.Second): // it does not honour ctx
		return []Finding{{Failed, fmt.Sprintf("%s 内没有结果 (no result within this)", limit),
			"对方没有应答：检查网络和地址 (the other side does not answer: check the network and the address)"}}
	}
}

// Print writes a finding as people read it.
func Print(w io.Writer, name string, f Finding) {
	fmt.Fprintf(w, "%s %s: %s\n", marks[f.Level], name, f.What)
	if f.Mend != "" {
		fmt.Fprintf(w, "    处理 (mend): %s\n", f.Mend)
	}
}
