package delivery

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// Trials is what a trial needs of the database.
type Trials interface {
	Groups(ctx context.Context) ([]alerting.Group, error)
	// ClaimTrial is ClaimMessage for a message that carries no notification.
	// A robot that cannot be tried now is a *alerting.RefusedError.
	ClaimTrial(ctx context.Context, robot string, group int64, owner string, lease time.Duration, p alerting.Post) (*alerting.Claim, error)
	Settling
}

// Trier sends test messages when a person asks. They cost budget, and keep to
// one message in flight per robot, as all others do.
type Trier struct {
	store Trials
	post  poster
	o     TrierOptions
}

// TrierOptions are what a Trier needs besides its store and sender.
type TrierOptions struct {
	Owner    string                                   // names this process in leases, another name than the loop's
	Fallback func() alerting.Secret                   // WECHAT_WEBHOOK_URL; nil: none
	Render   func(g alerting.Group, by string) string // writes the message that somebody asked for; required
	Record   func(t alerting.Trial)                   // is told of every message that was sent; nil: nobody
	Before   func(ctx context.Context) error          // is called before each claim; nil: nobody is
	Log      *slog.Logger                             // nil: nothing is logged
}

// NewTrier makes a Trier.
func NewTrier(store Trials, sender Sender, o TrierOptions) *Trier {
	if o.Fallback == nil {
		o.Fallback = func() alerting.Secret { return "" }
	}
	if o.Before == nil {
		o.Before = func(context.Context) error { return nil }
	}
	if o.Record == nil {
		o.Record = func(alerting.Trial) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Trier{store: store, post: poster{store: store, sender: sender, jitter: mathrand.Float64}, o: o}
}

// askTime bounds what a trial asks of the database before anything is sent: a
// person who waits is told soon that it hangs.
const askTime = 1800 * time.Millisecond

// Try sends a test message to a group (0: the robot of WECHAT_WEBHOOK_URL), also
// to a disabled one, and tells what came of it; it takes at most 22 s. by is who
// asked, for the message and the record. When it arrives, what waits for the
// robot is sent at once. ErrNotFound: no such group. RefusedError: the robot
// cannot be tried now.
func (t *Trier) Try(ctx context.Context, id int64, by string) (alerting.Trial, error) {
	asked := time.Now().Round(0) // as the loop does: a suspended machine counts
	g, claim, err := t.claim(ctx, id, by)
	if err != nil {
		return alerting.Trial{}, err
	}
	// From here on a caller who leaves changes nothing: what was claimed is settled.
	ctx = context.WithoutCancel(ctx)
	posted := time.Now()
	verdict := t.post.send(ctx, g.Webhook, claim.Message.Post(), time.Since(asked))
	trial := alerting.Trial{Group: g, By: by, Verdict: verdict, At: posted, Took: time.Since(posted)}
	t.o.Log.Info("test message", "robot", claim.Message.Robot, "group", g.Name, "by", by, "message", claim.Message.ID,
		"status", verdict.Status, "errcode", verdict.ErrCode, "error", verdict.Error)
	t.o.Record(trial)
	if err := t.post.settle(ctx, claim, verdict); err != nil {
		// The person is told what the robot said all the same. The record will say
		// UNKNOWN when the lease has ended.
		t.o.Log.Error("the verdict on a test message could not be stored", "message", claim.Message.ID, "error", err)
	}
	return trial, nil
}

// claim makes the message ours to send. Once it has begun it is not interrupted
// by a caller who leaves: a claim that was committed and not heard of would keep
// the robot busy.
func (t *Trier) claim(ctx context.Context, id int64, by string) (alerting.Group, *alerting.Claim, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	g, err := t.group(ctx, id)
	if err != nil {
		return g, nil, err
	}
	if alerting.Placeholder(g.Webhook) {
		return g, nil, &alerting.RefusedError{Reason: alerting.Reason{Code: "robot_unset", Detail: g.Name}}
	}
	if err := t.o.Before(ctx); err != nil {
		return g, nil, err
	}
	// Each try is an owner of its own: one whose settling took longer than its
	// lease must not give back the lease of the next.
	owner := t.o.Owner + ":" + rand.Text()
	claim, err := t.store.ClaimTrial(ctx, alerting.RobotID(g.Webhook), g.ID, owner, lease, alerting.Post{Format: g.Format(), Content: t.o.Render(g, by)})
	if err != nil {
		return g, nil, fmt.Errorf("claim a test message: %w", err)
	}
	return g, claim, nil
}

// group is the group to try, with the format in which its robot is sent everything.
func (t *Trier) group(ctx context.Context, id int64) (alerting.Group, error) {
	groups, err := t.store.Groups(ctx)
	if err != nil {
		return alerting.Group{}, fmt.Errorf("read the groups: %w", err)
	}
	all := append(slices.Clone(groups), alerting.FallbackGroup(t.o.Fallback()))
	i := slices.IndexFunc(all, func(g alerting.Group) bool { return g.ID == id })
	if i < 0 {
		return alerting.Group{}, alerting.ErrNotFound
	}
	g := all[i]
	g.MessageFormat = string(alerting.RobotFormat(groups, alerting.RobotID(g.Webhook)))
	return g, nil
}
