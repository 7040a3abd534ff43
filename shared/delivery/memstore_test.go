package delivery_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

// memStore is a store in memory that goes by the rules of the domain, as the
// real one does: lease, rest, budget, then the oldest word that is due.
type memStore struct {
	mu       sync.Mutex
	groups   []alerting.Group
	words    []alerting.Notification
	messages []alerting.Message
	robots   map[string]*memRobot
	storms   map[string]bool   // of robots
	mobiles  []alerting.Mobile // that every word calls
	asked    int               // claims, whatever came of them
	looks    []time.Time       // calls of Queues
	seen     []time.Time       // calls of Look
	others   bool              // another process speaks first

	down      error            // what every call answers
	settleErr error            // what SettleMessage answers
	spokenErr error            // what RecordSpoken answers
	claimErr  map[string]error // by robot
	slowClaim time.Duration
	emptied   func()        // called once when a claim found nothing, before it returns
	behind    time.Duration // how far the store's clock is behind ours
	refused   int           // claims that ended in an error
}

type memRobot struct {
	alerting.Robot
	owner string
	lease time.Time
}

func newMemStore(groups ...alerting.Group) *memStore {
	return &memStore{groups: groups, robots: map[string]*memRobot{}, storms: map[string]bool{}, claimErr: map[string]error{}}
}

// owe adds words for a group and returns their ids.
func (s *memStore) owe(group int64, count int) (ids []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range count {
		id := int64(len(s.words) + 1)
		s.words = append(s.words, alerting.Notification{
			ID: id, AlertID: id, GroupID: group, Kind: alerting.Firing, Severity: alerting.Error,
			Status: alerting.Pending, NextAt: time.Now(), CreatedAt: time.Now(),
		})
		ids = append(ids, id)
	}
	return ids
}

func (s *memStore) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *memStore) figure(n *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *n
}

func (s *memStore) looked() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.looks)
}

func (s *memStore) word(id int64) alerting.Notification {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.words[id-1]
}

// count is how many words are in a state.
func (s *memStore) count(status alerting.NotificationStatus) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.words {
		if w.Status == status {
			n++
		}
	}
	return n
}

func (s *memStore) messageCount(status alerting.MessageStatus) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.Status == status {
			n++
		}
	}
	return n
}

func (s *memStore) Groups(context.Context) ([]alerting.Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.groups), s.down
}

func (s *memStore) Queues(context.Context) ([]alerting.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks = append(s.looks, time.Now())
	var queues []alerting.Queue
	for _, w := range s.words {
		if w.Status != alerting.Pending {
			continue
		}
		i := slices.IndexFunc(queues, func(q alerting.Queue) bool { return q.GroupID == w.GroupID })
		if i < 0 {
			i = len(queues)
			queues = append(queues, alerting.Queue{GroupID: w.GroupID, NextAt: w.NextAt})
		}
		queues[i].Pending++
	}
	for _, g := range s.groups {
		if s.storms[alerting.RobotID(g.Webhook)] {
			queues = append(queues, alerting.Queue{GroupID: g.ID, Storm: true})
		}
	}
	return queues, s.down
}

func (s *memStore) Suppress(_ context.Context, groups []int64, why alerting.Reason) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.words {
		if w := &s.words[i]; w.Status == alerting.Pending && slices.Contains(groups, w.GroupID) {
			w.Status, w.Reason, w.SettledAt = alerting.Suppressed, why, time.Now()
		}
	}
	return s.down
}

func (s *memStore) ClaimMessage(_ context.Context, robot string, groups []int64, owner string, lease time.Duration, render alerting.Renderer) (*alerting.Claim, time.Time, error) {
	claim, next, err := s.claim(robot, groups, owner, lease, render)
	if emptied := s.emptied; claim == nil && err == nil && emptied != nil {
		s.emptied = nil
		emptied()
	}
	if !next.IsZero() {
		next = next.Add(-s.behind)
	}
	return claim, next, err
}

