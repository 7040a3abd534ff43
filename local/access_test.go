package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/config"
	"trade-monitor/shared/httpapi/contract"
)

// bearer is a client that comes with a token, held to the contract.
type bearer struct {
	next  http.RoundTripper
	token string
	extra http.Header
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	for name, values := range b.extra {
		r.Header[name] = values
	}
	return b.next.RoundTrip(r)
}

// as gives the service as a caller with this token sees it.
func (s *runningService) as(token string) *runningService {
	return &runningService{t: s.t, url: s.url, client: &http.Client{
		Timeout: 10 * time.Second, Transport: bearer{next: contract.Load(s.t).Transport(s.t, nil), token: token},
	}}
}

// awaitLine waits until the program has printed it: a request's line follows
// its answer.
func (s *runningService) awaitLine(pattern string) {
	s.t.Helper()
	await(s.t, 5*time.Second, "a line like "+pattern, func() bool { return regexp.MustCompile(pattern).MatchString(s.output.String()) })
}

func TestTokensWithScopes(t *testing.T) {
	s := launch(t, "API_TOKENS=async-service:notify:canary-1,ops:read+operate:canary-2", "REMEDIATION_MODE=off")
	nobody, service, ops := s.as(""), s.as("canary-1"), s.as("canary-2")

	require.Equal(t, http.StatusUnauthorized, nobody.notify(ticker("svc")).status)
	require.Equal(t, http.StatusUnauthorized, s.as("canary-3").notify(ticker("svc")).status)
	require.Equal(t, http.StatusForbidden, ops.notify(ticker("svc")).status)
	require.Equal(t, http.StatusForbidden, service.get("/api/alerts").status)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/openapi.yaml"} {
		require.Equal(t, http.StatusOK, nobody.get(path).status, path)
	}

	accepted := service.notify(ticker("svc"))
	require.Equal(t, http.StatusOK, accepted.status, accepted.text)
	id := accepted.number("alertId")
	require.Equal(t, http.StatusUnauthorized, nobody.post(fmt.Sprintf("/api/alerts/%d/resolve", id), "{}").status)
	require.Equal(t, http.StatusOK, ops.post(fmt.Sprintf("/api/alerts/%d/acknowledge", id), "{}").status)
	require.Equal(t, http.StatusOK, ops.post(fmt.Sprintf("/api/alerts/%d/resolve", id), `{"by":"张三"}`).status)

	story := ops.story(id)
	trail := fmt.Sprint(story["trail"])
	require.Contains(t, trail, "由令牌 async-service 上报", "who posted it")
	require.Contains(t, trail, "ops", "who acknowledged")
	require.Contains(t, trail, "张三 (ops)", "who said to be who")
	for _, line := range []string{
		"需要令牌 (by token): async-service (notify), ops (read+operate)",
		"path=/api/events/notify status=401", "from=127.0.0.1",
	} {
		s.awaitLine(regexp.QuoteMeta(line))
	}
	s.awaitLine(`path=/api/alerts status=403 took=\S+ caller=async-service`)
	s.awaitLine(fmt.Sprintf(`path=/api/alerts/%d/resolve status=200 took=\S+ caller=ops`, id))
	require.NotContains(t, s.output.String(), "canary", "no token is ever printed")
	require.NotContains(t, fmt.Sprint(story), "canary")
}

func TestAnonymousMayWhatIsSaid(t *testing.T) {
	s := launch(t, "API_TOKENS=ops:all:secret", "API_ANONYMOUS=notify", "REMEDIATION_MODE=off")
	require.Equal(t, http.StatusOK, s.notify(ticker("svc")).status, "the Java service that sends no token")
	require.Equal(t, http.StatusUnauthorized, s.get("/api/alerts").status)
	require.Equal(t, http.StatusOK, s.as("secret").get("/api/alerts").status)
}

