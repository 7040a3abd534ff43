package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	slowClients = 100
	idleClients = 5000
	mostMemory  = 150 // MiB resident
	mostP99     = time.Second
)

// What strangers do to a port must not keep an alarm from being recorded: slow
// senders, thousands of idle connections and floods of headers, all at once
// and from the address that honest callers have.
func TestHonestCallersAreServedWhileOthersAttack(t *testing.T) {
	s := launch(t, "REMEDIATION_MODE=off")
	await(t, 10*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	s.idle(idleClients)
	var attack sync.WaitGroup
	stop := make(chan struct{})
	for i := range slowClients {
		attack.Go(func() { s.slowloris(i, stop) })
	}
	attack.Go(func() { s.repeat(stop, func() { s.exchangeRaw(headerFlood) }) })

	took, memory := s.honest(6 * time.Second)
	close(stop)
	attack.Wait()
	p99 := took[len(took)*99/100]
	t.Logf("%d honest events: p50 %s, p99 %s; at most %d MiB resident", len(took), took[len(took)/2], p99, memory)
	require.Greater(t, len(took), 20)
	require.Less(t, p99, mostP99)
	require.Less(t, memory, mostMemory)
	total := s.get("/api/alerts?serviceName=honest").fields["data"].([]any)[0].(map[string]any)["occurrences"]
	require.EqualValues(t, len(took), total, "every answer was true")
}

// honest posts events one after the other and gives the times in order, and the
// most memory that the program held meanwhile.
func (s *runningService) honest(during time.Duration) (took []time.Duration, memory int) {
	s.t.Helper()
	for deadline := time.Now().Add(during); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		begun := time.Now()
		r := s.notify(ticker("honest"))
		took = append(took, time.Since(begun))
		require.Equal(s.t, http.StatusOK, r.status, r.text)
		memory = max(memory, s.resident())
	}
	slices.Sort(took)
	return took, memory
}

// resident is the program's memory in MiB.
func (s *runningService) resident() int {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	require.NoError(s.t, err)
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	require.NoError(s.t, err)
	return kib >> 10
}

func (s *runningService) dial() (net.Conn, error) {
	return net.DialTimeout("tcp", strings.TrimPrefix(s.url, "http://"), 5*time.Second)
}

// idle opens connections that have been answered once and say nothing more,
// until the test ends.
func (s *runningService) idle(n int) {
	s.t.Helper()
	var (
		opened  sync.WaitGroup
		failed  atomic.Int64
		mu      sync.Mutex
		holding []net.Conn
	)
	s.t.Cleanup(func() {
		for _, conn := range holding {
			_ = conn.Close()
		}
	})
	for worker := range 50 {
		opened.Go(func() {
			for range (n + worker) / 50 {
				conn, err := s.dial()
				if err == nil {
					mu.Lock()
					holding = append(holding, conn)
					mu.Unlock()
					err = ask(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusOK)
				}
				if err != nil {
					failed.Add(1)
				}
			}
		})
	}
	opened.Wait()
	require.Zero(s.t, failed.Load(), "connections that were not served")
	require.GreaterOrEqual(s.t, len(holding), n)
}

// ask sends raw bytes and reads one answer.
func ask(conn net.Conn, raw string, status int) error {
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, raw); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != status {
		return fmt.Errorf("answered %d", res.StatusCode)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// slowloris sends a byte at a time, every other one of its headers, the others
// of a body, and starts again when it is thrown out.
func (s *runningService) slowloris(i int, stop <-chan struct{}) {
	const head = "POST /api/events/notify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 65536\r\n"
	s.repeat(stop, func() {
		conn, err := s.dial()
		if err != nil {
			return
		}
		defer conn.Close()
		text := head + "X-Slow: "
		if i%2 == 0 {
			text = head + "\r\n{"
		}
		for err == nil {
			_, err = io.WriteString(conn, text)
			text = "a"
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
}

func (s *runningService) repeat(stop <-chan struct{}, attack func()) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(10 * time.Millisecond):
			attack()
		}
	}
}

var headerFlood = "GET /api/alerts HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Flood: "+strings.Repeat("a", 1000)+"\r\n", 40) + "\r\n"

// exchangeRaw sends raw bytes on a connection of its own and gives all that
// comes back.
func (s *runningService) exchangeRaw(raw string) string {
	conn, err := s.dial()
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	// The program may hang up before it has everything; what it said counts.
	_, _ = io.WriteString(conn, raw)
	text, _ := io.ReadAll(conn)
	return string(text)
}

func TestASlowSenderIsThrownOut(t *testing.T) {
	t.Parallel()
	s := launch(t, "REMEDIATION_MODE=off")
	for name, c := range map[string]struct {
		raw   string
		limit time.Duration
	}{
		"headers that never end": {"GET /api/alerts HTTP/1.1\r\nHost: x\r\nX-Slow: ", headerTime},
		"a body that never ends": {"POST /api/events/notify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", requestTime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := s.dial()
			require.NoError(t, err)
			defer conn.Close()
			begun := time.Now()
			_, err = io.WriteString(conn, c.raw)
			require.NoError(t, err)
			_ = conn.SetReadDeadline(begun.Add(c.limit + 3*time.Second))
			_, err = io.Copy(io.Discard, conn)
			require.NoError(t, err, "the program hangs up")
			require.InDelta(t, c.limit.Seconds(), time.Since(begun).Seconds(), 1.5)
		})
	}
}

