package delivery

import (
	"context"
	"errors"
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
		if d.next, d.err = next, err; claim == nil || err != nil {
			return
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
	verdict := tooLate
	// Round drops the monotonic reading, which stands still while a machine is
	// suspended; the lease does not.
	if l.o.Now().Round(0).Sub(asked.Round(0)) <= lease-sendTimeout {
		verdict = l.send(ctx, t.webhook, claim.Message.Content)
	}
	l.record(claim, verdict)
	if verdict.Status == alerting.Accepted {
		d.sent++
	} else {
		d.failed++
	}
	return l.settle(ctx, claim, verdict)
}

// tooLate settles a claim whose lease could end during the request: another
// process would then send beside us.
var tooLate = alerting.Verdict{
	Status: alerting.Refused, Class: alerting.ClassBusy,
	Error: "领取消息耗时过长，未发送 (the claim took too long, nothing was sent)",
}

func (l *Loop) send(ctx context.Context, webhook alerting.Secret, content string) alerting.Verdict {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return l.sender.Send(ctx, webhook, content)
}

func (l *Loop) record(claim *alerting.Claim, v alerting.Verdict) {
	n := claim.Notification
	log := l.o.Log.With("robot", claim.Message.Robot, "group", n.GroupName, "alert", n.AlertID, "kind", n.Kind, "message", claim.Message.ID)
	if v.Status == alerting.Accepted {
		log.Info("message delivered")
		return
	}
	log.Warn("message not delivered", "status", v.Status, "class", v.Class, "errcode", v.ErrCode, "error", v.Error)
}

// settleWaits are the pauses between the tries to settle. They end before the
// lease does: after that another process may have settled the message.
var settleWaits = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// settle records a verdict. A verdict that cannot be recorded costs a possible
// duplicate, so that a short trouble of the database is waited out here.
func (l *Loop) settle(ctx context.Context, claim *alerting.Claim, v alerting.Verdict) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	jitter := l.o.Jitter()
	for try := 0; ; try++ {
		err := l.store.SettleMessage(ctx, claim, v, jitter)
		if err == nil {
			return nil
		}
		if !errors.Is(err, alerting.ErrUnavailable) || try == len(settleWaits) || !pause(ctx, settleWaits[try]) {
			return fmt.Errorf("settle message %d: %w", claim.Message.ID, err)
		}
	}
}

// pause waits for d; false: ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
