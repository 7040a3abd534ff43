package socketproxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker"
	"trade-monitor/shared/docker/dockertest"
)

// hostile are request lines that must not reach an engine, with the container
// that may be restarted for %s.
var hostile = []string{
	"POST /containers/create", "POST /v1.41/containers/create?name=x", "POST /containers/%s/exec", "POST /exec/1234/start", "POST /exec/1234/resize",
	"POST /containers/%s/kill", "POST /containers/%s/kill?signal=TERM", "POST /containers/%s/pause", "POST /containers/%s/update",
	"POST /containers/%s/rename?name=x", "POST /containers/%s/attach?stream=1", "GET /containers/%s/attach/ws", "DELETE /containers/%s?force=1",
	"GET /containers/%s/archive?path=/etc/shadow", "PUT /containers/%s/archive?path=/", "HEAD /containers/%s/archive?path=/", "GET /containers/%s/export",
	"POST /containers/%s/copy", "GET /containers/%s/top", "GET /containers/%s/stats", "GET /containers/%s/changes", "POST /containers/%s/wait",
	"POST /containers/%s/resize?h=1&w=1", "POST /containers/prune", "GET /images/json", "POST /images/create?fromImage=x", "DELETE /images/x", "POST /build",
	"GET /volumes", "POST /volumes/create", "GET /networks", "POST /networks/create", "POST /networks/x/connect", "GET /secrets", "GET /configs",
	"GET /swarm", "POST /swarm/init", "GET /services", "GET /tasks", "GET /nodes", "GET /plugins", "POST /plugins/pull", "GET /system/df", "POST /auth",
	"POST /session", "POST /grpc", "GET /version", "GET /distribution/x/json", "GET /debug/pprof/", "GET /metrics", "GET /", "OPTIONS *", "CONNECT docker:80",
	// One of ours, in another form.
	"GET /containers/%s/restart", "PUT /containers/%s/restart", "post /containers/%s/restart", "POSTX /containers/%s/restart", "HEAD /containers/%s/json", "HEAD /info",
	"POST //containers/%s/restart", "POST /containers//%s/restart", "POST /containers/%s//restart", "POST /containers/%s/restart/", "POST /containers/./%s/restart",
	"POST /containers/x/../%s/restart", "POST /info/../containers/%s/restart", "POST /containers/%s/logs/../restart", "POST /containers/../containers/%s/restart",
	"POST /containers%%2f%s/restart", "POST /containers/%s%%2frestart", "POST /containers/%s/%%72estart", "POST /containers/%%2e%%2e/containers/%s/restart",
	"POST /containers/%s/restart%%00", "POST /containers/%s/restart%%20", "POST /containers/%s/restart%%3ft=0", "POST /containers/%s/restart;x", "POST /containers/%s\\..\\x/restart",
	"POST /CONTAINERS/%s/restart", "POST /containers/%s/Restart", "POST /v1.41/v1.41/containers/%s/restart", "POST /v1/containers/%s/restart", "POST /v2.0/containers/%s/restart",
	"POST /v1.23/containers/%s/start", "POST /v1.041/containers/%s/start", "POST /v1.41x/containers/%s/start", "POST /v1.100/containers/%s/start", "POST /x/v1.41/containers/%s/start",
	"GET /containers/../json", "GET /containers/.%s/json", "GET /containers/%s%%2f..%%2fx/json", "GET /containers/%%2e%%2e/json", "GET /containers/json/json/json",
	// One of ours, with a parameter that is not.
	"POST /containers/%s/restart?t=0", "POST /containers/%s/restart?signal=KILL", "POST /containers/%s/start?checkpoint=x", "POST /containers/%s/start?detachKeys=a",
	"GET /containers/%s/logs?stdout=1&details=1", "GET /containers/%s/logs?stdout=true", "GET /containers/%s/logs?stdout=1&stdout=1", "GET /containers/%s/logs?stdout=1&tail=-1",
	"GET /containers/%s/logs?stdout=1&since=x", "GET /containers/%s/logs?stdout=1;follow=1", "GET /containers/%s/logs?stdout=%%zz", "GET /containers/%s/logs?STDOUT=1", "GET /containers/%s/logs?until=1",
	"GET /containers/%s/json?size=1", "GET /containers/json?size=1", "GET /containers/json?all=1&limit=1", "GET /containers/json?before=%s", "GET /info?x=1", "GET /_ping?x",
	`GET /containers/json?filters={"label":{"password=hunter2":true}}`, `GET /containers/json?filters={"id":{"a":true}}`, `GET /containers/json?filters={"label":["trade-monitor.restart=true"]}`, "GET /containers/json?filters=x",
	`GET /events?filters={"label":{"password=hunter2":true}}`, `GET /events?filters={"type":{"secret":true}}`, `GET /events?filters={"event":{"die:x":true}}`, "GET /events?since=-1", "GET /events?until=now",
}

