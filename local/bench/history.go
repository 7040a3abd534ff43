package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
	"trade-monitor/shared/store/sqlite"
)

// kinds is over how many alert types the history is spread.
const kinds = 20

// steady is how much dearer a page may be on the long record than on the
// short one. It should be 1; the rest is what a cache and a tree's depth cost.
const steady = 1.5

// measureHistory reads the first page of one type's open alerts from a short
// and from a long record in turn, over HTTP.
func measureHistory(ctx context.Context, b *bench) (err error) {
	var services []*service
	for _, n := range []int{b.few, b.many} {
		dir := filepath.Join(b.dir, fmt.Sprintf("history-%d", n))
		if err := fill(ctx, filepath.Join(dir, "data"), n); err != nil {
			return err
		}
		s, err := b.serve(ctx, dir, "")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.stop()) }()
		services = append(services, s)
	}
	times := make([][]float64, len(services))
	for range b.pages {
		for i, s := range services {
			took, err := readPage(ctx, s, int64([]int{b.few, b.many}[i]/kinds))
			if err != nil {
				return err
			}
			times[i] = append(times[i], milliseconds(took))
		}
	}
	few, many := quantile(times[0], .5), quantile(times[1], .5)
	name := "一页历史 p50 (a page of history by type and status)"
	b.add(
		figure{name: fmt.Sprintf("%s, %d", name, b.few), value: few, unit: " ms"},
		figure{name: fmt.Sprintf("%s, %d", name, b.many), value: many, unit: " ms"},
		figure{name: fmt.Sprintf("一页历史 %d : %d", b.many, b.few), value: many / few, target: atMost(steady), note: "SQLite; the exact total is part of the page"},
	)
	return nil
}

// fill records n open alerts by the store itself, before the program has it.
func fill(ctx context.Context, dir string, n int) (err error) {
	policy := alerting.DefaultPolicy()
	policy.Mode = alerting.Off
	db, err := sqlite.Open(ctx, sqlite.Options{Dir: dir, Policy: func() alerting.Policy { return policy }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return record(ctx, db.Store, n, alerting.Error)
}

// record stores n alerts of a severity.
func record(ctx context.Context, db *store.Store, n int, severity alerting.Severity) error {
	const batch = 1_000
	for from := 0; from < n; from += batch {
		events := make([]alerting.Event, 0, batch)
		for i := from; i < min(n, from+batch); i++ {
			g := guideEvent(kindOf(i), fmt.Sprintf("service-%d", i/kinds))
			events = append(events, alerting.Event{
				Type: g.EventType, Service: g.ServiceName, Severity: severity, Title: g.Title, Message: g.Message, Metadata: g.Metadata,
			})
		}
		if _, err := db.RecordEvents(ctx, events); err != nil {
			return fmt.Errorf("fill the record: %w", err)
		}
	}
	return nil
}

func kindOf(i int) string { return fmt.Sprintf("BENCH_%d", i%kinds) }

func readPage(ctx context.Context, s *service, total int64) (time.Duration, error) {
	begun := time.Now()
	p, err := s.list(ctx, url.Values{"alertType": {kindOf(3)}, "status": {"OPEN"}})
	took := time.Since(begun)
	if err != nil {
		return 0, err
	}
	return took, errors.Join(within("total of a page", p.Total, total, total), within("alerts on a page", int64(len(p.Data)), min(20, total), min(20, total)))
}
