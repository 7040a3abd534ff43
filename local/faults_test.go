package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The scoreboard: what can happen to a container, to its engine and to ourselves
// while it is put right; how often it was restarted then, as the engine counts,
// and how often it should have been. `make faults` runs all of them, and keeps
// the table in docs/faults.md; `make test` runs those that are quick.

// fault is one line of it.
type fault struct {
	zh, en string
	quick  bool // part of make test
	set    setting
	act    func(*faultWorld) // makes it happen, and what the test does afterwards
	limit  time.Duration     // until all is as it is wanted; 0: 45 s
	calm   time.Duration     // and then nothing may change for so long; 0: 3 s
	want   want
}

// want is what a fault is expected to end in. A list is written as tally writes
// it; "|" stands between what may be.
type want struct {
	restarts  times         // of the target; of any other container: never
	alerts    string        // types, oldest first; of one that is over with "-" behind
	remedies  string        // states with the codes of their reasons
	says      []string      // words in the first line of each message, in order
	onlyOnce  string        // instead: words that exactly one message has, of many that a robot takes a while to tell
	unordered bool          // of several alerts at once: in any order
	killed    bool          // we were: the one message that was in flight may have come twice (DESIGN, promise 4)
	proof     time.Duration // what the verification takes at least
}

// times is how often: at least, at most.
type times struct{ least, most int }

var never, once, twice, thrice = times{0, 0}, times{1, 1}, times{2, 2}, times{3, 3}

func (n times) String() string {
	if n.least == n.most {
		return fmt.Sprint(n.least)
	}
	return fmt.Sprintf("%d–%d", n.least, n.most)
}

// faultRow is what came of a fault.
type faultRow struct {
	fault
	seen                     int
	alerts, remedies         string
	says                     []string
	found, acted, proved     string // how long it took
	wrong                    []string
	detect, order, verifying time.Duration
	failed                   bool // it is not as it should be
}

func allFaults() []fault {
	return slices.Concat(containerFaults, identityFaults, engineFaults, killFaults, guardFaults, peopleFaults, neighbourFaults)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	var chosen []fault
	only := regexp.MustCompile(os.Getenv("TRADE_MONITOR_FAULT")) // of one that is worked on
	for _, f := range allFaults() {
		if (f.quick || proofLong()) && only.MatchString(f.en) {
			chosen = append(chosen, f)
		}
	}
	require.NotEmpty(t, chosen)
	rows := make([]faultRow, len(chosen))
	var all sync.WaitGroup
	next := make(chan int)
	for range 4 { // engines at a time
		all.Go(func() {
			for n := range next {
				rows[n] = faultRow{fault: chosen[n], failed: true} // should it end half way
				t.Run(chosen[n].en, func(t *testing.T) { rows[n] = suffer(t, chosen[n]) })
			}
		})
	}
	for n := range chosen {
		next <- n
	}
	close(next)
	all.Wait()
	wrong := 0
	for _, row := range rows {
		wrong += len(row.wrong)
		t.Logf("figures: %s", row.line())
	}
	t.Logf("figures: faults: %d; wrong restarts: %d", len(rows), wrong)
	if proofLong() && os.Getenv("TRADE_MONITOR_FAULT") == "" {
		assert.GreaterOrEqual(t, len(rows), 20)
		keepFigures(t, "faults", table(rows, wrong))
	}
	require.Zero(t, wrong)
}

// suffer makes one fault happen, waits until all is as wanted, then for what
// must not come, and looks.
func suffer(t *testing.T, f fault) (row faultRow) {
	row = faultRow{fault: f}
	w := newFaultWorld(t, f.set)
	f.act(w)
	limit := f.limit
	if limit == 0 {
		limit = 45 * time.Second
	}
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		if row.look(w); row.fits(w) == "" {
			break
		}
	}
	time.Sleep(max(f.calm, 3*time.Second)) // for one restart too many, or one message
	row.look(w)
	row.measure(w)
	row.failed = row.verifying < row.want.proof || row.fits(w) != ""
	if row.verifying < row.want.proof {
		t.Errorf("%s: proven after %s, which is no proof of %s", f.en, row.verifying, row.want.proof)
	}
	if why := row.fits(w); why != "" {
		t.Errorf("%s: %s\n%s", f.en, why, row.line())
	}
	return row
}