func hostileLines(container string) []string {
	var all []string
	for _, line := range hostile {
		if strings.Contains(line, "%s") || strings.Contains(line, "%%") {
			line = fmt.Sprintf(strings.ReplaceAll(line, "%s", "%[1]s"), container)
			line, _, _ = strings.Cut(line, "%!(EXTRA")
		}
		all = append(all, line)
	}
	return all
}

// refusesAll sends every hostile line and what hides behind headers and bodies.
func (p *proxied) refusesAll(t *testing.T, container string) {
	t.Helper()
	for _, line := range hostileLines(container) {
		answer := p.raw(t, line+" HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
		assert.Regexp(t, `^HTTP/1\.1 40[03] `, answer, line)
	}
	restart := "POST /containers/" + container + "/restart HTTP/1.1\r\nHost: docker\r\n"
	for name, request := range map[string]string{
		"a body":                 restart + "Content-Length: 2\r\n\r\n{}",
		"a chunked body":         restart + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"an empty chunked body":  restart + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two lengths":            restart + "Content-Length: 0\r\nContent-Length: 2\r\n\r\n{}",
		"a length and chunks":    restart + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a strange encoding":     restart + "Transfer-Encoding: xchunked\r\n\r\n{}",
		"a body that never ends": restart + "Content-Length: 1000000\r\n\r\n{",
		"one that waits":         restart + "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
		"an upgrade":             restart + "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
		"h2c":                    restart + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
		"http/2":                 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"a web page":             restart + "Origin: http://evil.example\r\n\r\n",
		"no host":                "POST /containers/" + container + "/restart HTTP/1.1\r\n\r\n",
		"a folded header":        restart + "X: a\r\n b\r\n: c\r\n\r\n",
		"a huge header":          restart + "X: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
		"an override":            "GET /containers/" + container + "/restart HTTP/1.1\r\nHost: docker\r\nX-HTTP-Method-Override: POST\r\nX-Http-Method: POST\r\n\r\n",
		"a target in a header":   "GET /version HTTP/1.1\r\nHost: docker\r\nX-Original-URL: /info\r\nX-Rewrite-URL: /info\r\n\r\n",
	} {
		begun := time.Now()
		answer := p.raw(t, request)
		assert.Regexp(t, `^HTTP/1\.1 (4[0-9][0-9]|50[15]) `, answer, name)
		assert.Less(t, time.Since(begun), time.Second, name)
	}
}

func TestNothingHostileReachesTheEngine(t *testing.T) {
	s := newStub(t)
	p := s.proxied(t)
	p.refusesAll(t, "allowed")
	p.refusesAll(t, allowedID)
	assert.Empty(t, s.reached())
}

// Whole addresses are read as any server reads them, and only their path counts.
func TestOfTheCallersRequestOnlyTheCallIsPassedOn(t *testing.T) {
	s := newStub(t)
	p := s.proxied(t)
	answer := p.raw(t, "POST http://evil.example/containers/allowed/restart HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n"+
		"X-Registry-Auth: canary\r\nAuthorization: canary\r\nCookie: canary\r\nTE: trailers\r\nConnection: close, X-Registry-Auth\r\n\r\n")
	require.Regexp(t, `^HTTP/1\.1 204 `, answer)
	assert.Equal(t, []string{"POST /containers/" + allowedID + "/restart"}, s.reached())
	for _, header := range s.headers {
		for name := range header {
			assert.Contains(t, []string{"User-Agent", "Content-Length"}, name)
		}
	}
}

func TestSlowHeadersAreCut(t *testing.T) {
	s := newStub(t)
	p := s.proxied(t)
	conn, err := net.Dial("tcp", p.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte("GET /_ping HTTP/1.1\r\nHost: d"))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(3*time.Second)))
	answer, err := io.ReadAll(conn)
	require.NoError(t, err, "it is the proxy that ends it")
	require.NotRegexp(t, `^HTTP/1\.1 [123]`, string(answer))
	require.Empty(t, s.reached())
}

