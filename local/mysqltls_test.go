package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/store/storetest"
)

// A server behind the certificate of a private authority.
func TestTheDatabaseOverTLS(t *testing.T) {
	files := tlsFiles(t)
	issue(t, files, "a private authority", nextYear())
	db := storetest.OwnMariaDB(t, "--ssl-cert="+files.CertFile, "--ssl-key="+files.KeyFile)
	try := func(more ...string) typed {
		return typeCommand(t, t.TempDir(), append(initSettings(db), more...), "init-db")
	}
	encrypted := func() bool {
		var user, cipher string
		require.NoError(t, db.Admin(t, "").QueryRow("SHOW GLOBAL STATUS LIKE 'Ssl_finished_accepts'").Scan(&user, &cipher))
		return cipher != "0"
	}

	stranger := try("MYSQL_TLS=true")
	assert.Equal(t, 1, stranger.code, stranger.out)
	assert.Contains(t, stranger.out, "数据库的证书不受信任")
	assert.Contains(t, stranger.out, "SSL_CERT_FILE")
	assert.Equal(t, 1, typeCommand(t, t.TempDir(), append(initSettings(db), "MYSQL_TLS=true", "PORT=0"), "serve").code, "a start says so and ends")

	known := try("MYSQL_TLS=true", "SSL_CERT_FILE="+files.CertFile)
	assert.Zero(t, known.code, known.out)
	require.True(t, encrypted())
	for _, setting := range []string{"MYSQL_TLS=skip-verify", "MYSQL_TLS=preferred", "MYSQL_TLS=false", "MYSQL_TLS="} {
		done := try(setting)
		assert.Zero(t, done.code, "%s: %s", setting, done.out)
	}

	_, err := db.Admin(t, "").Exec("SET GLOBAL require_secure_transport = ON")
	require.NoError(t, err)
	plain := try("MYSQL_TLS=false")
	assert.Equal(t, 1, plain.code, plain.out)
	assert.Contains(t, plain.out, "MYSQL_TLS=true", "the mend, although MariaDB says no more than that it refuses the user")
	assert.Zero(t, try("MYSQL_TLS=true", "SSL_CERT_FILE="+files.CertFile).code)
	assert.Zero(t, try("MYSQL_TLS=preferred").code, "preferred encrypts where the server can")
}
