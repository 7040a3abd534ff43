package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

// writer gathers what the decisions of one transaction change and writes it in
// few statements: changed alerts, new alerts, then what hangs on them, then the
// totals.
type writer struct {
	t         *tx
	alerts    []*record
	events    map[eventKey]held[alerting.KeptEvent]
	eventsIn  []eventKey // in the order in which they came
	words     []held[alerting.Notification]
	remedies  []held[*alerting.Remediation]
	decisions []held[*alerting.Decision]
	totals    map[totalKey]int64
	happened  []held[alerting.Happening]
}

// record is an alert as this transaction sees it.
type record struct {
	alert  alerting.Alert
	stored *alerting.Alert // as read; nil: new
	dirty  bool
	seq    int // the last line of the trail that is stored
}

// held hangs on an alert that may not have its id yet.
type held[T any] struct {
	on    *record
	value T
}

type eventKey struct {
	on   *record
	slot int
}

func newWriter(t *tx) *writer {
	return &writer{t: t, events: map[eventKey]held[alerting.KeptEvent]{}, totals: map[totalKey]int64{}}
}

func loaded(a *alerting.Alert) *record {
	stored := *a
	return &record{alert: *a, stored: &stored, seq: a.Trail.Seq}
}

// apply takes a change over. current is the record of the alert that the
// decision saw, or nil; the record of the alert after it is returned.
func (w *writer) apply(ctx context.Context, current *record, c alerting.Change) (*record, error) {
	if c.Alert == nil {
		return current, nil
	}
	if needsID := c.Stale != nil || !c.Alert.Active(); needsID && current != nil && current.alert.ID == 0 {
		// Two incidents of one fingerprint in one transaction: the first must
		// be there before it can be closed.
		if err := w.flush(ctx); err != nil {
			return nil, err
		}
		c.Alert.ID = current.alert.ID
		if c.Stale != nil {
			c.Stale.ID, c.Alert.ID = current.alert.ID, 0
		}
	}
	if c.Stale != nil {
		w.change(current, *c.Stale)
		w.decide(current, c.StaleDecision)
		current = nil
	}
	if current == nil {
		current = &record{}
	}
	if err := w.keepFirst(ctx, current, c.Alert); err != nil {
		return nil, err
	}
	w.change(current, *c.Alert)
	w.hang(current, c)
	return current, nil
}

// keepFirst gives the event that opened an alert a row of its own before the
// alert, which stands for it until then, gets worse.
func (w *writer) keepFirst(ctx context.Context, r *record, next *alerting.Alert) error {
	if r.alert.Fingerprint == "" || r.alert.Severity == next.Severity {
		return nil
	}
	key := eventKey{r, alerting.EventSlot(1)}
	if _, there := w.events[key]; there {
		return nil
	}
	if r.stored != nil {
		kept, err := collect(ctx, w.t, scanEvent, "SELECT "+eventColumns+" FROM alert_events WHERE alert_id = ? AND slot = ?", r.alert.ID, key.slot)
		if err != nil || len(kept) > 0 {
			return err
		}
	}
	w.eventsIn = append(w.eventsIn, key)
	w.events[key] = held[alerting.KeptEvent]{r, firstEvent(&r.alert)}
	return nil
}

func (w *writer) hang(on *record, c alerting.Change) {
	if c.Event != nil {
		key := eventKey{on, eventSlot(c.Event)}
		if _, there := w.events[key]; !there {
			w.eventsIn = append(w.eventsIn, key)
		}
		w.events[key] = held[alerting.KeptEvent]{on, *c.Event}
	}
	for _, n := range c.Notifications {
		if c.Remediation != nil {
			n.RemediationID = c.Remediation.ID
		}
		w.words = append(w.words, held[alerting.Notification]{on, n})
	}
	for _, r := range []*alerting.Remediation{c.Remediation, c.Disproved} {
		if r != nil {
			w.remedies = append(w.remedies, held[*alerting.Remediation]{on, r})
		}
	}
	if c.Remediation != nil {
		w.countRemedy(c.Remediation.Action, c.Remediation.Status, 1)
	}
	if c.Disproved != nil {
		w.countRemedy(c.Disproved.Action, alerting.Succeeded, -1)
		w.countRemedy(c.Disproved.Action, c.Disproved.Status, 1)
	}
	w.decide(on, c.Decision)
	w.t.commit.Words = w.t.commit.Words || len(c.Notifications) > 0
	w.t.commit.Remedies = w.t.commit.Remedies || (c.Remediation != nil && c.Remediation.Pending()) || !c.Alert.RecheckAt.IsZero()
}

