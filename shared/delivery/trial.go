package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// Trials is what a trial needs of the database.
type Trials interface {
	Groups(ctx context.Context) ([]alerting.Group, error)
	// ClaimTrial is ClaimMessage for a message that carries no notification.
	// A robot that cannot be tried now is a *alerting.RefusedError.
	ClaimTrial(ctx context.Context, robot string, group int64, owner string, lease time.Duration, content string) (*alerting.Claim, error)
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
	Owner    string                      // names this process in leases, another name than the loop's
	Fallback func() alerting.Secret      // WECHAT_WEBHOOK_URL; nil: none
	Render   func(alerting.Group) string // writes the message; required
	Log      *slog.Logger                // nil: nothing is logged
}

// NewTrier makes a Trier.
func NewTrier(store Trials, sender Sender, o TrierOptions) *Trier {
	if o.Fallback == nil {
		o.Fallback = func() alerting.Secret { return "" }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Trier{store: store, post: poster{store: store, sender: sender, jitter: rand.Float64}, o: o}
}

// Try sends a test message to a group (0: the robot of WECHAT_WEBHOOK_URL), also
// to a disabled one, and tells what came of it; it takes at most 20 s. When it
// arrives, what waits for the group is sent at once. ErrNotFound: no such group.
// RefusedError: the robot cannot be tried now.
func (t *Trier) Try(ctx context.Context, id int64) (alerting.Trial, error) {
	g, err := t.group(ctx, id)
	if err != nil {
		return alerting.Trial{}, err
	}
	if alerting.Placeholder(g.Webhook) {
		return alerting.Trial{}, &alerting.RefusedError{Reason: alerting.Reason{Code: "robot_unset", Detail: g.Name}}
	}
	asked := time.Now()
	claim, err := t.store.ClaimTrial(ctx, alerting.RobotID(g.Webhook), g.ID, t.o.Owner, lease, t.o.Render(g))
	if err != nil {
		return alerting.Trial{}, fmt.Errorf("claim a test message: %w", err)
	}
	verdict := t.post.send(context.WithoutCancel(ctx), g.Webhook, claim.Message.Content, time.Since(asked))
	took := time.Since(asked)
	t.o.Log.Info("test message", "robot", claim.Message.Robot, "group", g.Name, "message", claim.Message.ID, "status", verdict.Status, "errcode", verdict.ErrCode, "error", verdict.Error)
	return alerting.Trial{Group: g, Verdict: verdict, Took: took}, t.post.settle(context.WithoutCancel(ctx), claim, verdict)
}

func (t *Trier) group(ctx context.Context, id int64) (alerting.Group, error) {
	if id == 0 {
		return alerting.FallbackGroup(t.o.Fallback()), nil
	}
	groups, err := t.store.Groups(ctx)
	if err != nil {
		return alerting.Group{}, fmt.Errorf("read the groups: %w", err)
	}
	i := slices.IndexFunc(groups, func(g alerting.Group) bool { return g.ID == id })
	if i < 0 {
		return alerting.Group{}, alerting.ErrNotFound
	}
	return groups[i], nil
}
