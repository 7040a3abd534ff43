package storetest

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// Engine opens stores on one database of one engine.
type Engine struct {
	// Open opens the database of this test; calls after the first open the
	// same one again, as another process would (where only one may have it,
	// the one before is ended first).
	Open func(t testing.TB, o Setup) *store.Store
	// SQL connects as a person would who works by hand.
	SQL func(t testing.TB) *sql.DB
	// Poison is a statement that makes the database refuse every alert of the
	// service "poison".
	Poison string
	// Renumber is a statement after which new alerts get ids from 1 again, as
	// after TRUNCATE.
	Renumber string
	// RestartIDs is the same for the table that %s stands for, once it is empty.
	RestartIDs string
	// SeveralProcesses: two stores may be open on one database at once.
	SeveralProcesses bool
}

// Setup is what a test wants of the store.
type Setup struct {
	Policy   func() alerting.Policy
	OnCommit func(store.Commit)
	// Now is the store's clock where the engine has none of its own.
	Now func() time.Time
}

// Policy is the default policy with a robot to tell and a container to restart.
func Policy() alerting.Policy {
	p := alerting.DefaultPolicy()
	p.Fallback = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=test-robot"
	return p
}

// Event is the guide's event.
func Event(service string) alerting.Event {
	return alerting.Event{
		Type: alerting.TickerSyncTimeout, Service: service, Severity: alerting.Error,
		Title: "Ticker同步超时告警", Message: "Ticker数据同步已超过3分钟未输出日志",
		Metadata: []byte(`{"lastSyncTime":"2026-02-25T10:00:00","minutesSinceLastSync":5}`),
	}
}

const container = "aifuturetrade-async-service"

// host is the engine of a suite's remediating processes.
var host = alerting.Host{ID: "engine-1/trading-1", Name: "trading-1"}

// slack is how late a busy machine may be.
const slack = 15 * time.Second

type suite map[string]func(*testing.T, Engine)

// Run checks that an engine keeps the store's promises. fresh gives an engine
// on an empty database.
func Run(t *testing.T, fresh func(t *testing.T) Engine) {
	for _, theme := range []struct {
		name string
		suite
	}{
		{"events", events}, {"words", words}, {"idempotency", idempotency}, {"batches", batches}, {"totals", totals}, {"lists", lists},
		{"delivery", deliveries}, {"storms", storms}, {"outages", outages}, {"broken robots", brokenRobots}, {"verdicts", verdicts}, {"reconciliation", reconciliation}, {"audits", audits},
		{"remediation", remediations}, {"intents", intents}, {"repeats", repeats}, {"ledger", ledgers}, {"rearms", rearms}, {"brakes", brakes}, {"rehearsals", rehearsals}, {"targets", targets}, {"people", people}, {"hands", hands}, {"groups", groups}, {"retention", retention}, {"mentions", mentions}, {"calls", calls}, {"silences", silences}, {"escalations", escalations},
		{"hosts", hosts}, {"heartbeats", heartbeats}, {"judgements", judgements}, {"declarations", declarations}, {"watches", watchMemories},
	} {
		t.Run(theme.name, func(t *testing.T) { theme.run(t, fresh) })
	}
	t.Run("processes", func(t *testing.T) {
		if fresh(t).SeveralProcesses {
			processes.run(t, fresh)
			heartbeatProcesses.run(t, fresh)
			intentProcesses.run(t, fresh)
			tangles.run(t, fresh)
			hostProcesses.run(t, fresh)
			outageProcesses.run(t, fresh)
			escalationProcesses.run(t, fresh)
		}
	})
}

func (s suite) run(t *testing.T, fresh func(t *testing.T) Engine) {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s[name](t, fresh(t))
		})
	}
}

// exec runs SQL as a person would by hand.
func (e Engine) exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	_, err := e.SQL(t).Exec(statement, args...)
	require.NoError(t, err)
}

