package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"trade-monitor/shared/alerting"
)

// storedAnswer is what a request with an Idempotency-Key was answered.
type storedAnswer struct {
	body   string
	result result
	fresh  bool // of this transaction, to be stored
}

func (a storedAnswer) replay(idem *alerting.Idempotency) result {
	if a.body != idem.Body {
		return result{err: alerting.ErrIdempotency}
	}
	return a.result
}

// answers reads the answers given to earlier requests with the same keys.
func (t *tx) answers(ctx context.Context, keys []string) (map[string]storedAnswer, error) {
	known := map[string]storedAnswer{}
	if len(keys) == 0 {
		return known, nil
	}
	args := append(anys(keys), t.now.UnixMicro())
	rows, err := t.QueryContext(ctx, "SELECT key_hash, body_hash, receipt FROM alert_idempotency WHERE key_hash IN ("+list(len(keys))+") AND expires_us > ?", args...)
	if err != nil {
		return nil, fmt.Errorf("read idempotency keys: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key, body, receipt string
		if err := rows.Scan(&key, &body, &receipt); err != nil {
			return nil, fmt.Errorf("read idempotency keys: %w", err)
		}
		answer := storedAnswer{body: body}
		if err := json.Unmarshal([]byte(receipt), &answer.result.receipt); err != nil {
			return nil, fmt.Errorf("read the answer of an idempotency key: %w", err)
		}
		known[key] = answer
	}
	return known, rows.Err()
}

// saveAnswers keeps the answers given in this transaction. A key that another
// process stored meanwhile fails the INSERT, and the batch is run again and
// finds the other's answer: a request sent twice at once counts once.
func (t *tx) saveAnswers(ctx context.Context, answers map[string]storedAnswer) error {
	var rows [][]any
	var keys []any
	for _, key := range slices.Sorted(maps.Keys(answers)) {
		a := answers[key]
		if !a.fresh || a.result.err != nil {
			continue
		}
		receipt := a.result.receipt
		if a.result.on != nil {
			receipt.AlertID = a.result.on.alert.ID
		}
		text, err := json.Marshal(receipt)
		if err != nil {
			return fmt.Errorf("keep the answer of an idempotency key: %w", err)
		}
		keys = append(keys, key)
		rows = append(rows, []any{key, a.body, string(text), t.now.Add(alerting.IdempotencyLife).UnixMicro()})
	}
	if len(rows) == 0 {
		return nil
	}
	err := t.update(ctx, "DELETE FROM alert_idempotency WHERE key_hash IN ("+list(len(keys))+") AND expires_us <= ?", append(keys, t.now.UnixMicro())...)
	if err != nil {
		return fmt.Errorf("forget expired idempotency keys: %w", err)
	}
	return t.insert(ctx, insertAnswer, rows)
}

// ForgetAnswers deletes expired idempotency keys.
func (s *Store) ForgetAnswers(ctx context.Context) error {
	return s.inTx(ctx, func(t *tx) error {
		return t.update(ctx, "DELETE FROM alert_idempotency WHERE expires_us <= ?", t.now.UnixMicro())
	})
}
