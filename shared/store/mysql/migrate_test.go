package mysql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	driverpkg "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/store/storetest"
)

// guideMade is a database as the user guide makes it, with rows as they have
// gathered: several OPEN of one service, unknown words, both NULL and not.
func guideMade(t testing.TB) (storetest.Database, *sql.DB) {
	t.Helper()
	db := storetest.MariaDB(t)
	hand := db.Admin(t, db.Name)
	hand.SetMaxOpenConns(1)
	_, err := hand.Exec(script(t, guideSQL) + `
		INSERT INTO wechat_groups (group_name, webhook_url, alert_types, is_enabled, description, created_at, updated_at)
		VALUES ('默认告警群', 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=old', 'TICKER_SYNC_TIMEOUT,CONTAINER_DOWN', 1, '默认告警通知群组', '2025-01-01 00:00:00', '2025-01-01 00:00:01');
		INSERT INTO alert_records (alert_type, service_name, severity, title, message, status, action_taken, wechat_sent, wechat_sent_at, resolved_at, created_at, updated_at) VALUES
		('TICKER_SYNC_TIMEOUT', 'aifuturetrade-async-service', 'ERROR', 'Ticker同步超时告警', 'm', 'OPEN', NULL, 0, NULL, NULL, '2025-01-01 00:00:00', '2025-01-01 00:00:01'),
		('TICKER_SYNC_TIMEOUT', 'aifuturetrade-async-service', 'ERROR', 'Ticker同步超时告警', 'm', 'OPEN', '重启容器', 1, '2025-01-01 00:00:02', NULL, '2025-01-01 00:00:00', '2025-01-01 00:00:03'),
		('ticker_sync_timeout', 'Async', 'fatal', '😀', '', 'PROCESSING', '', 1, NULL, '2025-02-01 00:00:00', '2025-01-01 00:00:00', '2025-01-01 00:00:04')`)
	require.NoError(t, err)
	return db, hand
}

// oldRows are the guide's columns of every row, as bytes.
func oldRows(t testing.TB, hand *sql.DB) (all []string) {
	t.Helper()
	for _, query := range []string{
		"SELECT CONCAT_WS('|', id, HEX(group_name), HEX(webhook_url), HEX(alert_types), is_enabled, HEX(description), created_at, updated_at) FROM wechat_groups ORDER BY id",
		"SELECT CONCAT_WS('|', id, HEX(alert_type), HEX(service_name), HEX(severity), HEX(title), HEX(message), HEX(status), IFNULL(HEX(action_taken), 'NULL'), wechat_sent, " +
			"IFNULL(wechat_sent_at, 'NULL'), IFNULL(resolved_at, 'NULL'), created_at, updated_at) FROM alert_records ORDER BY id",
	} {
		rows, err := hand.Query(query)
		require.NoError(t, err)
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			all = append(all, line)
		}
		require.NoError(t, rows.Err())
	}
	return all
}

func open(t testing.TB, o mysql.Options) *store.Store {
	t.Helper()
	s, err := mysql.Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestTheGuidesDatabaseMigratesInPlace(t *testing.T) {
	db, hand := guideMade(t)
	before := oldRows(t, hand)
	require.Len(t, before, 4)
	migrate(t, db)
	require.Equal(t, before, oldRows(t, hand), "byte for byte, updated_at too")

	s := open(t, options(db))
	page, err := s.ListAlerts(t.Context(), alerting.Filter{Status: alerting.Open, PageSize: 10})
	require.NoError(t, err)
	require.EqualValues(t, 2, page.Total, "old rows are counted")
	work, _, err := s.ClaimRemediations(t.Context(), "me", alerting.Host{}, 1e9)
	require.NoError(t, err)
	require.Empty(t, work)
	queues, err := s.Queues(t.Context())
	require.NoError(t, err)
	require.Empty(t, queues, "nothing is sent about old rows")

	receipt, err := s.RecordEvent(t.Context(), storetest.Event("aifuturetrade-async-service"), nil)
	require.NoError(t, err)
	require.EqualValues(t, 4, receipt.AlertID, "the first event opens an alert of its own")
	require.Equal(t, []string{"默认告警群"}, receipt.Groups)
	require.Equal(t, before, append(oldRows(t, hand)[:4:4], before[4:]...), "and leaves the old ones alone")
}

func TestManyProcessesMigrateAtOnce(t *testing.T) {
	for round := range 5 {
		db := storetest.MariaDB(t)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				raw, err := mysql.OpenDB(options(db))
				if !assert.NoError(t, err) {
					return
				}
				defer raw.Close()
				assert.NoError(t, mysql.Migrate(t.Context(), raw, slog.New(slog.DiscardHandler)), "round %d", round)
			})
		}
		wg.Wait()
		var versions int
		require.NoError(t, db.Admin(t, db.Name).QueryRow("SELECT COUNT(*) FROM alert_schema_version").Scan(&versions))
		require.Equal(t, 1+mysql.Version, versions, "one of them worked")
	}
}

