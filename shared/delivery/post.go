package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trade-monitor/shared/alerting"
)

// Settling records what became of a claimed message.
type Settling interface {
	// SettleMessage records the verdict on a claimed message and frees the
	// robot. jitter is in [0,1).
	SettleMessage(ctx context.Context, claim *alerting.Claim, v alerting.Verdict, jitter float64) error
}

// poster carries one claimed message to its verdict on record.
type poster struct {
	store  Settling
	sender Sender
	jitter func() float64
}

// tooLate settles a claim whose lease could end during the request: another
// process would then send beside us.
var tooLate = alerting.Verdict{
	Status: alerting.Refused, Class: alerting.ClassBusy,
	Error: "领取消息耗时过长，未发送 (the claim took too long, nothing was sent)",
}

// send posts a message whose claim was asked for a while ago.
func (p poster) send(ctx context.Context, webhook alerting.Secret, post alerting.Post, ago time.Duration) alerting.Verdict {
	if ago > lease-sendTimeout {
		return tooLate
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return p.sender.Send(ctx, webhook, post)
}

// settleWaits are the pauses between the tries to settle. They end before the
// lease does: after that another process may have settled the message.
var settleWaits = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// settle records a verdict. A verdict that cannot be recorded costs a possible
// duplicate, so that a short trouble of the database is waited out here.
func (p poster) settle(ctx context.Context, claim *alerting.Claim, v alerting.Verdict) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	jitter := p.jitter()
	for try := 0; ; try++ {
		err := p.store.SettleMessage(ctx, claim, v, jitter)
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