func TestTheStartSaysWhoMayComeIn(t *testing.T) {
	token := config.Token{Name: "ops", Scopes: []string{"read", "operate"}, Secret: "canary"}
	for name, c := range map[string]struct {
		cfg  config.Config
		want string
		warn bool
	}{
		"open, this machine": {config.Config{ListenHost: "127.0.0.1", Anonymous: config.Scopes}, "本机任何人无需令牌即可 read+notify+operate", false},
		"open, by name":      {config.Config{ListenHost: "localhost", Anonymous: config.Scopes}, "本机任何人", false},
		"open, network":      {config.Config{ListenHost: "0.0.0.0", Anonymous: config.Scopes}, "警告：端口对网络开放", true},
		"events, network":    {config.Config{ListenHost: "::", Anonymous: []string{"notify"}, Tokens: []config.Token{token}}, "无需令牌即可 notify；", true},
		"reading, network":   {config.Config{ListenHost: "0.0.0.0", Anonymous: []string{"read"}, Tokens: []config.Token{token}}, "任何人无需令牌即可 read (everybody, without a token), ops (read+operate)", false},
		"tokens":             {config.Config{ListenHost: "0.0.0.0", Tokens: []config.Token{token}}, "需要令牌 (by token): ops (read+operate)", false},
		"nobody":             {config.Config{ListenHost: "0.0.0.0"}, "没有人能使用接口", false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, accessInForce(c.cfg), c.want)
			require.NotContains(t, accessInForce(c.cfg), "canary")
			require.Equal(t, c.warn, exposed(c.cfg))
		})
	}
}

// Behind a proxy the log names the caller, as the proxy saw it; what a caller
// says about itself is not believed.
func TestTheAddressOfACallerBehindAProxy(t *testing.T) {
	from := regexp.MustCompile(`from=(\S+)`)
	for trusted, want := range map[string]string{"127.0.0.0/8": "203.0.113.9", "": "127.0.0.1"} {
		s := launch(t, "REMEDIATION_MODE=off", "TRUSTED_PROXIES="+trusted)
		s.client.Transport = bearer{next: s.client.Transport, extra: http.Header{"X-Forwarded-For": {"198.51.100.1, 203.0.113.9"}}}
		require.Equal(t, http.StatusNotFound, s.post("/api/alerts/1/resolve", "{}").status)
		await(t, 5*time.Second, "the line", func() bool { return from.MatchString(s.output.String()) })
		require.Equal(t, want, from.FindStringSubmatch(s.output.String())[1])
	}
}

func TestHTTPSWithARenewedCertificate(t *testing.T) {
	files := tlsFiles(t)
	first := issue(t, files, "first", nextYear())
	s := launch(t, "REMEDIATION_MODE=off", "TLS_CERT_FILE="+files.CertFile, "TLS_KEY_FILE="+files.KeyFile)
	require.True(t, strings.HasPrefix(s.url, "https://"), s.url)
	trusting := func(settings *tls.Config) *http.Client {
		next := &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true}
		return &http.Client{Timeout: 10 * time.Second, Transport: contract.Load(t).Transport(t, next)}
	}
	s.client = trusting(&tls.Config{RootCAs: first})
	require.Equal(t, http.StatusOK, s.notify(ticker("svc")).status)

	second := issue(t, files, "second", nextYear())
	s.client = trusting(&tls.Config{RootCAs: second})
	await(t, 10*time.Second, "the renewed certificate", func() bool {
		_, err := s.do(http.MethodGet, "/healthz", "", "")
		return err == nil
	})

	s.client = trusting(&tls.Config{RootCAs: second, MaxVersion: tls.VersionTLS11})
	_, err := s.do(http.MethodGet, "/healthz", "", "")
	require.Error(t, err, "old versions of TLS are refused")
	plain, err := http.Get("http://" + strings.TrimPrefix(s.url, "https://") + "/healthz")
	require.NoError(t, err)
	require.NoError(t, plain.Body.Close())
	require.Equal(t, http.StatusBadRequest, plain.StatusCode, "plain http is answered, not served")

	check := exec.Command(binary(t), "healthcheck")
	check.Dir = t.TempDir()
	check.Env = append(s.env, "PORT="+s.url[strings.LastIndex(s.url, ":")+1:])
	out, err := check.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestAStartWithABadCertificateSaysWhich(t *testing.T) {
	cmd := exec.Command(binary(t))
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PORT=0", "REMEDIATION_MODE=off", "TLS_CERT_FILE=" + filepath.Join(cmd.Dir, "none.pem"), "TLS_KEY_FILE=none.pem"}
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
	require.Contains(t, string(out), "TLS_CERT_FILE")
}