// look takes in how it stands.
func (row *faultRow) look(w *faultWorld) {
	row.seen = w.seenAll()
	var alerts, remedies []string
	for _, a := range w.alerts() {
		text := a["alertType"].(string)
		if a["status"] == "RESOLVED" {
			text += "-"
		}
		alerts = append(alerts, text)
	}
	for _, r := range w.remediations() {
		remedies = append(remedies, code(r))
	}
	if row.want.unordered {
		slices.Sort(alerts)
		slices.Sort(remedies)
	}
	row.alerts, row.remedies, row.says, row.wrong = tally(alerts), tally(remedies), nil, nil
	for _, message := range w.messages() {
		row.says = append(row.says, headline(message))
	}
	if row.want.unordered {
		slices.Sort(row.says)
	}
	row.blame(w)
}

// blame names every restart that no expectation covers.
func (row *faultRow) blame(w *faultWorld) {
	if row.seen > row.want.restarts.most {
		row.wrong = append(row.wrong, fmt.Sprintf("%s %d×", w.target.Name, row.seen))
	}
	if w.double != nil {
		if seen := len(w.elsewhere.of(w.double.ID, "start")) - 1; seen > 0 {
			row.wrong = append(row.wrong, fmt.Sprintf("%s of the other host %d×", w.double.Name, seen))
		}
	}
	for id, name := range w.containers() {
		if seen := w.seen(id); seen > 0 && !w.meant(id) {
			row.wrong = append(row.wrong, fmt.Sprintf("%s %d×", name, seen))
		}
	}
}

// fits tells what is not as it should be; empty: all is.
func (row *faultRow) fits(w *faultWorld) string {
	says := row.says
	if row.want.killed {
		says = withoutOneDouble(says)
	}
	switch want := row.want; {
	case len(row.wrong) > 0:
		return "wrong restarts: " + strings.Join(row.wrong, ", ")
	case row.seen < want.restarts.least:
		return fmt.Sprintf("restarts: want %s, seen %d", want.restarts, row.seen)
	case !slices.Contains(strings.Split(want.alerts, "|"), row.alerts):
		return fmt.Sprintf("alerts: want %q, got %q", want.alerts, row.alerts)
	case !slices.Contains(strings.Split(want.remedies, "|"), essential(row.remedies, want.remedies)):
		return fmt.Sprintf("remediations: want %q, got %q", want.remedies, row.remedies)
	case want.onlyOnce != "":
		if n := strings.Count(strings.Join(row.says, "\n"), want.onlyOnce); n != 1 {
			return fmt.Sprintf("messages with %q: want 1, got %d: %q", want.onlyOnce, n, row.says)
		}
	case len(says) != len(want.says):
		return fmt.Sprintf("messages: want %d, got %d: %q", len(want.says), len(says), row.says)
	}
	for i, words := range row.want.says {
		if !strings.Contains(says[i], words) {
			return fmt.Sprintf("message %d: want %q, got %q", i+1, words, says[i])
		}
	}
	return ""
}

// withoutOneDouble leaves out the first message that came again right behind itself.
func withoutOneDouble(says []string) []string {
	for i := 1; i < len(says); i++ {
		if says[i] == says[i-1] {
			return slices.Delete(slices.Clone(says), i, i+1)
		}
	}
	return says
}

// essential leaves out what only says that an event came at the wrong time for
// another restart, where nothing else is expected of it.
func essential(remedies, want string) string {
	kept := slices.DeleteFunc(untally(remedies), func(one string) bool {
		return (one == "SKIPPED under_way" || one == "SKIPPED cooldown") && !strings.Contains(want, one)
	})
	return tally(kept)
}

