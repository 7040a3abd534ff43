package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
)

// statements keeps the statements of a hot path prepared on the writing
// connection, where the dialect gains by it.
type statements struct {
	making sync.Mutex // never held by who has the connection
	all    atomic.Pointer[map[string]*sql.Stmt]
}

// prepare does so once; it must run outside a transaction, which would hold
// the only connection.
func (p *statements) prepare(ctx context.Context, s *Store, list func(*Dialect) []string) error {
	if !s.dialect.Prepare || p.all.Load() != nil {
		return nil
	}
	p.making.Lock()
	defer p.making.Unlock()
	if p.all.Load() != nil {
		return nil
	}
	all := map[string]*sql.Stmt{}
	for _, q := range list(&s.dialect) {
		stmt, err := s.writer.PrepareContext(ctx, q)
		if err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		all[q] = stmt
	}
	p.all.Store(&all)
	return nil
}

// hotStatements are those that nearly every batch of events runs.
func hotStatements(d *Dialect) []string {
	all := []string{updateAlert, countDecisionUp, selectGroups, selectSilences(d)}
	for _, i := range hotInsertions {
		all = append(all, i.statement(d, 1))
	}
	for n := 1; n <= maxBatch; n *= 2 {
		all = append(all, selectOpen(d, n), selectIDs(n))
	}
	return all
}

// pingStatements are those that nearly every batch of pings runs. They are apart
// so that events do not wait for them, nor need their table.
func pingStatements(d *Dialect) []string {
	all := []string{insertHeartbeat.statement(d, 1), replaceHeartbeat.statement(d, 1)}
	for n := 1; n <= maxPings; n *= 2 {
		all = append(all, selectHeartbeats(d, n))
	}
	return all
}

// padded repeats the last key until their number is one of the few that
// statements are prepared for.
func (t *tx) padded(keys []any) []any {
	if !t.s.dialect.Prepare {
		return keys
	}
	n := 1
	for n < len(keys) {
		n *= 2
	}
	for len(keys) < n {
		keys = append(keys, keys[len(keys)-1])
	}
	return keys
}

// get is asked inside transactions, so it waits for nobody: whoever prepares
// may be waiting for their connection.
func (p *statements) get(query string) *sql.Stmt {
	if all := p.all.Load(); all != nil {
		return (*all)[query]
	}
	return nil
}

func (p *statements) close() {
	all := p.all.Swap(nil)
	if all == nil {
		return
	}
	for _, stmt := range *all {
		_ = stmt.Close()
	}
}
