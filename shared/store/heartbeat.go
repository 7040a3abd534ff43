package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"trade-monitor/shared/alerting"
)

// DeclareHeartbeats makes the heartbeats of the policy exactly these, which were
// checked: what is new is added, what has changed is changed, what is not named
// any more is removed. Those that pings declared are left alone, but a name that
// the policy takes becomes the policy's, with its history.
func (s *Store) DeclareHeartbeats(ctx context.Context, all []alerting.HeartbeatDeclaration) error {
	return s.inTx(ctx, func(t *tx) error {
		if err := t.listen(ctx); err != nil {
			return err
		}
		there, err := t.declarable(ctx, all)
		if err != nil {
			return err
		}
		fresh, changed := map[string]alerting.Heartbeat{}, map[string]alerting.Heartbeat{}
		for _, d := range all {
			h, known := there[d.Name]
			delete(there, d.Name)
			switch {
			case !known:
				fresh[d.Name] = d.Declare(nil, t.now)
			case !d.Declares(h):
				changed[d.Name] = d.Declare(&h, t.now)
			}
		}
		if err := t.saveHeartbeats(ctx, insertHeartbeat, fresh); err != nil {
			return err
		}
		if err := t.saveHeartbeats(ctx, replaceHeartbeat, changed); err != nil {
			return err
		}
		return t.deleteHeartbeats(ctx, slices.Sorted(maps.Keys(there)))
	})
}

// declarable locks and reads the policy's heartbeats and those whose names it
// takes now.
func (t *tx) declarable(ctx context.Context, all []alerting.HeartbeatDeclaration) (map[string]alerting.Heartbeat, error) {
	names, err := collect(ctx, t, scanName, "SELECT name FROM alert_heartbeats WHERE declared = ? ORDER BY name", string(alerting.FromPolicy))
	if err != nil {
		return nil, fmt.Errorf("read the policy's heartbeats: %w", err)
	}
	for _, d := range all {
		names = append(names, d.Name)
	}
	there := map[string]alerting.Heartbeat{}
	for some := range slices.Chunk(unique(names), judged) {
		part, err := t.heartbeats(ctx, slices.Clone(some))
		if err != nil {
			return nil, err
		}
		maps.Copy(there, part)
	}
	return there, nil
}

func scanName(row scanner) (name string, err error) { return name, row.Scan(&name) }

func (t *tx) deleteHeartbeats(ctx context.Context, names []string) error {
	for some := range slices.Chunk(names, judged) {
		if err := t.update(ctx, "DELETE FROM alert_heartbeats WHERE name IN ("+list(len(some))+")", anys(some)...); err != nil {
			return fmt.Errorf("delete heartbeats: %w", err)
		}
	}
	return nil
}

// PauseHeartbeat stops judging a heartbeat until its next ping. ErrNotFound:
// there is none of this name.
func (s *Store) PauseHeartbeat(ctx context.Context, name, by string) (alerting.Heartbeat, error) {
	return s.changeHeartbeat(ctx, name, func(t *tx, h alerting.Heartbeat) alerting.Heartbeat { return h.Pause(by, t.now) })
}

// ResumeHeartbeat ends a pause.
func (s *Store) ResumeHeartbeat(ctx context.Context, name, _ string) (alerting.Heartbeat, error) {
	return s.changeHeartbeat(ctx, name, func(t *tx, h alerting.Heartbeat) alerting.Heartbeat { return h.Resume(t.now) })
}

func (s *Store) changeHeartbeat(ctx context.Context, name string, change func(*tx, alerting.Heartbeat) alerting.Heartbeat) (h alerting.Heartbeat, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		after, err := t.changeHeartbeats(ctx, []string{name}, func(h alerting.Heartbeat) alerting.Heartbeat { return change(t, h) })
		if err != nil {
			return err
		}
		if len(after) == 0 {
			return alerting.ErrNotFound
		}
		h = after[name]
		return nil
	})
	return h, err
}

// DeleteHeartbeat forgets a heartbeat that a ping declared. An alert about it
// stays as it is. RefusedError: the policy file declares it, and would again.
func (s *Store) DeleteHeartbeat(ctx context.Context, name, _ string) error {
	return s.inTx(ctx, func(t *tx) error {
		there, err := t.heartbeats(ctx, []string{name})
		if err != nil {
			return err
		}
		switch h, known := there[name]; {
		case !known:
			return alerting.ErrNotFound
		case h.Declared == alerting.FromPolicy:
			return &alerting.RefusedError{Reason: alerting.Reason{Code: "heartbeat_of_policy", Detail: name}}
		}
		return t.deleteHeartbeats(ctx, []string{name})
	})
}

// Heartbeats lists all of them by name, without their notes.
func (s *Store) Heartbeats(ctx context.Context) ([]alerting.Heartbeat, error) {
	all, err := collect(ctx, s.reader, scanHeartbeat, "SELECT "+heartbeatOutline+" FROM alert_heartbeats ORDER BY name")
	if err != nil {
		return nil, s.dialect.wrap(fmt.Errorf("read heartbeats: %w", err))
	}
	return all, nil
}