func (w *writer) change(r *record, a alerting.Alert) {
	r.alert = a
	if !r.dirty {
		r.dirty = true
		w.alerts = append(w.alerts, r)
	}
}

// decide adds a line to the trail, or counts the last one up.
func (w *writer) decide(on *record, d *alerting.Decision) {
	if d == nil {
		return
	}
	if n := len(w.decisions); n > 0 {
		for i := n - 1; i >= 0; i-- {
			if last := w.decisions[i]; last.on == on {
				if last.value.Seq == d.Seq {
					d.Count += last.value.Count
					d.At = last.value.At
					w.decisions[i].value = d
					return
				}
				break
			}
		}
	}
	w.decisions = append(w.decisions, held[*alerting.Decision]{on, d})
	if d.Seq > on.seq {
		opened := d.Seq == 1 && d.What == alerting.WhatEvent
		w.happened = append(w.happened, held[alerting.Happening]{on, alerting.Happening{Alert: on.alert, Decision: *d, Opened: opened}})
	}
}

// flush writes what was gathered.
func (w *writer) flush(ctx context.Context) error {
	for _, step := range []func(context.Context) error{w.writeAlerts, w.writeEvents, w.writeRemedies, w.writeWords, w.writeDecisions} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	for _, r := range w.alerts {
		stored := r.alert
		r.stored, r.dirty, r.seq = &stored, false, r.alert.Trail.Seq
	}
	*w = writer{t: w.t, events: map[eventKey]held[alerting.KeptEvent]{}, totals: w.totals, happened: w.happened}
	return nil
}

// finish flushes and adds the totals, which come last so that their rows stay
// locked for as short as possible.
func (w *writer) finish(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	for _, h := range w.happened {
		h.value.Alert.ID = h.on.alert.ID
		w.t.commit.Happenings = append(w.t.commit.Happenings, h.value)
	}
	return w.writeTotals(ctx, w.t.s.shard)
}

func (w *writer) writeAlerts(ctx context.Context) error {
	var fresh []*record
	for _, r := range w.alerts {
		w.count(r)
		if r.stored == nil {
			fresh = append(fresh, r)
			continue
		}
		if err := w.t.update(ctx, updateAlert, w.t.s.alertUpdate(&r.alert)...); err != nil {
			return fmt.Errorf("update alert: %w", err)
		}
		if err := w.plan(ctx, r); err != nil {
			return err
		}
	}
	if w.t.s.dialect.Clock != "" {
		// In one order, so that processes that open the same alerts at once do
		// not wait for each other in a circle.
		slices.SortFunc(fresh, func(a, b *record) int { return strings.Compare(a.alert.Fingerprint, b.alert.Fingerprint) })
	}
	rows := make([][]any, len(fresh))
	for i, r := range fresh {
		rows[i] = w.t.s.alertRow(&r.alert)
	}
	if err := w.t.insert(ctx, insertAlert, rows); err != nil {
		return err
	}
	if err := w.readIDs(ctx, fresh); err != nil {
		return err
	}
	return w.planFresh(ctx, fresh)
}

// readIDs learns the ids of new alerts by their key: what LastInsertId says of
// many rows differs between engines and their settings.
func (w *writer) readIDs(ctx context.Context, fresh []*record) error {
	if len(fresh) == 0 {
		return nil
	}
	byKey := make(map[string]*record, len(fresh))
	keys := make([]any, 0, len(fresh))
	for _, r := range fresh {
		byKey[r.alert.Fingerprint] = r
		keys = append(keys, r.alert.Fingerprint)
	}
	keys = w.t.padded(keys)
	rows, err := w.t.QueryContext(ctx, selectIDs(len(keys)), keys...)
	if err != nil {
		return fmt.Errorf("read new ids: %w", err)
	}
	defer rows.Close()
	found := 0
	for rows.Next() {
		var id int64
		var key string
		if err := rows.Scan(&id, &key); err != nil {
			return fmt.Errorf("read new ids: %w", err)
		}
		byKey[key].alert.ID = id
		found++
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read new ids: %w", err)
	}
	if found != len(fresh) {
		return fmt.Errorf("read new ids: %d of %d", found, len(fresh))
	}
	return nil
}