// measure takes the times of the first remediation that acted: fault → event
// accepted, accepted → order at the engine's socket, container engine says that it started → proven.
func (row *faultRow) measure(w *faultWorld) {
	row.found, row.acted, row.proved = "–", "–", "–"
	alerts := w.alerts()
	if len(alerts) == 0 {
		return
	}
	accepted := w.accepted
	if accepted.IsZero() {
		accepted = at(w.t, alerts[0], "createdAt")
		row.detect = accepted.Sub(w.began)
		row.found = inMilliseconds(row.detect)
	}
	orders := w.recorder.all("")
	if len(orders) == 0 {
		return
	}
	row.order = orders[0].At.Sub(accepted)
	row.acted = inMilliseconds(row.order)
	for _, r := range w.remediations() {
		started, ended := w.events.of(w.target.ID, "start"), when(r, "endedAt")
		started = slices.DeleteFunc(started, func(ev engineEvent) bool { return ev.Heard.Before(orders[0].At) || ev.Heard.After(ended) })
		if len(started) > 0 && r["startedAfter"] != nil {
			row.verifying = ended.Sub(started[0].Heard)
			row.proved = row.verifying.Round(100 * time.Millisecond).String()
			return
		}
	}
}

// inMilliseconds is a time for the table; times of the record are cut to
// milliseconds, so that one may seem to come just before its cause.
func inMilliseconds(d time.Duration) string {
	if d = max(d, 0); d >= 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// when is a time of an answer that may be null.
func when(o map[string]any, name string) time.Time {
	text, _ := o[name].(string)
	t, _ := time.Parse(time.RFC3339Nano, text)
	return t
}

var faultMarkup = regexp.MustCompile(`<[^>]*>|^#+ `)

// firstLine is a message's, without the robot's markdown.
func headline(content string) string {
	line, _, _ := strings.Cut(content, "\n")
	return faultMarkup.ReplaceAllString(line, "")
}

func (row *faultRow) line() string {
	return fmt.Sprintf("%s | %s | %d | %s | %s | %d: %s | %s | %s | %s", row.en, row.want.restarts, row.seen, row.alerts, row.remedies,
		len(row.says), strings.Join(row.says, " / "), row.found, row.acted, row.proved)
}

// table is the scoreboard as docs/faults.md keeps it.
func table(rows []faultRow, wrong int) string {
	var b strings.Builder
	b.WriteString("| 故障 (fault) | 预期 (expected) | 实际 (seen) | 告警 (alerts) | 处置 (remediations) | 消息 (messages) | 发现 (detect) | 下令 (act) | 确认 (verify) |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range rows {
		says := fmt.Sprint(len(row.says))
		if len(row.says) > 0 {
			var quoted []string
			for _, line := range row.says {
				quoted = append(quoted, strings.ReplaceAll(line, "|", "\\|"))
			}
			says += "：" + tally(quoted)
		}
		mark := ""
		if row.failed {
			mark = " ✗"
		}
		fmt.Fprintf(&b, "| %s (%s) | %s | %d%s | %s | %s | %s | %s | %s | %s |\n", row.zh, row.en, row.want.restarts, row.seen, mark,
			backquoted(row.alerts), backquoted(row.remedies), says, row.found, row.acted, row.proved)
	}
	fmt.Fprintf(&b, "\n错误的重启 (wrong restarts): **%d** / %d\n", wrong, len(rows))
	return b.String()
}

func backquoted(text string) string {
	if text == "" {
		return "–"
	}
	return "`" + text + "`"
}

// keepFigures writes what a long proof measured between its two markers in
// docs/faults.md.
func keepFigures(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join("..", "docs", "faults.md")
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->"
	before, rest, found := strings.Cut(string(page), begin)
	require.True(t, found, begin)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found, end)
	require.NoError(t, os.WriteFile(path, []byte(before+begin+"\n"+strings.TrimSpace(text)+"\n\n"+end+after), 0o644))
}
