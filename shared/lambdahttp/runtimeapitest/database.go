package runtimeapitest

import (
	"log/slog"
	"strconv"
	"testing"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/store/storetest"
)

// Database gives a fresh, migrated MariaDB database, a store on it, and the
// environment of a function that uses it. The package's TestMain must call
// Main.
func Database(t testing.TB) (db *store.Store, env []string) {
	t.Helper()
	raw, env := EmptyDatabase(t)
	conns, err := mysql.OpenDB(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer conns.Close()
	if err := mysql.Migrate(t.Context(), conns, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	if db, err = mysql.Open(raw); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, env
}

// EmptyDatabase gives a database in which nobody created a table.
func EmptyDatabase(t testing.TB) (o mysql.Options, env []string) {
	t.Helper()
	server := storetest.MariaDB(t)
	policy := storetest.Policy()
	policy.Mode = alerting.Off
	o = mysql.Options{
		Host: server.Host, Port: server.Port, User: server.User, Password: alerting.Secret(server.Password), Database: server.Name,
		Location: policy.Location, Policy: func() alerting.Policy { return policy },
	}
	return o, Environment(server.Host, server.Port, server.User, server.Password, server.Name)
}

// Environment is what template.yaml sets, for one database.
func Environment(host string, port int, user, password, database string) []string {
	return []string{
		"MYSQL_HOST=" + host, "MYSQL_PORT=" + strconv.Itoa(port), "MYSQL_USER=" + user,
		"MYSQL_PASSWORD=" + password, "MYSQL_DATABASE=" + database,
		"MYSQL_TLS=", "REMEDIATION_MODE=off", "TZ=Asia/Shanghai", "LOG_FORMAT=json",
		"WECHAT_WEBHOOK_URL=", "API_TOKENS=", "API_ANONYMOUS=",
	}
}