// A stream has no end, so no limit to a whole request may be set; what is not
// answered yet has to be bounded otherwise.
func TestARefusedSenderIsNotListenedToForLong(t *testing.T) {
	p := newStub(t).proxied(t)
	server := p.proxy.Server(nil)
	assert.Positive(t, server.ReadHeaderTimeout)
	assert.Positive(t, server.IdleTimeout)
	assert.Zero(t, server.ReadTimeout+server.WriteTimeout)

	for _, head := range []string{"Content-Length: 100\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"} {
		conn, err := net.Dial("tcp", p.Listener.Addr().String())
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		_, err = io.WriteString(conn, "POST /containers/allowed/restart HTTP/1.1\r\nHost: d\r\n"+head)
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(bodyTime+3*time.Second)))
		answer, err := io.ReadAll(conn)
		require.NoError(t, err, "it is the proxy that ends it")
		assert.Contains(t, string(answer), "403 Forbidden")
	}
}

func TestACallIsRecognisedByItsExactForm(t *testing.T) {
	for _, listed := range docker.Calls {
		for _, version := range []string{"", "/v1.24", "/v1.41", "/v1.51"} {
			path := version + strings.Replace(listed.Path, "{id}", "some_Name.1-x", 1)
			c, ok := matching(listed.Method, path)
			require.True(t, ok, path)
			assert.Equal(t, listed, c.Call)
			assert.Equal(t, path, c.path())
		}
	}
}

func TestEachCallThatLooksSaysWhatIsLeftOfItsAnswer(t *testing.T) {
	for _, c := range docker.Calls {
		_, known := answers[c.Path]
		assert.True(t, known || c.Acts || c.Path == inspectPath, c.Path)
		for _, name := range c.Query {
			assert.Contains(t, parameters, name)
		}
	}
}

func TestACallWhoseAnswerNobodyThoughtOfIsRefused(t *testing.T) {
	p := newStub(t).proxied(t)
	r := httptest.NewRequest(http.MethodGet, "/version", http.NoBody)
	err := p.proxy.forward(httptest.NewRecorder(), r, call{Call: docker.Call{Method: http.MethodGet, Path: "/version"}})
	require.ErrorContains(t, err, "nothing says what the answer")
}

// FuzzPaths: whatever is recognised is passed on as one of our calls.
func FuzzPaths(f *testing.F) {
	for _, line := range hostileLines("allowed") {
		_, uri, _ := strings.Cut(line, " ")
		f.Add("POST", uri)
	}
	f.Add("GET", "/v1.41/containers/x/json")
	f.Fuzz(func(t *testing.T, method, uri string) {
		parsed, err := url.ParseRequestURI(uri)
		if err != nil {
			return
		}
		c, err := recognise(&http.Request{Method: method, URL: parsed, Header: http.Header{}})
		if err != nil {
			return
		}
		out := &http.Request{}
		rewrite(out, c)
		again, ok := matching(method, out.URL.EscapedPath())
		if !ok || again.Path != c.Path || strings.ContainsAny(out.URL.EscapedPath(), "%\\") || strings.Contains(out.URL.Path, "..") && !strings.Contains(c.container, "..") {
			t.Fatalf("%s %s became %s", method, uri, out.URL)
		}
	})
}

// The same on a real engine, which reads paths in its own way.
func TestNothingHostileIsDoneByARealEngine(t *testing.T) {
	c := dockertest.Run(t, dockertest.Spec{Name: "allowed"})
	stranger := dockertest.Run(t, dockertest.Spec{Name: "stranger"})
	was, beside := c.State(), stranger.State()
	p := before(t, dockertest.Require(t).Host, c.Name)
	p.refusesAll(t, c.Name)
	p.refusesAll(t, c.ID)
	for _, ref := range []string{stranger.Name, stranger.ID, c.ID[:12], c.ID[:63], c.Name + "/../" + stranger.Name, "%2e%2e/containers/" + stranger.Name} {
		for _, line := range []string{"POST /containers/%s/restart", "POST /containers/%s/start", "GET /containers/%s/logs?stdout=1", "GET /containers/%s/json"} {
			answer := p.raw(t, strings.Replace(line, "%s", ref, 1)+" HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
			assert.Regexp(t, `^HTTP/1\.1 40[34] `, answer, "%s of %s", line, ref)
		}
	}
	assert.Equal(t, was, c.State())
	assert.Equal(t, beside, stranger.State())
}
