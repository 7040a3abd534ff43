package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// Story gives everything on record about one alert.
func (s *Store) Story(ctx context.Context, id int64) (alerting.Story, error) {
	story, err := s.story(ctx, id)
	return story, s.dialect.wrap(err)
}

func (s *Store) story(ctx context.Context, id int64) (alerting.Story, error) {
	var story alerting.Story
	alerts, err := collect(ctx, s.reader, s.scanAlert, "SELECT "+alertColumns+" FROM alert_records WHERE id = ?", id)
	if err != nil {
		return story, fmt.Errorf("read alert %d: %w", id, err)
	}
	if len(alerts) == 0 {
		return story, alerting.ErrNotFound
	}
	story.Alert = alerts[0]
	if story.Events, err = collect(ctx, s.reader, scanEvent, "SELECT "+eventColumns+" FROM alert_events WHERE alert_id = ? ORDER BY received_us, n, resolved", id); err != nil {
		return story, fmt.Errorf("read events of %d: %w", id, err)
	}
	if first := slices.ContainsFunc(story.Events, func(e alerting.KeptEvent) bool { return e.N == 1 && !e.Resolved }); !first {
		story.Events = append([]alerting.KeptEvent{firstEvent(&story.Alert)}, story.Events...)
	}
	if story.Notifications, err = collect(ctx, s.reader, scanNotification, "SELECT "+notificationColumns+" FROM alert_notifications WHERE alert_id = ? ORDER BY id", id); err != nil {
		return story, fmt.Errorf("read notifications of %d: %w", id, err)
	}
	if story.Messages, err = s.messagesOf(ctx, id, story.Notifications); err != nil {
		return story, err
	}
	if story.Remediations, err = collect(ctx, s.reader, scanRemediation, "SELECT "+remediationColumns+" FROM alert_remediations WHERE alert_id = ? ORDER BY id", id); err != nil {
		return story, fmt.Errorf("read remediations of %d: %w", id, err)
	}
	if err := s.giveEvidence(ctx, s.reader, "alert_id", id, story.Remediations); err != nil {
		return story, err
	}
	story.Decisions, err = collect(ctx, s.reader, scanDecision, "SELECT "+decisionColumns+" FROM alert_decisions WHERE alert_id = ? ORDER BY seq", id)
	if err != nil {
		return story, fmt.Errorf("read decisions of %d: %w", id, err)
	}
	return story, s.explain(ctx, &story)
}

// explain says of each group what became of telling it, and of the words that
// wait what they wait for.
func (s *Store) explain(ctx context.Context, story *alerting.Story) error {
	now, err := s.clock(ctx)
	if err != nil {
		return err
	}
	groups, err := s.groups(ctx, s.reader)
	if err != nil {
		return err
	}
	policy := s.policy()
	if err := s.explainWaits(ctx, story.Notifications, append(slices.Clone(groups), alerting.FallbackGroup(policy.Fallback)), now); err != nil {
		return err
	}
	story.Groups = alerting.Explain(story, groups, &policy, now)
	return nil
}

// messagesOf are the messages about one alert, and the digests that carried words
// about it among others; those words are marked.
func (s *Store) messagesOf(ctx context.Context, alert int64, words []alerting.Notification) ([]alerting.Message, error) {
	messages, err := collect(ctx, s.reader, scanMessage, "SELECT "+messageColumns+" FROM alert_messages WHERE alert_id = ? ORDER BY id", alert)
	if err != nil {
		return nil, fmt.Errorf("read messages of %d: %w", alert, err)
	}
	var digests []int64
	for _, n := range words {
		known := slices.ContainsFunc(messages, func(m alerting.Message) bool { return m.ID == n.MessageID })
		if n.MessageID != 0 && !known && !slices.Contains(digests, n.MessageID) {
			digests = append(digests, n.MessageID)
		}
	}
	if len(digests) == 0 {
		return messages, nil
	}
	shared, err := collect(ctx, s.reader, scanMessage, "SELECT "+messageColumns+" FROM alert_messages WHERE id IN ("+list(len(digests))+")", anys(digests)...)
	if err != nil {
		return nil, fmt.Errorf("read digests of %d: %w", alert, err)
	}
	for i := range words {
		words[i].Folded = slices.ContainsFunc(shared, func(m alerting.Message) bool { return m.ID == words[i].MessageID && m.Words > 1 })
	}
	messages = append(messages, shared...)
	slices.SortFunc(messages, func(a, b alerting.Message) int { return cmp.Compare(a.ID, b.ID) })
	return messages, nil
}

