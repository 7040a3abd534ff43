package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A host whose clock is wrong, without touching the clock of this machine: the
// program is built from the same source with a standard library whose time.Now
// is ahead by as many seconds as a variable of the environment says. Nothing of
// it is in the product. How time passes is not changed, as on such a host.

// aheadSetting says by how many seconds the clock is ahead; negative: behind.
const aheadSetting = "TEST_CLOCK_AHEAD_SECONDS"

// aheadSource goes beside time.go. Package time can use little more than syscall.
const aheadSource = `package time

import "syscall"

var testAhead = func() (s int64) {
	text, _ := syscall.Getenv("` + aheadSetting + `")
	for i := 0; i < len(text); i++ {
		if '0' <= text[i] && text[i] <= '9' {
			s = 10*s + int64(text[i]-'0')
		}
	}
	if text != "" && text[0] == '-' {
		s = -s
	}
	return s
}()
`

var builtAhead struct {
	once sync.Once
	path string
	err  error
}

// binaryAhead builds the program whose clock can be wrong, once. A machine that
// has not built it before compiles everything that uses time: a minute or two.
func binaryAhead(t testing.TB) string {
	t.Helper()
	builtAhead.once.Do(func() { builtAhead.path, builtAhead.err = buildAhead(filepath.Dir(binary(t))) })
	require.NoError(t, builtAhead.err)
	return builtAhead.path
}

func buildAhead(dir string) (path string, err error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	clock, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		return "", err
	}
	const read = "sec, nsec, mono := runtimeNow()\n"
	if n := strings.Count(string(clock), read); n != 1 {
		return "", fmt.Errorf("time.Now of this version of Go reads the clock in another way (%d times %q): this test has to learn it", n, read)
	}
	files := map[string]string{
		"time.go":       strings.Replace(string(clock), read, read+"\tsec += testAhead\n", 1),
		"test_ahead.go": aheadSource,
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for name, text := range files {
		ours := filepath.Join(dir, "ahead-"+name)
		if err := os.WriteFile(ours, []byte(text), 0o600); err != nil {
			return "", err
		}
		overlay["Replace"][filepath.Join(source, name)] = ours
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "ahead.json"), list, 0o600); err != nil {
		return "", err
	}
	path = filepath.Join(dir, "trade-monitor-ahead")
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "ahead.json"), "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// launchAhead is launch on a host whose clock is ahead.
func launchAhead(t testing.TB, ahead time.Duration, env ...string) *runningService {
	t.Helper()
	return launchProgram(t, binaryAhead(t), append(env, fmt.Sprintf("%s=%d", aheadSetting, int(ahead.Seconds())))...)
}

var logged = regexp.MustCompile(`(?m)^time=(\S+)`)

// checkClock: what a process takes for now, as the header of its answers and the
// lines of its log tell.
func checkClock(t testing.TB, s *runningService, ahead time.Duration) {
	t.Helper()
	const slack = 10 * time.Second // much less than they are apart
	date, err := http.ParseTime(s.get("/healthz").header.Get("Date"))
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(ahead), date, slack, "its answers")
	await(t, 20*time.Second, "a line of its log", func() bool { return logged.MatchString(s.output.String()) })
	lines := logged.FindAllStringSubmatch(s.output.String(), -1)
	first, err := time.Parse(time.RFC3339, lines[0][1])
	require.NoError(t, err)
	assert.WithinDuration(t, s.started.Add(ahead), first, slack, "its log")
}

// checkRecordedBetween: the times on record are those of the database's clock,
// whoever wrote them. The columns are of whole seconds.
func checkRecordedBetween(t testing.TB, s *runningService, from, to time.Time) {
	t.Helper()
	for _, alert := range allAlerts(t, s) {
		at, err := time.Parse(time.RFC3339, alert["createdAt"].(string))
		require.NoError(t, err)
		require.WithinRange(t, at, from.Add(-time.Second), to.Add(time.Second), "alert %v", alert["id"])
	}
}