// TestAKilledMigrationIsFinishedByTheNext: the n-th process dies after its n-th
// statement, so that from each state in between the next one goes on.
func TestAKilledMigrationIsFinishedByTheNext(t *testing.T) {
	reference := storetest.MariaDB(t)
	migrate(t, reference)
	db, hand := guideMade(t)
	before := oldRows(t, hand)
	deaths := 0
	for ; ; deaths++ {
		require.Less(t, deaths, 60, "each process must get further than the one before")
		if dieAfter(t, db, deaths+1) == nil {
			break
		}
		require.Equal(t, before, oldRows(t, hand))
		// A minute passes, and the lock of the dead process is nobody's.
		_, _ = hand.Exec("UPDATE alert_schema_lock SET lease_expires_at = lease_expires_at - INTERVAL 1 MINUTE")
	}
	require.Greater(t, deaths, 15)
	require.Equal(t, withoutVersions(shape(t, reference.Admin(t, reference.Name))), withoutVersions(shape(t, hand)))
	require.Equal(t, before, oldRows(t, hand))
	s := open(t, options(db))
	page, err := s.ListAlerts(t.Context(), alerting.Filter{PageSize: 10})
	require.NoError(t, err)
	require.EqualValues(t, 3, page.Total, "counted once")
}

// withoutVersions leaves out the version rows, whose ids depend on what died.
func withoutVersions(shape []string) []string {
	return slices.DeleteFunc(shape, func(line string) bool { return strings.HasPrefix(line, "version|") })
}

// dieAfter migrates as a process that is killed once n statements have been
// carried out: its connections are gone, and it does nothing any more.
func dieAfter(t *testing.T, db storetest.Database, n int) error {
	cfg := driverpkg.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = db.User, db.Password, "tcp", fmt.Sprintf("%s:%d", db.Host, db.Port), db.Name
	cfg.ParseTime, cfg.InterpolateParams = true, true
	connector, err := driverpkg.NewConnector(cfg)
	require.NoError(t, err)
	ctx, end := context.WithCancel(t.Context())
	life := &life{end: end}
	life.left.Store(int64(n))
	raw := sql.OpenDB(mortal{connector, life})
	result := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { result <- mysql.Migrate(ctx, raw, slog.New(slog.DiscardHandler)) })
	t.Cleanup(func() { // what is left of the process finds out that it is dead
		wg.Wait()
		end()
		_ = raw.Close()
	})
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return errDead
	}
}

// life is how many statements a process still carries out.
type life struct {
	left atomic.Int64
	end  func()
}

var errDead = errors.New("the process was killed")

type mortal struct {
	driver.Connector
	life *life
}

func (m mortal) Connect(ctx context.Context) (driver.Conn, error) {
	if m.life.left.Load() <= 0 {
		return nil, errDead
	}
	conn, err := m.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return mortalConn{conn.(fullConn), m.life}, nil
}

// fullConn is what database/sql uses of the driver's connection.
type fullConn interface {
	driver.Conn
	driver.ExecerContext
	driver.QueryerContext
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

type mortalConn struct {
	fullConn
	life *life
}

func (c mortalConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.life.left.Load() <= 0 {
		return nil, errDead
	}
	result, err := c.fullConn.ExecContext(ctx, query, args)
	if c.life.left.Add(-1) == 0 {
		c.life.end()
		_ = c.Close()
		return nil, errDead
	}
	return result, err
}

func (c mortalConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.life.left.Load() <= 0 {
		return nil, errDead
	}
	return c.fullConn.QueryContext(ctx, query, args)
}
