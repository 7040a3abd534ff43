package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test program be the bare server, as the real one is.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == bareWord {
		main()
	}
	os.Exit(m.Run())
}

// tiny is a run that measures nothing worth reading and passes every step.
func tiny(t *testing.T) plan {
	binary := filepath.Join(t.TempDir(), "trade-monitor")
	build := exec.Command("go", "build", "-o", binary, "trade-monitor/local")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return plan{
		binary: binary, parts: partNames(), rounds: 1, seconds: 1, bareSeconds: 1, idle: 10 * time.Millisecond, samples: 3, gap: time.Millisecond,
		few: 100, many: 1_000, pages: 3, words: 60, waiting: 500, connections: 8, threads: 2,
	}
}

func TestTheBenchTakesEveryFigure(t *testing.T) {
	t.Parallel()
	figures, err := measure(t.Context(), tiny(t), t.Output())
	require.NoError(t, err)
	var text bytes.Buffer
	require.NoError(t, writeText(&text, figures))
	for _, name := range []string{
		"distinct alerts), SQLite", "repeating alert), SQLite", "distinct alerts), MariaDB", "repeating alert), MariaDB",
		"accepted → at the robot", "memory when idle", "most under this load", "1000 : 100", "size of the program",
		"1,000 heartbeats a second", "1,000 heartbeats every 60 s",
		"the client alone", "no limit, one robot), SQLite", "20 robots at once), SQLite", "no limit, one robot), MariaDB", "memory for each waiting word", "disk for each waiting word",
	} {
		assert.Contains(t, text.String(), name)
	}
	for _, f := range figures {
		assert.GreaterOrEqual(t, f.value, 0.0, f.name)
		if strings.Contains(f.name, "durable notify") {
			assert.Positive(t, f.value, f.name)
			assert.Less(t, f.value, 1.5, "recording cannot be that much faster than nothing: %s", f.name)
		}
	}
}

func TestAServerThatRefusesFailsTheBench(t *testing.T) {
	t.Parallel()
	answered := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answered++; answered == 5 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	b := &bench{plan: plan{connections: 1, threads: 1}, dir: t.TempDir()}
	_, err := b.wrk(t.Context(), server.URL, repeating(), 1)
	assert.ErrorContains(t, err, " 1 were refused")
}

func TestDistinctLoadNamesEveryServiceOnce(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 100_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		name := strings.SplitN(body.String(), `"serviceName":"`, 2)
		if assert.Len(t, name, 2, body.String()) {
			select {
			case seen <- name[1][:strings.IndexByte(name[1], '"')]:
			default:
			}
		}
		time.Sleep(time.Millisecond)
	}))
	defer server.Close()
	b := &bench{plan: plan{connections: 4, threads: 2}, dir: t.TempDir()}
	for n := range 2 {
		_, err := b.wrk(t.Context(), server.URL, distinct(n), 1)
		require.NoError(t, err)
	}
	server.Close()
	close(seen)
	names := map[string]bool{}
	for name := range seen {
		assert.False(t, names[name], "%s twice", name)
		assert.Len(t, name, len("service-")+len(mark))
		names[name] = true
	}
	assert.NotEmpty(t, names)
}

func TestACountThatIsNotWhatWasAnsweredFailsTheBench(t *testing.T) {
	assert.NoError(t, within("events", 100, 100, 132))
	assert.NoError(t, within("events", 132, 100, 132))
	assert.ErrorContains(t, within("events", 99, 100, 132), "99")
	assert.ErrorContains(t, within("events", 133, 100, 132), "133")
}

func TestTheTableJudges(t *testing.T) {
	figures := []figure{
		{name: "share", value: .12, target: atLeast(.12)},
		{name: "time", value: 9.999, unit: " ms", target: atMost(10), note: "50 alerts"},
		{name: "size", value: 123.4, unit: " MiB"},
	}
	assert.False(t, missed(figures))
	figures = append(figures, figure{name: "slow", value: .119, target: atLeast(.12)})
	assert.True(t, missed(figures))

	var text, page bytes.Buffer
	require.NoError(t, writeText(&text, figures))
	require.NoError(t, writeMarkdown(&page, figures))
	assert.Regexp(t, `0\.120 +≥ 0\.12 +OK +share\n`, text.String())
	assert.Regexp(t, `123 MiB +size\n`, text.String())
	assert.Regexp(t, `0\.119 +≥ 0\.12 +MISS +slow\n`, text.String())
	assert.Contains(t, page.String(), "| time<br>50 alerts | 10.00 ms | ≤ 10 ms | OK |\n")
}

func TestQuantiles(t *testing.T) {
	assert.Equal(t, 1, quantile([]int{2, 1}, .5))
	assert.Equal(t, 2, quantile([]int{3, 1, 2}, .5))
	assert.Equal(t, 99, quantile(upTo(100), .99))
	assert.Equal(t, 1, quantile(upTo(100), 0))
	assert.Equal(t, 100, quantile(upTo(100), 1))
	assert.Zero(t, quantile([]int{}, .5))
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-parts", "nothing"}, {"-nothing"}, {"more"}} {
		var stderr bytes.Buffer
		assert.Equal(t, exitUsage, run(context.Background(), args, &stderr, &stderr), args)
		assert.NotEmpty(t, stderr.String())
	}
	var stderr bytes.Buffer
	assert.Equal(t, exitFailed, run(context.Background(), []string{"-binary", filepath.Join(t.TempDir(), "none")}, &stderr, &stderr))
	assert.Contains(t, stderr.String(), "make build")
}
