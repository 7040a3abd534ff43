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
	// ClaimRemediations leases the remediations that are due, and are host's to
	// carry on, to owner, and ends those that no host takes. next is when there is
	// more to do; zero: nothing is planned.
	ClaimRemediations(ctx context.Context, owner string, host alerting.Host, lease time.Duration) (work []alerting.Work, next time.Time, err error)
	// Intend stores an intent, or refuses it for a reason, by which the
	// remediation is over: the guards are asked in the transaction that stores
	// it. alerting.ErrLeaseLost: it is another owner's by now.
	Intend(ctx context.Context, owner string, i alerting.Intent, lease time.Duration) (refused alerting.Reason, err error)
	// SaveRemediation stores the next state, and what follows for the alert
	// when the status changed. A lease of 0 gives the remediation back.
	// alerting.ErrLeaseLost: it is another owner's by now.
	SaveRemediation(ctx context.Context, owner string, r alerting.Remediation, lease time.Duration) error
	// Recheck decides refused remediations again whose cooldown has ended, and
	// tells when the next such time ends.
	Recheck(ctx context.Context) (next time.Time, err error)
}

// Engine is one Docker Engine.
//
// An error of it may have methods that tell what is known:
//
//	Unreachable() bool // no answer came; false: the engine answered, with a no
//	Sent() bool        // the engine may have received the call all the same
//	Detail() string    // the cause, for people
//
// What an error does not tell is taken for the worse: no answer, and received.
type Engine interface {
	Eyes
	Hands
	Memory
}

// Eyes look at containers.
type Eyes interface {
	// Identity tells this engine from others that share the database.
	Identity(ctx context.Context) (alerting.Host, error)
	// Inspect finds a container by its exact name; nil: there is none.
	Inspect(ctx context.Context, name string) (*alerting.Container, error)
	// LastLines are the last n lines of its log since a time, oldest first.
	LastLines(ctx context.Context, c alerting.Container, since time.Time, n int) ([]string, error)
}

// Hands act on them, by their id.
type Hands interface {
	Restart(ctx context.Context, id string) error
	Start(ctx context.Context, id string) error
	Stop(ctx context.Context, id string) error
}

// Memory is what the engine remembers of its own past.
type Memory interface {
	// Recall tells what it remembers now, and of the container.
	Recall(ctx context.Context, id string) (alerting.Recollection, error)
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

// blame is the reason that an engine's error amounts to. The engine says back what
// a container was given, a command or the options of a volume: secrets are masked.
func blame(err error) alerting.Reason {
	why := alerting.Reason{Code: "no_engine", Detail: err.Error()}
	var e interface{ Detail() string }
	if errors.As(err, &e) {
		why.Detail = e.Detail()
	}
	why.Detail = alerting.MaskSecrets(why.Detail)
	if refused(err) {
		why.Code = "engine_error"
	}
	return why
}
