package delivery

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

const (
	// lease is how long a claim keeps other processes from the robot. It
	// covers sendTimeout and the settling.
	lease = 20 * time.Second
	// sendTimeout bounds one request to a robot, also while we are stopping.
	sendTimeout = 10 * time.Second
	// storeTimeout bounds one call of the store.
	storeTimeout = 10 * time.Second
	// gap is the least time between two passes of Run, so that a storm of
	// wakes costs 20 looks a second and not thousands.
	gap = 50 * time.Millisecond
	// fresh is how old the groups may be that a drain goes by: edits of the
	// groups by SQL count within 5 s.
	fresh = 4 * time.Second
)

// Waiting tells what waits, and for whom.
type Waiting interface {
	// Groups lists all rows of wechat_groups.
	Groups(ctx context.Context) ([]alerting.Group, error)
	// Queues counts the PENDING words of each group; group 0 is the robot of
	// WECHAT_WEBHOOK_URL.
	Queues(ctx context.Context) ([]alerting.Queue, error)
	// Suppress settles the PENDING words of groups that cannot be told.
	Suppress(ctx context.Context, groups []int64, why alerting.Reason) error
}

// Messages hands out one message at a time.
type Messages interface {
	// ClaimMessage reserves the robot, a slot of its budget and what it is sent
	// next of what is owed to the groups (a word, a digest of many, or that a
	// storm is over), and stores what render makes of it. Without a claim, next
	// is when to try again (the robot is leased elsewhere, rests or has used its
	// budget; what waits is being collected, or not due), or zero: nothing is
	// pending.
	ClaimMessage(ctx context.Context, robot string, groups []int64, owner string, lease time.Duration, render alerting.Renderer) (claim *alerting.Claim, next time.Time, err error)
	Settling
}

// Store is what the loop needs of the database.
type Store interface {
	Waiting
	Messages
}

// Sender posts one message. It returns when ctx ends.
type Sender interface {
	Send(ctx context.Context, webhook alerting.Secret, p alerting.Post) alerting.Verdict
}

// Options are what a Loop needs besides its store and sender.
type Options struct {
	Owner    string                 // names this process in leases
	Fallback func() alerting.Secret // WECHAT_WEBHOOK_URL; nil: none
	Render   alerting.Renderer      // writes the messages; required
	Log      *slog.Logger           // nil: nothing is logged
	Poll     time.Duration          // how often to look for what other processes left; 0: never
	// Patience is how long a drain waits for what is due soon, such as a digest
	// that is being collected, where nobody comes back at once; 0: not at all.
	Patience time.Duration
	// Before is called before each claim; its error is that of the claim. nil: it
	// need not.
	Before func(ctx context.Context) error
	Jitter func() float64   // in [0,1); nil: random
	Now    func() time.Time // nil: time.Now
}

// Loop is the delivery loop of one process.
type Loop struct {
	store Store
	post  poster
	o     Options
	wake  chan struct{}

	mu sync.Mutex
	// busy holds the robots that are being drained. A value that is not nil
	// asks the drain to look once more before it ends, at that target.
	busy map[string]*target
}

// Result is what one pass did.
type Result struct {
	Sent   int       // messages that were ACCEPTED
	Failed int       // messages that were REFUSED or whose outcome is UNKNOWN
	Next   time.Time // when there is something to do again; zero: not known
}

// New makes a loop.
func New(store Store, sender Sender, o Options) *Loop {
	if o.Fallback == nil {
		o.Fallback = func() alerting.Secret { return "" }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Before == nil {
		o.Before = func(context.Context) error { return nil }
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Loop{store: store, post: poster{store: store, sender: sender, jitter: o.Jitter}, o: o, wake: make(chan struct{}, 1), busy: map[string]*target{}}
}

// Wake says that there may be something to deliver. It never blocks.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default: // a wake is waiting already, and it sees what this one would
	}
}

// RunOnce makes one pass: every robot is drained until it has nothing left or
// has to wait, all of them at once, and RunOnce waits for the last. When ctx
// ends, no further message is claimed; those in flight are settled first, which
// takes at most the send timeout and a few seconds.
func (l *Loop) RunOnce(ctx context.Context) (Result, error) {
	targets, err := l.survey(ctx)
	ended := make(chan drained)
	running := 0
	for _, t := range targets {
		if l.enter(t) {
			running++
			go func() { ended <- l.drain(ctx, t) }()
		}
	}
	var result Result
	errs := []error{err}
	for range running {
		d := <-ended
		result.Sent += d.sent
		result.Failed += d.failed
		result.Next = earliest(result.Next, d.next)
		errs = append(errs, d.err)
	}
	return result, errors.Join(errs...)
}

// enter marks a robot as being drained. When it is already, the drain under
// way is asked to look again, since it may be past the point where it would
// have seen what is new.
func (l *Loop) enter(t target) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, running := l.busy[t.robot]; running {
		l.busy[t.robot] = &t
		return false
	}
	l.busy[t.robot] = nil
	return true
}

// leave ends a drain. When it was asked to look again and is not done for
// (stopped, or failed), it goes on instead, at the target that is returned.
func (l *Loop) leave(robot string, done bool) (again *target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.busy[robot]; t != nil && !done {
		l.busy[robot] = nil
		return t
	}
	delete(l.busy, robot)
	return nil
}

// earliest is the earlier of two instants, of which zero means none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
