package socketproxy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answers of a real engine, with a canary wherever a secret can be.
func sample(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	require.Contains(t, string(text), "canary")
	return string(text)
}

// answering makes the engine answer one path.
func (s *stub) answering(path, text string) {
	s.handle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Api-Version", "1.41")
		_, _ = io.WriteString(w, text)
		return true
	}
}

// An environment is where secrets are; but not the only place.
func TestNothingIsLeftOfAnAnswerThatWeDoNotNeed(t *testing.T) {
	for _, c := range []struct{ path, file, want string }{
		{"/containers/allowed/json", "inspect.json", `{"Id":"` + allowedID + `","Name":"/allowed","Created":"2026-02-25T02:00:00Z","Image":"sha256:1","RestartCount":2,
			"State":{"Status":"running","Running":true,"Paused":false,"Restarting":false,"OOMKilled":false,"ExitCode":137,"StartedAt":"2026-02-25T02:00:01Z","FinishedAt":"2026-02-25T02:00:00.5Z",
				"Health":{"Status":"unhealthy","FailingStreak":3,"Log":[{"Start":"2026-02-25T02:01:00Z","End":"2026-02-25T02:01:01Z","ExitCode":1,"Output":"not well"}]}},
			"GraphDriver":{"Name":"overlay2","Data":{"UpperDir":"/var/lib/docker/overlay2/x/diff"}},
			"HostConfig":{"RestartPolicy":{"Name":"always","MaximumRetryCount":0},"LogConfig":{"Type":"splunk"}},
			"Config":{"Labels":{"trade-monitor.restart":"true"},"Tty":true,"StopTimeout":30}}`},
		{"/info", "info.json", `{"ID":"ABCD","Name":"tradehost","SystemTime":"2026-02-25T10:00:00.000000001+08:00","ServerVersion":"20.10.24"}`},
		{"/containers/json", "list.json", `[{"Id":"` + allowedID + `","Names":["/allowed","/web/alias"],"Created":1771984800,"State":"running","Status":"Up 2 hours","Labels":{"trade-monitor.watch":"true"}}]`},
	} {
		s := newStub(t)
		s.answering(c.path, sample(t, c.file))
		status, body := s.proxied(t).do(t, http.MethodGet, c.path)
		assert.Equal(t, http.StatusOK, status)
		assert.NotContains(t, body, "canary")
		assert.JSONEq(t, c.want, body)
	}
}

func TestAnAnswerThatCannotBeReadIsNotPassedOn(t *testing.T) {
	for _, path := range []string{"/info", "/containers/json", "/containers/allowed/json"} {
		for _, text := range []string{"", "canary", `{"ID":"canary`, `{"Names":1,"ID":{"canary":1},"Name":[]}`} {
			s := newStub(t)
			s.answering(path, text)
			status, body := s.proxied(t).do(t, http.MethodGet, path)
			assert.Equal(t, http.StatusBadGateway, status, "%s %s", path, text)
			assert.NotContains(t, body, "canary")
		}
	}
}