// count reads one number.
func (e Engine) count(t testing.TB, query string, args ...any) int64 {
	t.Helper()
	var n sql.NullInt64
	require.NoError(t, e.SQL(t).QueryRow(query, args...).Scan(&n), query)
	return n.Int64
}

// row reads one row as text; NULL is "NULL".
func (e Engine) row(t testing.TB, query string, args ...any) []string {
	t.Helper()
	rows, err := e.SQL(t).Query(query, args...)
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	require.True(t, rows.Next(), "no row: %s", query)
	cells := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	require.NoError(t, rows.Scan(into...))
	text := make([]string, len(columns))
	for i, c := range cells {
		if text[i] = c.String; !c.Valid {
			text[i] = "NULL"
		}
	}
	return text
}

// clockColumns are those that our logic reads, by table.
var clockColumns = map[string][]string{
	"alert_records":       {"created_us", "updated_us", "last_seen_us", "acknowledged_us", "resolved_us", "wechat_sent_us", "word_us", "recheck_us", "word_first_us", "escalate_us"},
	"alert_events":        {"received_us"},
	"alert_notifications": {"next_us", "created_us", "settled_us"},
	"alert_messages":      {"sent_us", "answered_us", "slot_until"},
	"alert_robots":        {"lease_us", "paused_us", "storm_us"},
	"alert_remediations":  {"requested_us", "ordered_us", "ended_us", "next_us", "lease_us", "call_limit_us", "reason_until", "proven_us"},
	"alert_decisions":     {"at_us", "last_us"},
	"alert_rechecks":      {"at_us"},
	"alert_escalations":   {"at_us"},
	"alert_idempotency":   {"expires_us"},
	"alert_heartbeats":    {"since_us", "declared_us", "last_ping_us", "last_ok_us", "started_us", "down_us", "counted_us", "run_us", "deadline_us", "owed_us"},
	"alert_watches":       {"since_us", "last_seen_us", "deadline_us", "updated_us"},
	"alert_liveness":      {"alive_us"},
	"alert_runners":       {"seen_us"},
	"alert_brakes":        {"engaged_us", "until_us"},
	"alert_rearms":        {"at_us"},
	"alert_silences":      {"starts_us", "ends_us", "created_us"},
}

// pass lets time pass for the record: all that is stored gets older. It works
// on every engine, also where the clock is the server's.
func (e Engine) pass(t testing.TB, d time.Duration) {
	t.Helper()
	tx, err := e.SQL(t).Begin()
	require.NoError(t, err)
	for table, columns := range clockColumns {
		var set []string
		for _, c := range columns {
			set = append(set, fmt.Sprintf("%s = %s - %d", c, c, d.Microseconds()))
		}
		_, err := tx.Exec("UPDATE " + table + " SET " + strings.Join(set, ", "))
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
}

// open opens the store with the suite's policy, changed by the given functions.
func (e Engine) open(t testing.TB, changes ...func(*alerting.Policy)) *store.Store {
	t.Helper()
	return e.Open(t, Setup{Policy: func() alerting.Policy {
		p := Policy()
		for _, change := range changes {
			change(&p)
		}
		return p
	}})
}

// silent is a policy that tells nobody and restarts nothing.
func silent(p *alerting.Policy) { p.Fallback, p.Rules = "", nil }

// plainEvent is an event of a type without an action.
func plainEvent(service string) alerting.Event {
	ev := Event(service)
	ev.Type = "DISK_FULL"
	return ev
}

func record(t testing.TB, s *store.Store, ev alerting.Event) alerting.Receipt {
	t.Helper()
	receipt, err := s.RecordEvent(t.Context(), ev, nil)
	require.NoError(t, err)
	return receipt
}

func over(ev alerting.Event) alerting.Event {
	ev.Resolved = true
	return ev
}

func storyOf(t testing.TB, s *store.Store, id int64) alerting.Story {
	t.Helper()
	story, err := s.Story(t.Context(), id)
	require.NoError(t, err)
	return story
}
