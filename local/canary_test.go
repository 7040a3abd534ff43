package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // to read the tables as their owner does
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/httpapi/contract"
	"trade-monitor/shared/store/storetest"
	"trade-monitor/shared/wecom/wecomtest"
)

// Promise 9 is kept over the whole acceptance run: every service that launch
// starts has its secrets watched for in all that it answers, prints and writes.

// canaries are the secrets of one running service, and where one was seen.
type canaries struct {
	mu      sync.Mutex
	secrets []string
	leaks   []string
}

// secretsOf finds the secrets in settings ("NAME=value").
func secretsOf(env []string) []string {
	var found []string
	for _, setting := range env {
		name, value, _ := strings.Cut(setting, "=")
		switch name {
		case "MYSQL_PASSWORD":
			found = append(found, value)
		case "WECHAT_WEBHOOK_URL", "HTTPS_PROXY":
			if u, err := url.Parse(value); err == nil {
				password, _ := u.User.Password()
				found = append(found, u.Query().Get("key"), password)
			}
		case "HEARTBEAT_URL":
			found = append(found, value[strings.LastIndex(value, "/")+1:])
		case "API_TOKENS":
			for token := range strings.SplitSeq(value, ",") {
				found = append(found, token[strings.LastIndex(token, ":")+1:])
			}
		}
	}
	return slices.DeleteFunc(found, func(s string) bool { return len(s) < 8 || strings.Contains(s, "YOUR_KEY") })
}

// add makes more secrets known, as keys of robots in the table.
func (c *canaries) add(secrets ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secrets = append(c.secrets, secrets...)
}

// look notes every secret that a text holds, as it is or escaped for a URL.
func (c *canaries) look(where string, text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, secret := range c.secrets {
		if bytes.Contains(text, []byte(secret)) || bytes.Contains(text, []byte(url.QueryEscape(secret))) {
			c.leaks = append(c.leaks, fmt.Sprintf("%s holds %q", where, secret))
		}
	}
}

// lookThrough looks into every file below a folder.
func (c *canaries) lookThrough(t testing.TB, dir string) {
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		c.look(name, content)
		return err
	})
	if !os.IsNotExist(err) {
		assert.NoError(t, err)
	}
}

// overhear looks at every answer that passes.
func (c *canaries) overhear(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(body))
		c.look(fmt.Sprintf("the answer to %s %s", req.Method, req.URL.Path), fmt.Appendf(body, "%v", res.Header))
		return res, err
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// verify fails the test for each leak, and looks into what the service has
// printed and written.
func (c *canaries) verify(t testing.TB, s *runningService) {
	c.look("what it printed", []byte(s.output.String()))
	c.lookThrough(t, filepath.Join(s.dir, "logs"))
	for _, leak := range c.leaks {
		t.Errorf("a secret leaked: %s", leak)
	}
}

func TestTheCanariesAreSeenWhereTheySing(t *testing.T) {
	c := &canaries{secrets: secretsOf([]string{
		"MYSQL_PASSWORD=canary-one", "WECHAT_WEBHOOK_URL=https://h/send?key=canary-two", "HTTPS_PROXY=http://u:canary-three@p:1",
		"API_TOKENS=a:read:canary-four,b:all:canary/five",
	})}
	c.look("a log line", []byte("password canary-one, key=canary-two, canary-three, canary-four; canary%2Ffive"))
	require.Len(t, c.leaks, 5)
}

