//go:build image

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// The other parties of the image's test: another compose project, and robots
// behind a certificate.

// standInSource is an async-service that posts the guide's event when it is
// started for the first time, and then only waits to be restarted.
const standInSource = `// Command standin posts one event.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if _, err := os.Stat("/posted"); err != nil {
		post()
	}
	<-stop
}

func post() {
	event := fmt.Sprintf("{\"eventType\":\"TICKER_SYNC_TIMEOUT\",\"serviceName\":%q,\"severity\":\"ERROR\",\"title\":\"t\",\"message\":\"m\"}", os.Getenv("NAME"))
	for {
		res, err := http.Post(os.Getenv("TRADE_MONITOR_URL")+"/api/events/notify", "application/json", strings.NewReader(event))
		if err == nil && res.StatusCode == http.StatusOK {
			body, _ := io.ReadAll(res.Body)
			_ = os.WriteFile("/posted", body, 0o600)
			fmt.Printf("%s\n", body)
			return
		}
		fmt.Println(err)
		time.Sleep(200 * time.Millisecond)
	}
}
`

// healsAnotherProject merges the snippet of docs/deploy-compose.md into an
// existing project, as the page says.
func (d *deployment) healsAnotherProject(t *testing.T) {
	other := &deployment{name: d.name + "-other", dir: t.TempDir()}
	other.env = []string{"COMPOSE_PROJECT_NAME=" + other.name, "COMPOSE_FILE=docker-compose.yml:snippet.yml"}
	existing := fmt.Sprintf("services:\n  async-service:\n    image: %s\n    environment:\n      NAME: %s\n", dockertest.Image(t, standInSource), d.standIn())
	require.NoError(t, os.WriteFile(filepath.Join(other.dir, "docker-compose.yml"), []byte(existing), 0o600))
	snippet := documentedSnippet(t, "joining an existing compose project")
	for ours, tests := range map[string]string{"container_name: aifuturetrade-async-service": "container_name: " + d.standIn(), "name: trade-monitor\n": "name: " + d.name + "\n"} {
		require.Contains(t, snippet, ours)
		snippet = strings.ReplaceAll(snippet, ours, tests)
	}
	require.NoError(t, os.WriteFile(filepath.Join(other.dir, "snippet.yml"), []byte(snippet), 0o600))
	t.Cleanup(func() { other.compose(t, "down", "-v") })
	other.compose(t, "up", "-d")

	// By the record: the restart may be over before compose is.
	await(t, 30*time.Second, "its event has arrived", func() bool { return d.story(t, d.standIn()) != nil })
	await(t, 30*time.Second, "it is restarted through the mounted socket, and that is on record", func() bool {
		remediations := objects(d.story(t, d.standIn()), "remediations")
		return len(remediations) == 1 && remediations[0]["status"] == "VERIFYING"
	})
	restart := objects(d.story(t, d.standIn()), "remediations")[0]
	now := instantOf(t, dockerCmd(t, "inspect", "-f", "{{.State.StartedAt}}", d.standIn()))
	require.WithinDuration(t, now, at(t, restart, "startedAfter"), time.Millisecond, "the engine tells the same start")
	require.True(t, now.After(at(t, restart, "startedBefore").Add(time.Millisecond)), "and it is another one than compose's")
}

func instantOf(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(text))
	require.NoError(t, err)
	return at
}

// documentedSnippet is the first YAML block below a heading of the page.
func documentedSnippet(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", "deploy-compose.md"))
	require.NoError(t, err)
	_, below, found := strings.Cut(string(page), heading)
	require.True(t, found, heading)
	_, block, found := strings.Cut(below, "```yaml\n")
	require.True(t, found, heading)
	snippet, _, _ := strings.Cut(block, "```")
	return snippet
}

// robotHost is the name by which the container knows the test's robots.
const robotHost = "robot.test"

func (d *deployment) believesWhomItIsTold(t *testing.T) {
	robots, address, ca := secureRobots(t)
	run := func(name string, more ...string) *deployment {
		c := &deployment{container: d.name + "-" + name, port: freePort(t)}
		t.Cleanup(func() { dockerCmd(t, "rm", "-fv", c.container) })
		dockerCmd(t, append(append([]string{"run", "-d", "--name", c.container, "-p", fmt.Sprintf("127.0.0.1:%d:5005", c.port),
			"--add-host", robotHost + ":host-gateway", "-e", "REMEDIATION_MODE=off", "-e", "WECHAT_ALLOWED_HOSTS=" + address,
			"-e", "WECHAT_WEBHOOK_URL=" + wecomtest.URL("https://"+address, robots.Key(name))}, more...), d.image)...)
		await(t, 20*time.Second, "alive", func() bool {
			return exec.Command("docker", "exec", c.container, "trade-monitor", "healthcheck").Run() == nil
		})
		res, err := http.Post(c.url()+"/api/events/notify", "application/json", strings.NewReader(ticker("svc").json()))
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
		return c
	}

	stranger := run("stranger")
	await(t, 20*time.Second, "refused, with the reason", func() bool {
		messages := objects(stranger.story(t, "svc"), "messages")
		return len(messages) > 0 && strings.Contains(fmt.Sprint(messages[0]), "certificate signed by unknown authority")
	})
	require.Empty(t, robots.Messages(robots.Key("stranger")))

	friend := run("friend", "-v", ca+":/app/ca.pem:ro", "-e", "SSL_CERT_FILE=/app/ca.pem")
	await(t, 20*time.Second, "told", func() bool { return len(robots.Messages(robots.Key("friend"))) == 1 })
	require.Regexp(t, `embedded public roots\): 1\d\d, 20`, dockerCmd(t, "exec", friend.container, "trade-monitor", "version"))
}

// secureRobots serves robots behind the certificate of a private authority,
// whose own certificate is in the file ca.
func secureRobots(t *testing.T) (robots *wecomtest.Robots, address, ca string) {
	t.Helper()
	authority, authorityKey := certify(t, &x509.Certificate{Subject: pkix.Name{CommonName: "private CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	leaf, key := certify(t, &x509.Certificate{DNSNames: []string{robotHost}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, authority, authorityKey)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw}), 0o644))
	require.NoError(t, os.Chmod(ca, 0o644))
	listener, err := tls.Listen("tcp", ":0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}})
	require.NoError(t, err)
	robots = wecomtest.New()
	server := &http.Server{Handler: robots, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return robots, fmt.Sprintf("%s:%d", robotHost, listener.Addr().(*net.TCPAddr).Port), ca
}

// certify signs a certificate; without a signer it signs itself.
func certify(t *testing.T, template, signer *x509.Certificate, signerKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if signer == nil {
		signer, signerKey = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, signerKey)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	return certificate, key
}