func selectIDs(keys int) string {
	return "SELECT id, open_key FROM alert_records WHERE open_key IN (" + list(keys) + ")"
}

// plan keeps the lists of what is decided again, and of what escalates, in step
// with an alert that was there.
func (w *writer) plan(ctx context.Context, r *record) error {
	before := r.stored
	if err := w.list(ctx, "alert_rechecks", r.alert.ID, before.RecheckAt, r.alert.RecheckAt); err != nil {
		return err
	}
	if at := r.alert.EscalateAt; !at.IsZero() && !at.Equal(before.EscalateAt) {
		w.t.commit.Steps = true
	}
	return w.list(ctx, "alert_escalations", r.alert.ID, before.EscalateAt, r.alert.EscalateAt)
}

// planFresh lists new alerts by one statement each: where a policy escalates, all
// alerts of a storm are planned.
func (w *writer) planFresh(ctx context.Context, fresh []*record) error {
	var again, steps [][]any
	for _, r := range fresh {
		if at := r.alert.RecheckAt; !at.IsZero() {
			again = append(again, []any{r.alert.ID, micros(at)})
		}
		if at := r.alert.EscalateAt; !at.IsZero() {
			steps = append(steps, []any{r.alert.ID, micros(at)})
		}
	}
	w.t.commit.Steps = w.t.commit.Steps || len(steps) > 0
	if err := w.t.insert(ctx, replaceRecheck, again); err != nil {
		return err
	}
	return w.t.insert(ctx, replaceStep, steps)
}

func (w *writer) list(ctx context.Context, table string, id int64, before, at time.Time) error {
	switch {
	case at.Equal(before):
		return nil
	case at.IsZero():
		return w.t.update(ctx, "DELETE FROM "+table+" WHERE alert_id = ?", id)
	default:
		return w.t.update(ctx, "REPLACE INTO "+table+" (alert_id, at_us) VALUES (?, ?)", id, micros(at))
	}
}

func (w *writer) writeEvents(ctx context.Context) error {
	rows := make([][]any, 0, len(w.events))
	for _, key := range w.eventsIn {
		e := w.events[key]
		e.value.AlertID = e.on.alert.ID
		rows = append(rows, eventRow(&e.value))
	}
	return w.t.insert(ctx, replaceEvent, rows)
}

func (w *writer) writeWords(ctx context.Context) error {
	rows := make([][]any, 0, len(w.words))
	for _, n := range w.words {
		n.value.AlertID = n.on.alert.ID
		rows = append(rows, notificationRow(&n.value))
	}
	w.totals[totalKey{scope: scopeOwed}] += int64(len(rows))
	return w.t.insert(ctx, insertNotification, rows)
}

func (w *writer) writeRemedies(ctx context.Context) error {
	var rows [][]any
	for _, r := range w.remedies {
		if r.value.ID == 0 {
			r.value.AlertID = r.on.alert.ID
			rows = append(rows, remediationRow(r.value))
			continue
		}
		args := append(remediationRow(r.value), nil, nil, r.value.ID)
		if err := w.t.update(ctx, updateRemediation, args...); err != nil {
			return fmt.Errorf("update remediation: %w", err)
		}
	}
	return w.t.insert(ctx, insertRemediation, rows)
}

const countDecisionUp = "UPDATE alert_decisions SET times = times + ?, last_us = ?, word_code = ?, word_detail = ?, word_until = ?, " +
	"remedy_code = ?, remedy_detail = ?, remedy_until = ? WHERE alert_id = ? AND seq = ?"

func (w *writer) writeDecisions(ctx context.Context) error {
	var rows [][]any
	for _, d := range w.decisions {
		d.value.AlertID = d.on.alert.ID
		if d.value.Seq > d.on.seq {
			rows = append(rows, decisionRow(d.value))
			continue
		}
		word, wordDetail, wordUntil := reasonCells(d.value.Word)
		remedy, remedyDetail, remedyUntil := reasonCells(d.value.Remedy)
		err := w.t.update(ctx, countDecisionUp,
			d.value.Count, micros(d.value.LastAt), word, wordDetail, wordUntil, remedy, remedyDetail, remedyUntil, d.value.AlertID, d.value.Seq)
		if err != nil {
			return fmt.Errorf("count a decision up: %w", err)
		}
	}
	return w.t.insert(ctx, insertDecision, rows)
}