// explainWaits says of the words that wait what they wait for.
func (s *Store) explainWaits(ctx context.Context, words []alerting.Notification, groups []alerting.Group, now time.Time) (err error) {
	for i := range words {
		n := &words[i]
		at := slices.IndexFunc(groups, func(g alerting.Group) bool { return g.ID == n.GroupID })
		if n.Status != alerting.Pending || at < 0 {
			continue
		}
		n.AsOf = now
		if n.Waits, err = s.waits(ctx, n, alerting.RobotID(groups[at].Webhook), now); err != nil {
			return err
		}
	}
	return nil
}

// waits says why a word is not sent now, and until when: its robot rests, it was
// tried too often, people were called a moment ago, or more waits than the budget
// allows.
func (s *Store) waits(ctx context.Context, n *alerting.Notification, robot string, now time.Time) (alerting.Reason, error) {
	rests, err := collect(ctx, s.reader, func(row scanner) (alerting.Reason, error) {
		var why reasonScan
		err := row.Scan(&why.code, &why.detail, &why.until)
		return why.value(), err
	}, "SELECT reason_code, reason_detail, paused_us FROM alert_robots WHERE robot = ? AND paused_us > ?", robot, now.UnixMicro())
	if err != nil {
		return alerting.Reason{}, fmt.Errorf("read the robot's rest: %w", err)
	}
	if len(rests) > 0 {
		return rests[0], nil
	}
	if n.NextAt.After(now) {
		why := n.Reason
		why.Until = n.NextAt
		return why, nil
	}
	load, next, err := load(ctx, s.reader, robot, []int64{n.GroupID}, now)
	if err != nil {
		return alerting.Reason{}, err
	}
	if at := load.CallsApart(now); n.Kind == alerting.Call && !at.IsZero() {
		return alerting.Reason{Code: "calls_apart", Until: at}, nil
	}
	turn := load.Next(now)
	if turn.At = earliest(turn.At, next); turn.Kind != "" || turn.At.IsZero() {
		return alerting.Reason{}, nil
	}
	return alerting.Reason{Code: "overload", Until: turn.At}, nil
}

// firstEvent is the event that opened an alert: the alert keeps its words, so
// it needs no row of its own unless its title had to be cut or the alert got
// worse since (writer.keepFirst).
func firstEvent(a *alerting.Alert) alerting.KeptEvent {
	return alerting.KeptEvent{AlertID: a.ID, N: 1, Severity: a.Severity, Title: a.Title, Message: a.Message, Metadata: a.Metadata, ReceivedAt: a.CreatedAt}
}

// latestEvent is the newest event that is not the first, or nil; of a word that
// it is over, the one that said so, if a service did.
func (t *tx) latestEvent(ctx context.Context, a *alerting.Alert, kind alerting.Kind) (*alerting.KeptEvent, error) {
	if kind == alerting.Over {
		if ev, err := t.eventIn(ctx, a.ID, resolvedSlot); err != nil || ev != nil {
			return ev, err
		}
	}
	if a.Occurrences <= 1 {
		return nil, nil
	}
	return t.eventIn(ctx, a.ID, alerting.EventSlot(a.Occurrences))
}

// eventIn is the event that an alert keeps in a place, or nil.
func (t *tx) eventIn(ctx context.Context, alert int64, slot int) (*alerting.KeptEvent, error) {
	events, err := collect(ctx, t, scanEvent, "SELECT "+eventColumns+" FROM alert_events WHERE alert_id = ? AND slot = ?", alert, slot)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	return &events[0], nil
}

// newestRemediation is the alert's newest remediation, or the one with the id.
func (t *tx) newestRemediation(ctx context.Context, alertID, id int64) (*alerting.Remediation, error) {
	found, err := collect(ctx, t, scanRemediation, "SELECT "+remediationColumns+
		" FROM alert_remediations WHERE alert_id = ? AND (id = ? OR ? = 0) ORDER BY id DESC LIMIT 1", alertID, id, id)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], t.s.giveEvidence(ctx, t, "remediation_id", found[0].ID, found)
}