func (s *memStore) claim(robot string, groups []int64, owner string, lease time.Duration, render alerting.Renderer) (*alerting.Claim, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmpErr(s.down, s.claimErr[robot]); err != nil {
		s.refused++
		return nil, time.Time{}, err
	}
	s.asked++
	now := time.Now()
	r := s.robots[robot]
	if r == nil {
		r = &memRobot{Robot: alerting.Robot{ID: robot}}
		s.robots[robot] = r
	}
	load, next := s.load(robot, groups, now)
	turn := load.Next(now)
	switch {
	case turn.Kind == "":
		return nil, earliest(turn.At, next), nil
	case r.lease.After(now):
		return nil, r.lease, nil
	case r.PausedUntil.After(now):
		return nil, r.PausedUntil, nil
	}
	m := alerting.Message{ID: int64(len(s.messages) + 1), Kind: turn.Kind, Robot: robot, Status: alerting.Sending, SentAt: now, SlotUntil: now.Add(lease + alerting.SlotLife)}
	carried := s.carried(turn.Kind, groups, now)
	m.Words, m.Format = len(carried), alerting.RobotFormat(s.groups, robot)
	if m.Format == alerting.Text || turn.Kind == alerting.CallMessage {
		m.People = alerting.People{Mobiles: s.mobiles}
	}
	claim := &alerting.Claim{Robot: r.Robot, Owner: owner}
	for _, w := range carried {
		w.MessageID, m.GroupID = m.ID, w.GroupID
	}
	if m.Words == 1 {
		claim.Notification = *carried[0]
	}
	switch {
	case turn.Kind == alerting.CallMessage:
		m.Format, m.Content = alerting.Text, render.Summons(alerting.Summons{Alerts: make([]alerting.DigestWord, m.Words)})
	case m.Words == 0:
		m.Content = render.StormOver(alerting.Storm{})
	case m.Words == 1:
		m.Content = render.Word(alerting.Brief{Notification: *carried[0]})
	default:
		m.Content = render.Digest(alerting.Digest{Words: m.Words})
		s.storms[robot] = s.storms[robot] || alerting.Storms(m.Words)
	}
	claim.Message = m
	s.messages = append(s.messages, m)
	r.owner, r.lease = owner, now.Add(lease)
	time.Sleep(s.slowClaim)
	return claim, time.Time{}, nil
}

// earliest is the earlier of two instants, of which zero means none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// load is what decides the robot's turn; next is when a word will be due.
func (s *memStore) load(robot string, groups []int64, now time.Time) (load alerting.Load, next time.Time) {
	for _, w := range s.words {
		switch {
		case w.Status != alerting.Pending || !slices.Contains(groups, w.GroupID):
		case w.NextAt.After(now):
			next, load.Later = earliest(next, w.NextAt), true
		case w.Kind == alerting.Call:
			load.Calls = alerting.Backlog{Words: load.Calls.Words + 1, Since: earliest(load.Calls.Since, w.NextAt)}
		case w.Severity == alerting.Critical:
			load.Critical = alerting.Backlog{Words: load.Critical.Words + 1, Since: earliest(load.Critical.Since, w.NextAt)}
		default:
			load.Other = alerting.Backlog{Words: load.Other.Words + 1, Since: earliest(load.Other.Since, w.NextAt)}
		}
	}
	for _, m := range s.messages {
		if m.Robot == robot {
			load.Slots = append(load.Slots, alerting.Slot{Kind: m.Kind, Until: m.SlotUntil})
		}
	}
	load.Storm = s.storms[robot]
	return load, next
}

// carried are the words that a message of a kind takes.
func (s *memStore) carried(kind alerting.MessageKind, groups []int64, now time.Time) (words []*alerting.Notification) {
	critical := kind == alerting.SingleCritical || kind == alerting.DigestCritical
	for i := range s.words {
		w := &s.words[i]
		if (w.Kind == alerting.Call) != (kind == alerting.CallMessage) {
			continue
		}
		due := w.Status == alerting.Pending && slices.Contains(groups, w.GroupID) && !w.NextAt.After(now)
		if kind == alerting.StormOver || !due || kind != alerting.CallMessage && critical != (w.Severity == alerting.Critical) {
			continue
		}
		if words = append(words, w); !kind.Digest() && kind != alerting.CallMessage {
			break
		}
	}
	return words
}

func (s *memStore) SettleMessage(ctx context.Context, claim *alerting.Claim, v alerting.Verdict, jitter float64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmpErr(ctx.Err(), s.down, s.settleErr); err != nil {
		return err
	}
	now := time.Now()
	r := s.robots[claim.Message.Robot]
	if r.owner != claim.Owner {
		return alerting.ErrLeaseLost
	}
	r.Robot = r.AfterVerdict(v, now, jitter)
	r.owner, r.lease = "", time.Time{}
	m := &s.messages[claim.Message.ID-1]
	m.Status, m.ErrCode, m.Error, m.AnsweredAt, m.SlotUntil = v.Status, v.ErrCode, v.Error, now, now.Add(alerting.SlotLife)
	if m.Kind == alerting.StormOver {
		s.storms[m.Robot] = false
	}
	for i := range s.words {
		switch w := &s.words[i]; {
		case w.MessageID != m.ID || w.Status != alerting.Pending:
		case m.Words == 1:
			*w = w.AfterVerdict(v, now)
		default:
			*w = w.AfterDigest(v, now)
		}
	}
	if v.Status == alerting.Accepted && len(s.mobiles) > 0 && m.Format != alerting.Text {
		s.owed(*m, now)
	}
	return nil
}

// owed adds the call behind the first word of a message.
func (s *memStore) owed(m alerting.Message, now time.Time) {
	for _, w := range s.words {
		if w.MessageID == m.ID && w.Kind != alerting.Call {
			call := w.Call(now)
			call.ID = int64(len(s.words) + 1)
			s.words = append(s.words, call)
			return
		}
	}
}
