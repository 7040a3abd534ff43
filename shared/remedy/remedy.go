// Package remedy carries remediations out: it guards them with what the engine
// says, stores the intent before it touches anything, orders the restart, finds
// out what became of an order that was not answered, and watches the container
// until it has proven itself. What to conclude from the facts is decided in
// package alerting; this package gathers them, and orders and stores.
package remedy

import (
	"context"
	"errors"
	"time"

	"trade-monitor/shared/alerting"
)

// Store keeps remediations.
type Store interface {
	// ClaimRemediations leases the remediations that are due to owner. next is
	// when the next one gets due; zero: there is none.
	ClaimRemediations(ctx context.Context, owner string, lease time.Duration) (work []alerting.Work, next time.Time, err error)
	// SaveRemediation stores the next state, and what follows for the alert
	// when the status changed. A lease of 0 gives the remediation back.
	// alerting.ErrLeaseLost: it is another owner's by now.
	SaveRemediation(ctx context.Context, owner string, r alerting.Remediation, lease time.Duration) error
	// Recheck decides refused remediations again whose cooldown has ended, and
	// tells when the next such time ends.
	Recheck(ctx context.Context) (next time.Time, err error)
}

// Engine looks at containers and starts them.
//
// An error of it may have methods that tell what is known:
//
//	Unreachable() bool // no answer came; false: the engine answered, with a no
//	Sent() bool        // the engine may have received the call all the same
//	Detail() string    // the cause, for people
//
// What an error does not tell is taken for the worse: no answer, and received.
type Engine interface {
	// Inspect finds a container by its exact name; nil: there is none.
	Inspect(ctx context.Context, name string) (*alerting.Container, error)
	Restart(ctx context.Context, id string) error
	Start(ctx context.Context, id string) error
}

// Memory is what the engine remembers of its own past.
type Memory interface {
	// Mark identifies the newest thing that the engine remembers.
	Mark(ctx context.Context) (string, error)
	// Since tells whether the container was told to stop since the mark, and
	// whether the engine shows that it has not restarted since.
	Since(ctx context.Context, id string, since time.Time, mark string) (killed, sameBoot bool, err error)
}

// refused tells an engine's no from an answer that never came.
func refused(err error) bool {
	var e interface{ Unreachable() bool }
	return errors.As(err, &e) && !e.Unreachable()
}

// mayHaveArrived tells whether the engine may carry out a call that was not
// answered.
func mayHaveArrived(err error) bool {
	var e interface{ Sent() bool }
	return !errors.As(err, &e) || e.Sent()
}

// blame is the reason that an engine's error amounts to.
func blame(err error) alerting.Reason {
	why := alerting.Reason{Code: "no_engine", Detail: err.Error()}
	var e interface{ Detail() string }
	if errors.As(err, &e) {
		why.Detail = e.Detail()
	}
	if refused(err) {
		why.Code = "engine_error"
	}
	return why
}
