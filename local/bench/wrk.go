package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

//go:embed load.lua
var loadScript []byte

// load is one kind of load.
type load struct {
	body []byte
	// tag makes the services of this run others than those of any run before;
	// empty: every request is about the same one.
	tag string
}

// mark is where load.lua counts services up.
const mark = "MARK------------"

// repeating is the guide's event, again and again.
func repeating() load {
	return load{body: mustJSON(guideEvent("TICKER_SYNC_TIMEOUT", "aifuturetrade-async-service"))}
}

// distinct gives every request a service of its own. n tells runs apart.
func distinct(n int) load {
	return load{body: mustJSON(guideEvent("TICKER_SYNC_TIMEOUT", "service-"+mark)), tag: fmt.Sprintf("r%03d-", n)}
}

func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own event: it can always be written
	}
	return text
}

// outcome is what a run of wrk saw.
type outcome struct {
	Requests int64 `json:"requests"`
	Micros   int64 `json:"micros"`
	Refused  int64 `json:"refused"` // answers with a status of 400 or more
	Broken   int64 `json:"broken"`  // connections, not counting those that were open at the end
	P50      int64 `json:"p50"`     // µs
	P99      int64 `json:"p99"`     // µs
}

func (o outcome) perSecond() float64 { return float64(o.Requests) / (float64(o.Micros) / 1e6) }

// wrk puts a server under load. An answer that is no success is an error: a
// server that refuses is fast.
func (b *bench) wrk(ctx context.Context, url string, l load, seconds int) (outcome, error) {
	script := filepath.Join(b.dir, "load.lua")
	if err := os.WriteFile(script, loadScript, 0o600); err != nil {
		return outcome{}, err
	}
	args := []string{
		"-c", strconv.Itoa(b.connections), "-t", strconv.Itoa(b.threads), "-d", strconv.Itoa(seconds) + "s",
		"--timeout", "10s", "-s", script, url, "--", string(l.body),
	}
	if l.tag != "" {
		args = append(args, l.tag)
	}
	out, err := exec.CommandContext(ctx, "wrk", args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return outcome{}, fmt.Errorf("apt-get install wrk: %w", err)
	}
	if err != nil {
		return outcome{}, fmt.Errorf("wrk: %w: %.1000s", err, out)
	}
	return parseOutcome(string(out))
}

var result = regexp.MustCompile(`(?m)^RESULT (\{.*\})$`)

func parseOutcome(text string) (o outcome, err error) {
	found := result.FindStringSubmatch(text)
	if found == nil {
		return o, fmt.Errorf("wrk gave no result: %.1000s", strings.TrimSpace(text))
	}
	if err := json.Unmarshal([]byte(found[1]), &o); err != nil {
		return o, fmt.Errorf("wrk's result: %w", err)
	}
	switch {
	case o.Requests == 0 || o.Micros == 0:
		return o, errors.New("wrk had no answer at all")
	case o.Refused > 0 || o.Broken > 0:
		return o, fmt.Errorf("of %d requests %d were refused and %d broken", o.Requests, o.Refused, o.Broken)
	}
	return o, nil
}
