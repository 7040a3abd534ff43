package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/store"
)

// AuditCost measures what an audit of a large record takes, and what it costs
// those who post events meanwhile. It is run by hand (docs/audit.md), as
//
//	go test -run - -bench AuditOfAMillion -benchtime 1x ./shared/store/sqlite ./shared/store/mysql
func AuditCost(b *testing.B, e Engine) {
	const seeds, doublings = 1000, 10
	s := e.open(b, bare)
	fillRecord(b, e, s, seeds, doublings)
	b.Logf("%d alerts, %d words, %d messages", e.count(b, "SELECT COUNT(*) FROM alert_records"), e.count(b, "SELECT COUNT(*) FROM alert_notifications"), e.count(b, "SELECT COUNT(*) FROM alert_messages"))
	const busy = 20 * time.Second
	load(b, s, busy, nil) // a server has much to write after such a fill
	for b.Loop() {
		quiet := load(b, s, busy, nil)
		var took, recount, lates, heal []time.Duration
		audited := load(b, s, busy, func() {
			recount = append(recount, timed(func() { require.NoError(b, s.Recount(b.Context())) }))
			took = append(took, timed(func() {
				found, err := s.Differences(b.Context())
				require.NoError(b, err)
				require.Empty(b, found)
			}))
		})
		alone := timed(func() { _, err := s.Differences(b.Context()); require.NoError(b, err) })
		for range 5 {
			lates = append(lates, timed(func() { _, err := s.Lates(b.Context()); require.NoError(b, err) }))
			heal = append(heal, timed(func() { _, err := s.Heal(b.Context()); require.NoError(b, err) }))
		}
		b.Logf("compared: alone %s, beside callers %s; recount beside callers %s; overdue %s; heal %s",
			alone.Round(10*time.Millisecond), took, recount, slices.Max(lates), slices.Max(heal))
		b.Logf("16 callers, %s: quiet %s; while one audit follows another %s", busy, quiet, audited)
	}
}

func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began).Round(100 * time.Microsecond)
}

// load lets callers post events for a while, with something else beside them again and
// again, and tell how long each was made to wait.
func load(b *testing.B, s *store.Store, busy time.Duration, beside func()) string {
	var mu sync.Mutex
	var waits []time.Duration
	var posting sync.WaitGroup
	until := time.Now().Add(busy)
	for caller := range 16 {
		posting.Go(func() {
			for i := 0; time.Now().Before(until); i++ {
				ev := plainEvent(fmt.Sprint("caller-", caller, "-", i%100))
				took := timed(func() { _, err := s.RecordEvent(b.Context(), ev, nil); require.NoError(b, err) })
				mu.Lock()
				waits = append(waits, took)
				mu.Unlock()
			}
		})
	}
	if beside != nil {
		for time.Now().Before(until) {
			beside()
		}
	}
	posting.Wait()
	slices.Sort(waits)
	at := func(share float64) time.Duration { return waits[int(share*float64(len(waits)-1))] }
	return fmt.Sprintf("%d events/s, p50 %s, p99 %s, max %s", len(waits)/int(busy.Seconds()), at(.5), at(.99), at(1))
}

// fillRecord records alerts that were told, and over, and then doubles all that is
// on record, which a store would take an hour for.
func fillRecord(b *testing.B, e Engine, s *store.Store, seeds, doublings int) {
	for i := range seeds {
		ev := Event(fmt.Sprint("service-", i))
		record(b, s, ev)
		record(b, s, over(ev))
	}
	e.exec(b, "INSERT INTO alert_messages (robot, group_id, alert_id, status, content, errcode, sent_us, answered_us, slot_until, kind, words) "+
		"SELECT ?, 0, alert_id, 'ACCEPTED', ?, 0, created_us, created_us, created_us, 'SINGLE', 1 FROM alert_notifications ORDER BY id", robot, strings.Repeat("一条消息的正文约有六百字节。", 15))
	e.exec(b, "UPDATE alert_notifications SET status = 'SENT', message_id = id")
	e.exec(b, "UPDATE alert_records SET wechat_sent = 1, status = 'RESOLVED'")
	for range doublings {
		e.double(b)
	}
	e.exec(b, "DELETE FROM alert_totals")
	require.NoError(b, s.Recount(b.Context()))
	found, err := s.Differences(b.Context())
	require.NoError(b, err)
	require.Empty(b, found)
}

// double copies every row, with the next ids.
func (e Engine) double(b *testing.B) {
	last := map[string]int64{}
	for _, table := range []string{"alert_records", "alert_notifications", "alert_messages"} {
		last[table] = e.count(b, "SELECT MAX(id) FROM "+table)
	}
	copied := func(table, ids, from, columns string, offsets ...any) {
		e.exec(b, fmt.Sprintf("INSERT INTO %s (%s, %s) SELECT %s, %s FROM %s", table, ids, columns, from, columns, table), offsets...)
	}
	alerts, words, messages := last["alert_records"], last["alert_notifications"], last["alert_messages"]
	copied("alert_records", "id", "id + ?", "alert_type, service_name, severity, title, message, status, action_taken, wechat_sent, wechat_sent_at, resolved_at, created_at, updated_at, "+
		"fingerprint, metadata, occurrences, created_us, updated_us, last_seen_us, resolved_us, word_us, trail_seq, trail_code", alerts)
	copied("alert_notifications", "id, alert_id, message_id", "id + ?, alert_id + ?, message_id + ?", "group_id, group_name, kind, severity, priority, status, next_us, created_us, settled_us", words, alerts, messages)
	copied("alert_messages", "id, alert_id", "id + ?, alert_id + ?", "robot, group_id, status, content, sent_us, answered_us, slot_until, kind, words", messages, alerts)
	copied("alert_decisions", "alert_id", "alert_id + ?", "seq, what, word_code, word_detail, remedy_code, note, at_us, last_us", alerts)
}
