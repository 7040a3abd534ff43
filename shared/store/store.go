package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

// Options are what a Store needs beside its connections.
type Options struct {
	Writer *sql.DB
	Reader *sql.DB // nil: the writer
	// Dialect of both.
	Dialect Dialect
	// Version is the newest migration that this program needs.
	Version int64
	// Policy in force; asked once per transaction.
	Policy func() alerting.Policy
	// Location of the guide's DATETIME columns; nil: UTC.
	Location *time.Location
	// Now is this process's clock, used where the dialect has none.
	Now func() time.Time
	// OnCommit is called after each transaction that changed an alert, in the
	// order of the commits of one caller. It must not block.
	OnCommit func(Commit)
	Log      *slog.Logger
}

// Commit tells what a transaction has left to do, and what happened in it.
type Commit struct {
	Words      bool // a notification is waiting
	Remedies   bool // a remediation or a re-check is waiting
	Steps      bool // an escalation is planned
	Happenings []alerting.Happening
}

// Store is the record. It is safe for concurrent use.
type Store struct {
	writer, reader *sql.DB
	dialect        Dialect
	version        int64
	policy         func() alerting.Policy
	location       *time.Location
	now            func() time.Time
	onCommit       func(Commit)
	log            *slog.Logger
	shard          int // which of the totals' rows this process adds to

	recorder   recorder
	pinger     pinger
	liveness   liveness
	stmts      statements // of events
	pings      statements
	recounting sync.Mutex
}

// totalsShards is over how many rows each total is spread, so that processes
// that share a database seldom wait for each other's commits.
const totalsShards = 16

// New makes a Store over open connections. The tables must be there already.
func New(o Options) *Store {
	s := &Store{
		writer: o.Writer, reader: o.Reader, dialect: o.Dialect, version: o.Version, policy: o.Policy, location: o.Location,
		now: o.Now, onCommit: o.OnCommit, log: o.Log, shard: rand.IntN(totalsShards),
	}
	if s.reader == nil {
		s.reader = s.writer
	}
	if s.location == nil {
		s.location = time.UTC
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.onCommit == nil {
		s.onCommit = func(Commit) {}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.recorder.store = s
	s.recorder.ctx, s.recorder.cancel = context.WithCancel(context.Background())
	s.pinger.store = s
	s.pinger.ctx, s.pinger.end = context.WithCancel(context.Background())
	return s
}

// Close waits for the events under way and closes the connections.
func (s *Store) Close() error {
	s.recorder.stop()
	s.pinger.stop()
	s.stmts.close()
	s.pings.close()
	err := s.writer.Close()
	if s.reader != s.writer {
		err = errors.Join(err, s.reader.Close())
	}
	return err
}

// Engine names the database engine, for people.
func (s *Store) Engine() string { return s.dialect.Name }

// Ready tells whether an event could be committed now: the tables are of our
// version, a row of ours was written and committed, and the newest batch of
// events did not just fail.
func (s *Store) Ready(ctx context.Context) error {
	return s.look(ctx, func(*tx) error { return nil })
}

// look is Ready, with something more in its transaction.
func (s *Store) look(ctx context.Context, more func(*tx) error) error {
	// A server says by itself whether it is there and has room.
	if f := s.recorder.failed.Load(); s.dialect.Clock == "" && f != nil && time.Since(f.at) < failureCounts {
		return s.dialect.wrap(f.err)
	}
	return s.inTx(ctx, func(t *tx) error {
		if err := s.checkSchema(ctx, t); err != nil {
			return err
		}
		// A row that changes with every look: a full disk must be found out.
		if err := t.update(ctx, "REPLACE INTO alert_idempotency (key_hash, body_hash, receipt, expires_us) VALUES ('ready-probe', '', '', ?)", t.now.UnixMicro()); err != nil {
			return err
		}
		return more(t)
	})
}

// tx is one writing transaction, with the instant that counts as now in it.
type tx struct {
	*sql.Tx
	s      *Store
	now    time.Time
	policy alerting.Policy
	commit Commit
	quiet  *alerting.Silences   // in force; nil: not read yet
	alive  func()               // after the commit; nil: nothing to note
	stmts  map[string]*sql.Stmt // prepared ones that were used already
}

// attempts bounds how often a transaction that lost a race is tried.
const attempts = 8

// inTx runs f in a transaction and commits it; a transaction that lost a race
// against another writer is run again from the start, so f must not keep
// anything from an earlier run.
func (s *Store) inTx(ctx context.Context, f func(*tx) error) error {
	return s.inTxAt(ctx, sql.LevelDefault, f)
}

func (s *Store) inTxAt(ctx context.Context, level sql.IsolationLevel, f func(*tx) error) error {
	for attempt := 1; ; attempt++ {
		err := s.once(ctx, level, f)
		if err == nil {
			return nil
		}
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			err = ctx.Err() // which rolled the transaction back
		}
		if s.dialect.Kind(err) != Retry || attempt == attempts {
			return s.dialect.wrap(err)
		}
		pause := time.Duration(rand.IntN(attempt*5000)) * time.Microsecond
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return s.dialect.wrap(ctx.Err())
		}
	}
}

func (s *Store) once(ctx context.Context, level sql.IsolationLevel, f func(*tx) error) error {
	if err := s.stmts.prepare(ctx, s, hotStatements); err != nil {
		return err
	}
	raw, err := s.writer.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	t := &tx{Tx: raw, s: s, now: s.now().UTC().Truncate(time.Microsecond), policy: s.policy()}
	defer raw.Rollback() //nolint:errcheck // after Commit it is a no-op; before, the error that led here counts
	if s.dialect.Clock != "" {
		var us int64
		if err := raw.QueryRowContext(ctx, s.dialect.Clock).Scan(&us); err != nil {
			return fmt.Errorf("read the database's clock: %w", err)
		}
		t.now = time.UnixMicro(us).UTC()
	}
	if err := f(t); err != nil {
		return err
	}
	if err := raw.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if t.alive != nil {
		t.alive()
	}
	if t.commit.Words || t.commit.Remedies || t.commit.Steps || len(t.commit.Happenings) > 0 {
		s.onCommit(t.commit)
	}
	return nil
}

// clock reads now outside a transaction, on the database's clock where it has
// the say.
func (s *Store) clock(ctx context.Context) (time.Time, error) {
	if s.dialect.Clock == "" {
		return s.now().UTC().Truncate(time.Microsecond), nil
	}
	var us int64
	if err := s.reader.QueryRowContext(ctx, s.dialect.Clock).Scan(&us); err != nil {
		return time.Time{}, s.dialect.wrap(err)
	}
	return time.UnixMicro(us).UTC(), nil
}
