package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"trade-monitor/shared/alerting"
)

// totalKey is one row of alert_totals (without its shard).
type totalKey struct {
	scope, service, alertType, status, severity string
}

// The scopes of alert_totals: alerts of all services, of one service, events
// accepted, words owed, and remediations that are over. Events and words are
// there for the auditor: they are counted where they come in, and compared with
// what became of them. A baseline says that they are complete.
const (
	scopeAll      = "A"
	scopeService  = "S"
	scopeEvents   = "E"
	scopeOwed     = "W"
	scopeRemedies = "H"
	scopeBaseline = "B"
)

// count notes how a record changes the totals.
func (w *writer) count(r *record) {
	if r.stored != nil {
		if r.stored.Status == r.alert.Status && r.stored.Severity == r.alert.Severity {
			return
		}
		w.add(r.stored, -1)
	}
	w.add(&r.alert, 1)
}

func (w *writer) add(a *alerting.Alert, n int64) {
	w.totals[totalKey{scopeAll, "", a.Type, string(a.Status), string(a.Severity)}] += n
	w.totals[totalKey{scopeService, a.Service, a.Type, string(a.Status), string(a.Severity)}] += n
}

// overs are the states of a remediation that is over, as SQL lists them.
const overs = "'SUCCEEDED', 'FAILED', 'UNKNOWN', 'SKIPPED'"

// countRemedy notes that remediations of an action are in a state. Only those
// that are over are counted; the few others have an index.
func (w *writer) countRemedy(action alerting.Action, status alerting.RemediationStatus, n int64) {
	if (&alerting.Remediation{Status: status}).Pending() {
		return
	}
	w.totals[totalKey{scope: scopeRemedies, alertType: string(action), status: string(status)}] += n
}

func (w *writer) writeTotals(ctx context.Context, shard int) error {
	keys := make([]totalKey, 0, len(w.totals))
	for k, n := range w.totals {
		if n != 0 {
			keys = append(keys, k)
		}
	}
	// In one order, so that two writers never wait for each other in a circle.
	slices.SortFunc(keys, totalKey.compare)
	rows := make([][]any, len(keys))
	for i, k := range keys {
		rows[i] = []any{k.scope, k.service, k.alertType, k.status, k.severity, shard, w.totals[k]}
	}
	return w.t.insert(ctx, addTotal, rows)
}

func (k totalKey) compare(o totalKey) int {
	return cmp.Or(strings.Compare(k.scope, o.scope), strings.Compare(k.service, o.service), strings.Compare(k.alertType, o.alertType),
		strings.Compare(k.status, o.status), strings.Compare(k.severity, o.severity))
}
