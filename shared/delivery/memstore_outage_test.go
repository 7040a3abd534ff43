package delivery_test

import (
	"context"
	"time"

	"trade-monitor/shared/alerting"
)

func (s *memStore) Look(ctx context.Context, _ string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, time.Now())
	return !s.others, cmpErr(ctx.Err(), s.down)
}

func (s *memStore) RecordSpoken(_ context.Context, words []alerting.Spoken, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmpErr(s.down, s.spokenErr); err != nil {
		return err
	}
	for _, w := range words {
		s.messages = append(s.messages, alerting.Message{
			ID: int64(len(s.messages) + 1), Kind: alerting.Emergency, Robot: w.Robot, Status: w.Status, Content: w.Content,
			SentAt: w.SentAt, AnsweredAt: w.AnsweredAt, SlotUntil: w.AnsweredAt.Add(alerting.SlotLife),
		})
	}
	return nil
}

func (s *memStore) ClaimNotice(_ context.Context, robot, owner string, lease time.Duration, content string) (*alerting.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	now := time.Now()
	if s.robots[robot] == nil {
		s.robots[robot] = &memRobot{Robot: alerting.Robot{ID: robot}}
	}
	r := s.robots[robot]
	load, _ := s.load(robot, nil, now)
	if at := alerting.NextSlot(load.Slots, now); at.After(now) {
		return nil, &alerting.RefusedError{Reason: alerting.Reason{Code: "robot_budget", Until: at}}
	}
	if r.lease.After(now) {
		return nil, &alerting.RefusedError{Reason: alerting.Reason{Code: "robot_in_flight", Until: r.lease}}
	}
	m := alerting.Message{ID: int64(len(s.messages) + 1), Kind: alerting.Emergency, Format: alerting.Text, Robot: robot, Status: alerting.Sending, Content: content, SentAt: now, SlotUntil: now.Add(lease + alerting.SlotLife)}
	s.messages = append(s.messages, m)
	r.owner, r.lease = owner, now.Add(lease)
	return &alerting.Claim{Message: m, Robot: r.Robot, Owner: owner}, nil
}