func TestTheEnginesOwnRefusalIsPassedOn(t *testing.T) {
	s := newStub(t)
	s.handle = func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"message":"as it is"}`)
		return true
	}
	p := s.proxied(t)
	for _, path := range []string{"/info", "/containers/json", "/events", "/containers/allowed/json", "/containers/allowed/logs?stdout=1"} {
		status, body := p.do(t, http.MethodGet, path)
		assert.Equal(t, http.StatusConflict, status, path)
		assert.JSONEq(t, `{"message":"as it is"}`, body, path)
	}
	assert.Empty(t, p.log.String(), "it is no refusal of ours")
}

func TestAnEngineThatIsAwayIsABadGateway(t *testing.T) {
	p := before(t, "unix:///nowhere/docker.sock", "allowed")
	for _, uri := range []string{"/_ping", "/info", "/containers/allowed/json", "/containers/allowed/logs?stdout=1"} {
		status, body := p.do(t, http.MethodGet, uri)
		assert.Equal(t, http.StatusBadGateway, status)
		assert.NotContains(t, body, "nowhere", "its address is nobody's business")
	}
	assert.Contains(t, p.log.String(), "does not answer")
}

func TestAnEngineIsNamedByItsAddress(t *testing.T) {
	for _, host := range []string{"", "unix:///var/run/docker.sock", "tcp://127.0.0.1:2375", "http://127.0.0.1:2375"} {
		_, err := New(Options{Host: host})
		assert.NoError(t, err, host)
	}
	for _, host := range []string{"ssh://user:canary@host", "/var/run/docker.sock", "tcp://", "tcp://[canary"} {
		_, err := New(Options{Host: host})
		require.Error(t, err, host)
		assert.NotContains(t, err.Error(), "canary")
	}
}

// streaming is a stub whose events and logs are written by the test; the engine's
// side of each stream ends when its caller is gone, which left tells.
func streaming(t *testing.T) (s *stub, write chan string, left chan struct{}) {
	t.Helper()
	s, write, left = newStub(t), make(chan string), make(chan struct{}, 1)
	s.handle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/events" && !strings.HasSuffix(r.URL.Path, "/logs") {
			return false
		}
		w.(http.Flusher).Flush()
		for {
			select {
			case text, more := <-write:
				if !more {
					panic(http.ErrAbortHandler) // cut
				}
				if text == "" {
					return true // ended
				}
				_, _ = io.WriteString(w, text)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				left <- struct{}{}
				return true
			}
		}
	}
	return s, write, left
}

// follow opens a stream through the proxy; it must begin before anything is in it.
func (p *proxied) follow(ctx context.Context, t *testing.T, uri string) *bufio.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+uri, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return bufio.NewReader(resp.Body)
}

func TestAStreamPassesAsItComesAndEndsWithItsCaller(t *testing.T) {
	for _, uri := range []string{"/events?since=1", "/containers/allowed/logs?follow=1&stdout=1"} {
		s, write, left := streaming(t)
		ctx, leave := context.WithCancel(t.Context())
		lines := s.proxied(t).follow(ctx, t, uri)
		for n := range 3 {
			write <- fmt.Sprintf(`{"Type":"container","time":%d}`+"\n", n)
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			assert.Contains(t, line, fmt.Sprintf(`"time":%d`, n))
		}
		leave()
		select {
		case <-left:
		case <-time.After(2 * time.Second):
			t.Fatal("the engine goes on writing for nobody")
		}
	}
}

func TestAStreamsEndIsAnEndAndACutIsACut(t *testing.T) {
	for _, uri := range []string{"/events?since=1", "/containers/allowed/logs?follow=1&stdout=1"} {
		s, write, _ := streaming(t)
		p := s.proxied(t)
		lines := p.follow(t.Context(), t, uri)
		write <- ""
		_, err := lines.ReadString('\n')
		require.ErrorIs(t, err, io.EOF, uri)

		lines = p.follow(t.Context(), t, uri)
		write <- `{"Type":"container"}`
		close(write)
		_, err = io.ReadAll(lines)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, uri)
	}
}

func TestOfAnEventOnlyWhatWeReadIsLeft(t *testing.T) {
	for given, want := range map[string]string{
		`{"status":"exec_create: mysqladmin -pcanary ping","id":"a","from":"canary","Type":"container","Action":"exec_create: mysqladmin -pcanary ping",
			"Actor":{"ID":"a","Attributes":{"name":"db","execID":"1","image":"canary","password":"canary"}},"scope":"local","time":1,"timeNano":2}`: `{"Type":"container","Action":"exec_create","Actor":{"ID":"a","Attributes":{"name":"db"}},"scope":"local","time":1,"timeNano":2}`,
		`{"Type":"container","Action":"die","Actor":{"ID":"a","Attributes":{"exitCode":"137","signal":"9","oldName":"/x","name":"db","trade-monitor.watch":"true","com.example":"canary"}}}`: `{"Type":"container","Action":"die","Actor":{"ID":"a","Attributes":{"exitCode":"137","signal":"9","oldName":"/x","name":"db","trade-monitor.watch":"true"}},"time":0,"timeNano":0}`,
		`{"Type":"container","Action":"health_status: unhealthy","Actor":{"ID":"a"}}`:                                                                                                        `{"Type":"container","Action":"health_status: unhealthy","Actor":{"ID":"a","Attributes":null},"time":0,"timeNano":0}`,
		`{"Type":"secret","Action":"create","Actor":{"ID":"s","Attributes":{"name":"n"}},"timeNano":3}`:                                                                                      `{"Type":"secret","Action":"create","Actor":{"ID":"s","Attributes":{"name":"n"}},"time":0,"timeNano":3}`,
	} {
		var e event
		require.NoError(t, json.Unmarshal([]byte(given), &e))
		e.tidy()
		text, err := json.Marshal(e)
		require.NoError(t, err)
		assert.JSONEq(t, want, string(text))
	}
}
