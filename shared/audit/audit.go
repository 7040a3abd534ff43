// Package audit proves, again and again, that the record adds up and that
// nothing is overdue (DESIGN, promise 2). It puts right what the next claim would,
// wakes the loops where something waits, and says what does not go away by
// itself. What a finding means is decided in package alerting. While all is well
// it lets somebody outside know, who alarms when that stops.
package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

const (
	// interval is between two looks for what is overdue.
	interval = time.Minute
	// restFactor is how many times longer than it took the record is left alone
	// after it was compared: at most a hundredth of one core, however large it is.
	restFactor = 100
	// lookTime bounds a look that goes by indexes, and what is written.
	lookTime = 30 * time.Second
	// compareTime bounds a comparison of the whole record.
	compareTime = 15 * time.Minute
)

// Store is the record that is audited.
type Store interface {
	// Heal settles what processes left that ended.
	Heal(ctx context.Context) (alerting.Healed, error)
	// Recount enters what people changed by SQL, which is no difference.
	Recount(ctx context.Context) error
	// Differences compares the whole record, in one snapshot and without locks.
	Differences(ctx context.Context) ([]alerting.Finding, error)
	// Lates looks for what is overdue, by indexes.
	Lates(ctx context.Context) ([]alerting.Finding, error)
}

// Recorder commits an event and everything that follows from it.
type Recorder interface {
	RecordEvent(ctx context.Context, ev alerting.Event, idem *alerting.Idempotency) (alerting.Receipt, error)
}

// Options are what an Auditor needs besides its parts.
type Options struct {
	Language func() alerting.Language // of the alarm; nil: Chinese
	Location *time.Location           // of times in it; nil: UTC
	Wake     func()                   // the loops, where something is overdue; nil: nobody
	Log      *slog.Logger             // nil: nothing is logged
	Now      func() time.Time         // nil: time.Now
}

// Auditor is the auditing loop of one process.
type Auditor struct {
	store    Store
	recorder Recorder
	o        Options

	compareAt time.Time // when the whole record is next compared
	told      alerting.AuditAlarm

	mu     sync.Mutex
	report Report
}

// Report is what the auditor knows.
type Report struct {
	Standing  alerting.Standing
	Compared  time.Duration // what the newest comparison took; 0: there was none
	Healed    alerting.Healed
	SuccessAt time.Time // of the newest audit that read all it wanted; zero: none
	Failing   bool      // the newest could not
}

// New makes an auditor; Run starts it.
func New(store Store, recorder Recorder, o Options) *Auditor {
	if o.Language == nil {
		o.Language = func() alerting.Language { return alerting.Chinese }
	}
	if o.Wake == nil {
		o.Wake = func() {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Auditor{store: store, recorder: recorder, o: o}
}

// Report tells how the record stands.
func (a *Auditor) Report() Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.report
}

// Well tells whether the newest audit, which must be new, could read everything
// and found nothing.
func (r Report) Well(now time.Time) bool { return !r.Failing && r.Standing.Clean(now) }

// Run audits at once and then every minute until ctx ends.
func (a *Auditor) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := a.RunOnce(ctx); err != nil && ctx.Err() == nil {
			a.o.Log.Warn("自查未能完成 (the audit could not be completed)", "error", err)
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
		}
	}
	return nil
}

// RunOnce makes one audit: it heals, looks, judges and says what is due. It must
// not run twice at a time.
func (a *Auditor) RunOnce(ctx context.Context) error {
	err := a.heal(ctx)
	lates, failed := a.lates(ctx)
	if failed != nil {
		a.note(func(r *Report) { r.Failing = true })
		return errors.Join(err, failed) // a standing without them would say that nothing is overdue
	}
	found := alerting.Audit{Findings: lates}
	if !a.o.Now().Before(a.compareAt) {
		failed := a.compare(ctx, &found)
		found.Compared = failed == nil
		err = errors.Join(err, failed)
	}
	found.At = a.o.Now()
	standing := a.judge(found, err != nil)
	return errors.Join(err, a.say(ctx, standing))
}

func (a *Auditor) heal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	healed, err := a.store.Heal(ctx)
	if healed.Any() {
		a.o.Log.Warn("自查修复了被终止的进程留下的状态 (healed what a process left that ended)", "messages", healed.Messages, "leases", healed.Leases)
		a.note(func(r *Report) {
			r.Healed.Messages += healed.Messages
			r.Healed.Leases += healed.Leases
		})
	}
	if err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	return nil
}

// compare reads the whole record, and says when to do so again. The time that a
// recount takes is part of what it costs.
func (a *Auditor) compare(ctx context.Context, into *alerting.Audit) error {
	ctx, cancel := context.WithTimeout(ctx, compareTime)
	defer cancel()
	began := a.o.Now()
	if err := a.store.Recount(ctx); err != nil {
		return fmt.Errorf("recount before the audit: %w", err)
	}
	differences, err := a.store.Differences(ctx)
	if err != nil {
		return fmt.Errorf("compare the record: %w", err)
	}
	into.Findings = append(into.Findings, differences...)
	took := a.o.Now().Sub(began)
	a.compareAt = a.o.Now().Add(max(restFactor*took, interval))
	a.note(func(r *Report) { r.Compared = took })
	return nil
}

func (a *Auditor) lates(ctx context.Context) ([]alerting.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	lates, err := a.store.Lates(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for what is overdue: %w", err)
	}
	if len(lates) > 0 {
		a.o.Wake() // a wake may have been lost; if so, this was all that it needed
	}
	return lates, nil
}

func (a *Auditor) judge(found alerting.Audit, failing bool) alerting.Standing {
	before := a.Report().Standing
	standing := before.Judge(found)
	if standing.Unsure() {
		a.compareAt = found.At.Add(interval) // the second look need not wait
	}
	for _, f := range standing.Findings {
		if f.Count != before.Found(f.Check).Count {
			a.o.Log.Warn("自查发现 (the audit found)", "check", f.Check, "what", f.Text(alerting.Chinese, a.o.Location)+" / "+f.Text(alerting.English, a.o.Location), "inARow", f.Times)
		}
	}
	if len(before.Findings) > 0 && len(standing.Findings) == 0 {
		a.o.Log.Info("自查恢复正常 (the audit finds nothing any more)")
	}
	a.note(func(r *Report) {
		r.Standing, r.Failing = standing, failing
		if !failing {
			r.SuccessAt = found.At
		}
	})
	return standing
}

// say posts the alarm, or that it is over. What could not be recorded is posted
// again after the next audit.
func (a *Auditor) say(ctx context.Context, s alerting.Standing) error {
	ev, told := s.Alarm(a.told, a.o.Language(), a.o.Location)
	if ev == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	if _, err := a.recorder.RecordEvent(ctx, *ev, nil); err != nil {
		return fmt.Errorf("post the alarm: %w", err)
	}
	a.told = told
	return nil
}

func (a *Auditor) note(change func(*Report)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.report)
}
