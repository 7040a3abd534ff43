package main

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Which robots are believed is shown on the built image: see image_test.go.

func TestThePublicRootsAreEmbeddedAndDated(t *testing.T) {
	pool := x509.NewCertPool()
	require.Greater(t, addPublicRoots(pool), 100)
	require.False(t, pool.Equal(x509.NewCertPool()))
	out, err := exec.Command(binary(t), "version").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `embedded public roots\): 1\d\d, 20\d\d-\d\d-\d\d\n`, string(out))
}

func TestARootFileThatAddsNothingIsNamed(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	require.NoError(t, os.WriteFile(empty, []byte("no certificate\n"), 0o600))
	for _, file := range []string{empty, filepath.Join(dir, "none.pem")} {
		cmd := exec.Command(binary(t), "version")
		cmd.Env = []string{"SSL_CERT_FILE=" + file}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "SSL_CERT_FILE 没有生效", file)
	}
}
