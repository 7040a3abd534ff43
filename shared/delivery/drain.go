package delivery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// drained is what became of one robot's queue.
type drained struct {
	robot        string
	sent, failed int
	next         time.Time // when to look again; zero: nothing is pending
	err          error     // of the store
}

// drain sends what waits for one robot until there is nothing, or it has to
// wait, or ctx ends. The robot must have been entered; it is left here.
func (l *Loop) drain(ctx context.Context, t target) drained {
	d := drained{robot: t.robot}
	for again := &t; again != nil; again = l.leave(t.robot, ctx.Err() != nil || d.err != nil) {
		l.empty(ctx, *again, &d)
	}
	return d
}

// empty makes one way through the queue.
func (l *Loop) empty(ctx context.Context, t target, d *drained) {
	seen := l.o.Now()
	for ctx.Err() == nil {
		if now := l.o.Now(); now.Sub(seen) >= fresh {
			var known bool
			if t, known, d.err = l.refresh(ctx, t); d.err != nil || !known {
				d.next = time.Time{}
				return
			}
			seen = now
		}
		asked := l.o.Now()
		claim, next, err := l.claim(ctx, t)
		if d.next, d.err = next, err; err != nil {
			return
		}
		if claim == nil {
			if wait := next.Sub(l.o.Now()); l.o.Patience == 0 || next.IsZero() || wait > l.o.Patience || !pause(ctx, max(wait, gap)) {
				return
			}
			continue
		}
		if d.err = l.deliver(ctx, t, claim, asked, d); d.err != nil {
			return
		}
	}
	d.next = l.o.Now() // we were stopped: there may be more
}

// refresh reads the groups again: a person may have disabled this one.
func (l *Loop) refresh(ctx context.Context, t target) (now target, known bool, err error) {
	targets, err := l.survey(ctx)
	if err != nil && len(targets) == 0 {
		return t, false, err
	}
	i := slices.IndexFunc(targets, func(other target) bool { return other.robot == t.robot })
	if i < 0 {
		return t, false, nil
	}
	return targets[i], true, nil
}

// claim is not interrupted by a stop: a claim that was committed and not heard
// of would be a message of unknown outcome.
func (l *Loop) claim(ctx context.Context, t target) (*alerting.Claim, time.Time, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := l.o.Before(ctx); err != nil {
		return nil, time.Time{}, err
	}
	claim, next, err := l.store.ClaimMessage(ctx, t.robot, t.groups, l.o.Owner, lease, l.o.Render)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("claim a message: %w", err)
	}
	return claim, next, nil
}

// deliver sends a message that was asked for at an instant, and settles it, also
// when we are stopping.
func (l *Loop) deliver(ctx context.Context, t target, claim *alerting.Claim, asked time.Time, d *drained) error {
	ctx = context.WithoutCancel(ctx)
	// Round drops the monotonic reading, which stands still while a machine is
	// suspended; the lease does not.
	verdict := l.post.send(ctx, t.webhook, claim.Message.Post(), l.o.Now().Round(0).Sub(asked.Round(0)))
	l.record(claim, verdict)
	if verdict.Status == alerting.Accepted {
		d.sent++
	} else {
		d.failed++
	}
	return l.post.settle(ctx, claim, verdict)
}

func (l *Loop) record(claim *alerting.Claim, v alerting.Verdict) {
	n, m := claim.Notification, claim.Message
	log := l.o.Log.With("robot", m.Robot, "message", m.ID, "carries", m.Kind, "words", m.Words, "group", m.GroupID)
	if n.ID != 0 {
		log = log.With("alert", n.AlertID, "kind", n.Kind)
	}
	if v.Status == alerting.Accepted {
		log.Info("message delivered")
		return
	}
	log.Warn("message not delivered", "status", v.Status, "class", v.Class, "errcode", v.ErrCode, "error", v.Error)
}