func TestOddHTTP(t *testing.T) {
	s := launch(t, "REMEDIATION_MODE=off")
	body := ticker("odd").json()
	post := func(version, headers, body string) string {
		return fmt.Sprintf("POST /api/events/notify HTTP/%s\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", version, headers, len(body), body)
	}
	const closing = "Host: x\r\nConnection: close\r\n"
	status := func(answer string) string {
		return strings.TrimPrefix(strings.SplitN(answer, "\r\n", 2)[0], "HTTP/1.1 ")
	}

	t.Run("HTTP/1.0", func(t *testing.T) {
		require.Contains(t, s.exchangeRaw(post("1.0", "", body)), " 200 OK")
		require.Contains(t, s.exchangeRaw("GET /healthz HTTP/1.0\r\n\r\n"), " 200 OK")
	})
	t.Run("pipelining", func(t *testing.T) {
		answers := s.exchangeRaw(strings.Repeat(post("1.1", "Host: x\r\n", body), 20) + post("1.1", closing, body))
		require.Equal(t, 21, strings.Count(answers, "HTTP/1.1 200 OK"))
		require.EqualValues(t, 23, s.notify(ticker("odd")).number("occurrences"), "each counted once, in order")
	})
	t.Run("header flood", func(t *testing.T) {
		require.Equal(t, "431 Request Header Fields Too Large", status(s.exchangeRaw(headerFlood)))
		most := "X-Most: " + strings.Repeat("a", 15<<10) + "\r\n"
		require.Equal(t, "200 OK", status(s.exchangeRaw(post("1.1", closing+most, body))))
		over := "X-Over: " + strings.Repeat("a", 16<<10) + "\r\n"
		require.Equal(t, "431 Request Header Fields Too Large", status(s.exchangeRaw(post("1.1", closing+over, body))))
	})
	t.Run("smuggling", func(t *testing.T) {
		for _, headers := range []string{
			"Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity, chunked\r\n", "Content-Length: 7\r\n", "Transfer-Encoding: xchunked\r\n", "Content-Length : 7\r\n",
		} {
			answers := s.exchangeRaw(post("1.1", closing+headers, `{"a":1}GET /metrics HTTP/1.1`+"\r\nHost: x\r\n\r\n"))
			require.Equal(t, 1, strings.Count(answers, "HTTP/1.1 "), "one request, one answer:\n%s", answers)
			require.NotContains(t, answers, "200 OK")
		}
	})
	t.Run("nonsense", func(t *testing.T) {
		for _, raw := range []string{"\x16\x03\x01\x02\x00\x01\x00\x01", "HELO x\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
			answer := s.exchangeRaw(raw + "\r\n\r\n")
			require.Regexp(t, `^HTTP/1\.[01] (400|505)`, answer, "%q", raw)
		}
	})
	require.Equal(t, http.StatusOK, s.get("/healthz").status)
}

func TestOddBodies(t *testing.T) {
	s := launch(t, "REMEDIATION_MODE=off")
	valid := ticker("odd-bodies").json()
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err := io.WriteString(w, valid)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	var wide bytes.Buffer
	wide.WriteString("\xff\xfe")
	for _, unit := range utf16.Encode([]rune(valid)) {
		wide.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	for name, c := range map[string]struct {
		body, encoding string
		status         int
	}{
		"gzip":                {zipped.String(), "gzip", http.StatusUnsupportedMediaType},
		"gzip, unsaid":        {zipped.String(), "", http.StatusBadRequest},
		"said, not gzip":      {valid, "gzip", http.StatusUnsupportedMediaType},
		"identity":            {valid, "identity", http.StatusOK},
		"UTF-16":              {wide.String(), "", http.StatusBadRequest},
		"equal keys":          {strings.Replace(valid, "{", `{"title":"first","title":"second",`, 1), "", http.StatusOK},
		"equal keys at war":   {strings.Replace(valid, "{", `{"title":7,"title":[],`, 1), "", http.StatusOK},
		"the last one wrong":  {valid[:len(valid)-1] + `,"title":7}`, "", http.StatusBadRequest},
		"a thousand brackets": {strings.Repeat("[", 60_000), "", http.StatusBadRequest},
		"many keys":           {`{"metadata":{` + strings.Repeat(`"k":1,`, 10_000) + `"k":1},` + valid[1:], "", http.StatusOK},
		"a number of digits":  {strings.Replace(valid, "{", `{"x":`+strings.Repeat("9", 60_000)+`,`, 1), "", http.StatusOK},
		"more than 64 KiB":    {strings.Replace(valid, "{", `{"x":"`+strings.Repeat("x", 64<<10)+`",`, 1), "", http.StatusRequestEntityTooLarge},
		"ten MiB":             {strings.Replace(valid, "{", `{"x":"`+strings.Repeat("x", 10<<20)+`",`, 1), "", http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/api/events/notify", strings.NewReader(c.body))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/json")
			if c.encoding != "" {
				req.Header.Set("Content-Encoding", c.encoding)
			}
			res, err := s.client.Do(req)
			if name == "ten MiB" && err != nil {
				return // it may hang up on who does not stop
			}
			require.NoError(t, err)
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			assert.Equal(t, c.status, res.StatusCode, "%s", text)
		})
	}
	require.Less(t, s.resident(), mostMemory)
}
