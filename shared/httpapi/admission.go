package httpapi

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Admission shares the places of requests under way among clients, so that one
// that floods us slows itself down and nobody else. The rule needs no rate and
// no list of clients: a client may hold as many places as are free. Alone it
// gets half of them; of two each gets a third; and some are always free for
// whoever comes next. One with more requests than that waits for places of its
// own, for a moment, and then is told to come back later. All state is about
// requests that are here: there is nothing that many clients could fill.
type Admission struct {
	patience time.Duration

	mu      sync.Mutex
	free    int // places
	room    int // free seats of those that wait
	clients map[client]*share
	waiting []*share // those with somebody in line, in no order
}

// client is who places are counted for.
type client struct {
	token   string // its name; empty without one
	address string // without a token
	public  bool   // probes and pages: apart, so that a flood of events fails no probe from the same address
}

// share is what one client has.
type share struct {
	client client
	held   int
	line   []*ticket // first come, first served
}

// ticket is one request in line. The channel is closed when it has its place.
type ticket struct{ called chan struct{} }

// The defaults of NewAdmission: what one process can have under way and still
// answer in time, and what each of them can hold in memory (MaxBody).
const (
	Places       = 512
	WaitingRoom  = 2048
	WaitPatience = time.Second
)

// NewAdmission shares Places places.
func NewAdmission() *Admission { return newAdmission(Places, WaitingRoom, WaitPatience) }

func newAdmission(places, room int, patience time.Duration) *Admission {
	return &Admission{free: places, room: room, patience: patience, clients: map[client]*share{}}
}

// enter takes a place for the client, or refuses with 429. Each successful
// enter is followed by one leave.
func (a *Admission) enter(ctx context.Context, c client) (*share, error) {
	a.mu.Lock()
	s := a.clients[c]
	if s == nil {
		s = &share{client: c}
		a.clients[c] = s
	}
	if len(s.line) == 0 && a.may(s) {
		a.take(s)
		a.mu.Unlock()
		return s, nil
	}
	if a.room <= len(s.line) { // the same rule for seats
		a.forget(s)
		a.mu.Unlock()
		return nil, busy()
	}
	t := a.stand(s)
	a.mu.Unlock()
	return a.wait(ctx, s, t)
}

func (a *Admission) may(s *share) bool { return s.held < a.free }

func (a *Admission) take(s *share) {
	a.free--
	s.held++
}

func (a *Admission) stand(s *share) *ticket {
	t := &ticket{called: make(chan struct{})}
	if len(s.line) == 0 {
		a.waiting = append(a.waiting, s)
	}
	s.line = append(s.line, t)
	a.room--
	return t
}

func (a *Admission) wait(ctx context.Context, s *share, t *ticket) (*share, error) {
	patience := time.NewTimer(a.patience)
	defer patience.Stop()
	err := busy()
	select {
	case <-t.called:
		return s, nil
	case <-patience.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(s.line, t)
	if i < 0 { // called in the same moment
		return s, nil
	}
	a.remove(s, i)
	a.forget(s)
	return nil, err
}

// remove takes one out of a line.
func (a *Admission) remove(s *share, i int) {
	s.line = slices.Delete(s.line, i, i+1)
	a.room++
	if len(s.line) == 0 {
		a.waiting = slices.DeleteFunc(a.waiting, func(other *share) bool { return other == s })
	}
}

// leave gives the place back, and calls those that may have one now: first of
// the client that holds least.
func (a *Admission) leave(s *share) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.free++
	s.held--
	a.forget(s)
	for len(a.waiting) > 0 {
		least := slices.MinFunc(a.waiting, func(x, y *share) int { return x.held - y.held })
		if !a.may(least) {
			return
		}
		next := least.line[0]
		a.remove(least, 0)
		a.take(least)
		close(next.called)
	}
}

// forget drops a client that has nothing here any more.
func (a *Admission) forget(s *share) {
	if s.held == 0 && len(s.line) == 0 {
		delete(a.clients, s.client)
	}
}

func busy() error {
	return &Error{
		Status: http.StatusTooManyRequests, Code: "too_many_requests",
		Message: "同时请求过多，请稍后重试 (too many requests at once; try again)",
		Header:  [2]string{"Retry-After", "1"},
	}
}
