package mysql

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOldServersAreRefused(t *testing.T) {
	for version, want := range map[string]struct {
		server string
		ok     bool
	}{
		"8.0.36":                          {"MySQL 8.0.36", true},
		"8.4.2-commercial":                {"MySQL 8.4.2-commercial", true},
		"9.1.0":                           {"MySQL 9.1.0", true},
		"5.7.44-log":                      {"MySQL 5.7.44-log", false},
		"5.6.51":                          {"MySQL 5.6.51", false},
		"10.11.6-MariaDB-0+deb12u1":       {"MariaDB 10.11.6-MariaDB-0+deb12u1", true},
		"10.6.0-MariaDB":                  {"MariaDB 10.6.0-MariaDB", true},
		"11.4.2-MariaDB":                  {"MariaDB 11.4.2-MariaDB", true},
		"10.5.23-MariaDB":                 {"MariaDB 10.5.23-MariaDB", false},
		"5.5.5-10.6.12-MariaDB-log":       {"MariaDB 5.5.5-10.6.12-MariaDB-log", true},
		"5.5.5-10.3.39-MariaDB":           {"MariaDB 5.5.5-10.3.39-MariaDB", false},
		"a server that hides its version": {"MySQL a server that hides its version", true},
	} {
		server, err := supported(version)
		assert.Equal(t, want.server, server)
		assert.Equal(t, want.ok, err == nil, version)
	}
}
