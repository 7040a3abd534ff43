package socketproxy

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

var (
	allowedID = strings.Repeat("a", 64)
	strangeID = strings.Repeat("b", 64)
	watchedID = strings.Repeat("c", 64)
	ownID     = strings.Repeat("d", 64)
)

// stub is an engine that knows four containers and notes what reaches it.
type stub struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string // method and URI
	headers  []http.Header
	handle   func(w http.ResponseWriter, r *http.Request) bool // before all else; true: answered
}

func newStub(t *testing.T) *stub {
	t.Helper()
	s := &stub{}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *stub) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.RequestURI+string(body))
	s.headers = append(s.headers, r.Header)
	handle := s.handle
	s.mu.Unlock()
	if handle != nil && handle(w, r) {
		return
	}
	for name, id := range map[string]string{"allowed": allowedID, "stranger": strangeID, "watched": watchedID, "own": ownID} {
		// As the engine does, which takes the beginning of an id as well.
		if _, rest, found := strings.Cut(r.URL.Path, "/containers/"); found {
			if ref, call, _ := strings.Cut(rest, "/"); call == "json" && (ref == name || strings.HasPrefix(id, ref)) {
				label := ""
				if name == "watched" {
					label = `"trade-monitor.watch":"true",`
				}
				fmt.Fprintf(w, `{"Id":%q,"Name":"/%s","Image":"sha256:%s","Config":{"Env":["PASSWORD=canary"],"Labels":{%s"other":"canary"}}}`, id, name, name, label)
				return
			}
		}
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/containers/json"):
		_, _ = io.WriteString(w, `[{"Id":"`+ownID+`","ImageID":"sha256:own","Names":["/own"],"Command":"canary"}]`)
	case r.Method == http.MethodPost:
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(r.URL.Path, "/json"):
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"message":"No such container"}`)
	default:
		_, _ = io.WriteString(w, `{}`)
	}
}

// reached is what has reached the engine since the last time, without the
// proxy's own looks.
func (s *stub) reached() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, one := range s.requests {
		if !strings.HasPrefix(one, "GET ") || !strings.HasSuffix(one, "/json") {
			all = append(all, one)
		}
	}
	s.requests = nil
	return all
}

// proxied is a proxy in front of an engine.
type proxied struct {
	*httptest.Server
	proxy *Proxy
	log   *logged
}

type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// before starts a proxy in front of an engine, for the containers of this name.
func before(t *testing.T, host string, containers ...string) *proxied {
	t.Helper()
	p := &proxied{log: &logged{}}
	var err error
	p.proxy, err = New(Options{
		Host: host,
		Policy: func() alerting.Policy {
			policy := alerting.DefaultPolicy()
			policy.Containers = containers
			return policy
		},
		Self: func(id, _ string) bool { return id == ownID },
		Log:  slog.New(slog.NewTextHandler(p.log, nil)),
	})
	require.NoError(t, err)
	p.Server = httptest.NewUnstartedServer(p.proxy)
	p.Config = p.proxy.Server(nil)
	p.Config.ReadHeaderTimeout = time.Second
	p.Start()
	t.Cleanup(p.Close)
	return p
}

func (s *stub) proxied(t *testing.T) *proxied { return before(t, s.URL, "allowed", "own", "missing") }

// do makes a plain request.
func (p *proxied) do(t *testing.T, method, uri string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.URL+uri, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

// raw sends bytes and gives what comes back within two seconds.
func (p *proxied) raw(t *testing.T, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", p.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(2*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	answer := make([]byte, 4096)
	n, _ := conn.Read(answer)
	return string(answer[:n])
}
