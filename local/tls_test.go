package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/config"
)

// issue writes a certificate for 127.0.0.1 and its key, and gives the pool that
// trusts it.
func issue(t testing.TB, files config.TLS, name string, until time.Time) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: until.Add(-400 * 24 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(files.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}

func tlsFiles(t testing.TB) config.TLS {
	dir := t.TempDir()
	return config.TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
}

// nextYear is when the tests' certificates end.
func nextYear() time.Time { return time.Now().Add(365 * 24 * time.Hour) }

func shown(t *testing.T, c *certificate) string {
	t.Helper()
	current, err := c.get(&tls.ClientHelloInfo{})
	require.NoError(t, err)
	return current.Leaf.Subject.CommonName
}

func TestARenewedCertificateIsPickedUpAndABadOneIsNot(t *testing.T) {
	var log bytes.Buffer
	files := tlsFiles(t)
	issue(t, files, "first", nextYear())
	c, err := openCertificate(files, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	clock := time.Now()
	c.now = func() time.Time { return clock }
	require.Equal(t, "first", shown(t, c))

	issue(t, files, "second", nextYear())
	clock = clock.Add(2 * lookInterval)
	require.Equal(t, "second", shown(t, c))
	require.Contains(t, log.String(), "已换用新证书")

	// Half a renewal: the key of the one, the certificate of the other.
	key, err := os.ReadFile(files.KeyFile)
	require.NoError(t, err)
	issue(t, files, "third", nextYear())
	newKey, err := os.ReadFile(files.KeyFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files.KeyFile, key, 0o600))
	log.Reset()
	for range 5 {
		clock = clock.Add(2 * lookInterval)
		require.Equal(t, "second", shown(t, c), "the old one stays")
	}
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("继续使用原证书")), "said once")

	time.Sleep(10 * time.Millisecond) // file times
	require.NoError(t, os.WriteFile(files.KeyFile, newKey, 0o600))
	clock = clock.Add(2 * lookInterval)
	require.Equal(t, "third", shown(t, c))

	require.NoError(t, os.Remove(files.CertFile))
	clock = clock.Add(2 * lookInterval)
	require.Equal(t, "third", shown(t, c), "also while a file is gone")
}

func TestAStartWithoutAUsableCertificateIsRefused(t *testing.T) {
	files := tlsFiles(t)
	_, err := openCertificate(files, slog.Default())
	require.ErrorContains(t, err, "TLS_CERT_FILE")
	issue(t, files, "old", time.Now().Add(-time.Hour))
	c, err := openCertificate(files, slog.Default())
	require.NoError(t, err, "an expired one is better than no service, and is said")
	require.Contains(t, c.inForce(), "过期")
}