// Every route, every kind of refusal, a robot that repeats its key, a database
// that goes away, and a crash: with secrets in the environment and in the table.
func TestNoSecretComesOutAnywhere(t *testing.T) {
	db := storetest.OwnMariaDB(t)
	robots := wecomtest.Start(t)
	s := launch(t, append(databaseSettings(db), "REMEDIATION_MODE=off", "GOTRACEBACK=crash",
		"WECHAT_WEBHOOK_URL="+robots.Webhook("fallback"), "WECHAT_ALLOWED_HOSTS="+robots.Host,
		"API_TOKENS=all:all:canary-token-of-all,reader:read:canary-token-of-reader", "API_ANONYMOUS=none",
		"HTTPS_PROXY=http://user:canary-proxy-password@127.0.0.1:9")...)
	s.canaries.add(robots.Key("in-table"), "canary-wrong-token", "canary-in-query", "canary-refused")
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })

	tables, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s:%d)/%s", db.User, db.Password, db.Host, db.Port, db.Name))
	require.NoError(t, err)
	defer tables.Close()
	for _, group := range [][2]string{
		{"deleted", robots.Webhook("in-table")}, // id 1, which the calls are about
		{"good", robots.Webhook("in-table")},
		{"not allowed", "https://elsewhere.invalid/cgi-bin/webhook/send?key=" + robots.Key("in-table")},
		{"no address", "key=" + robots.Key("in-table")},
		{"gone", wecomtest.URL("http://"+robots.Host, "canary-refused")},
	} {
		_, err := tables.Exec("INSERT INTO wechat_groups (group_name, webhook_url) VALUES (?, ?)", group[0], group[1])
		require.NoError(t, err)
	}
	s.callEverything(t, "")
	s.callEverything(t, "canary-wrong-token")
	s.callEverything(t, "canary-token-of-reader")
	s.callEverything(t, "canary-token-of-all")
	await(t, 20*time.Second, "told", func() bool { return len(robots.Messages(robots.Key("in-table"))) > 0 })
	await(t, 20*time.Second, "refused", func() bool { return dumped(t, tables, s.canaries, "alert_messages") > 0 })
	for _, table := range tablesOf(t, tables) {
		dumped(t, tables, s.canaries, table)
	}

	db.Stop()
	s.callEverything(t, "canary-token-of-all")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGQUIT), "a crash prints every goroutine")
	<-s.exited
	require.Contains(t, s.output.String(), "goroutine ", "it has crashed")
}

// callEverything asks every operation of the contract, and some that it does
// not know, by a token in the header and in the query.
func (s *runningService) callEverything(t *testing.T, token string) {
	t.Helper()
	operations := append(contract.Load(t).Operations(), "GET /swagger-ui.html", "GET /api/nothing", "DELETE /api/alerts")
	for _, operation := range operations {
		method, path, _ := strings.Cut(operation, " ")
		path = strings.NewReplacer("{id}", "1", "{name}", "x").Replace(path)
		for _, body := range []string{"", ticker("canary-svc").json(), `{"broken": `} {
			req, err := http.NewRequestWithContext(t.Context(), method, s.url+path+"?token=canary-in-query&key=canary-in-query", strings.NewReader(body))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/json")
			if token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			res, err := s.plain.Do(req)
			require.NoError(t, err, operation)
			require.NoError(t, res.Body.Close())
		}
	}
}

func tablesOf(t *testing.T, db *sql.DB) []string {
	t.Helper()
	rows, err := db.Query("SHOW TABLES")
	require.NoError(t, err)
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		if name != "wechat_groups" { // the one place where the keys belong
			names = append(names, name)
		}
	}
	require.NoError(t, rows.Err())
	require.Contains(t, names, "alert_records")
	return names
}

// dumped looks at every row of a table and counts them.
func dumped(t *testing.T, db *sql.DB, c *canaries, table string) int {
	t.Helper()
	rows, err := db.Query("SELECT * FROM `" + table + "`")
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	count := 0
	for ; rows.Next(); count++ {
		fields := make([]sql.RawBytes, len(columns))
		into := make([]any, len(columns))
		for i := range fields {
			into[i] = &fields[i]
		}
		require.NoError(t, rows.Scan(into...))
		c.look("a row of "+table, bytes.Join(bytesOf(fields), []byte{' '}))
	}
	require.NoError(t, rows.Err())
	return count
}

func bytesOf(fields []sql.RawBytes) [][]byte {
	all := make([][]byte, len(fields))
	for i, f := range fields {
		all[i] = f
	}
	return all
}
