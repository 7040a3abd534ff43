package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"trade-monitor/shared/alerting"
)

// maxCalls is how many CALLs one message takes. Few wait at one time: one for a
// word that went singly, one for each type of a digest.
const maxCalls = 200

// takeCalls makes one message of all CALLs that wait and whose people it has room
// for, and settles on the way those that are not to be made any more.
func (c *claiming) takeCalls(ctx context.Context, r alerting.Renderer) (*alerting.Claim, error) {
	due, err := collect(ctx, c.t, scanNotification, "SELECT "+notificationColumns+" FROM alert_notifications WHERE status = 'PENDING' AND group_id IN ("+list(len(c.groups))+
		fmt.Sprintf(") AND priority = ? AND next_us <= ? ORDER BY id LIMIT %d", maxCalls), append(anys(c.groups), laneCalls, c.t.now.UnixMicro())...)
	if err != nil {
		return nil, fmt.Errorf("read the calls that wait: %w", err)
	}
	var made []alerting.Notification
	var words []alerting.DigestWord
	var people alerting.People
	for _, call := range due {
		word, whom, err := c.t.answer(ctx, call)
		if err != nil {
			return nil, err
		}
		all, room := people.Join(whom)
		if !whom.Nobody() && room {
			made, words, people = append(made, call), append(words, word), all
		}
	}
	if len(made) == 0 {
		return nil, alerting.ErrNotFound
	}
	return c.call(ctx, made, alerting.Message{
		Kind: alerting.CallMessage, GroupID: made[0].GroupID, Words: len(made), Format: alerting.Text, People: people,
		Content: r.Summons(alerting.Summon(words, made[0].Reason.Form())),
	})
}

// answer settles a CALL that is not to be made, or tells what it says and whom it
// calls.
func (t *tx) answer(ctx context.Context, call alerting.Notification) (alerting.DigestWord, alerting.People, error) {
	alert, err := t.alert(ctx, call.AlertID)
	if errors.Is(err, alerting.ErrNotFound) {
		return alerting.DigestWord{}, alerting.People{}, t.bury(ctx, call)
	}
	if err != nil {
		return alerting.DigestWord{}, alerting.People{}, err
	}
	people, why := t.policy.Answers(call, *alert)
	if !why.IsZero() {
		return alerting.DigestWord{}, people, t.suppress(ctx, call, why)
	}
	return alerting.DigestWord{
		AlertID: alert.ID, Kind: call.Kind, Severity: call.Severity, Type: alert.Type, Service: alert.Service,
		Title: alert.Title, Action: alert.ActionTaken, At: call.CreatedAt,
	}, people, nil
}

// call reserves the message that calls people, and links what it carries.
func (c *claiming) call(ctx context.Context, made []alerting.Notification, m alerting.Message) (*alerting.Claim, error) {
	alert, word := int64(0), alerting.Notification{}
	if len(made) == 1 {
		alert, word = made[0].AlertID, made[0]
	}
	m, err := c.reserve(ctx, m, alert)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(made))
	for i := range made {
		ids[i] = made[i].ID
	}
	if err := c.t.update(ctx, "UPDATE alert_notifications SET message_id = ? WHERE id IN ("+list(len(ids))+")", append([]any{m.ID}, anys(ids)...)...); err != nil {
		return nil, fmt.Errorf("link calls: %w", err)
	}
	if word.ID != 0 {
		word.MessageID = m.ID
	}
	return c.claim(m, word), nil
}

// owe stores the CALLs behind the words that have just arrived: in the transaction
// that says so, so that neither is there without the other.
func (t *tx) owe(ctx context.Context, calls []alerting.Notification, arrived func(alert int64) bool) error {
	calls = slices.DeleteFunc(slices.Clone(calls), func(n alerting.Notification) bool { return !arrived(n.AlertID) })
	w := newWriter(t)
	for _, n := range calls {
		alert, err := t.alert(ctx, n.AlertID)
		if errors.Is(err, alerting.ErrNotFound) {
			continue // deleted by SQL
		}
		if err != nil {
			return err
		}
		n.NextAt, n.CreatedAt = t.now, t.now
		if _, err := w.apply(ctx, loaded(alert), alerting.Change{Alert: alert, Notifications: []alerting.Notification{n}}); err != nil {
			return err
		}
	}
	return w.finish(ctx)
}
