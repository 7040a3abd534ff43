package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

// lookTimeout bounds one look at the database.
const lookTimeout = 1500 * time.Millisecond

// Witness is what the emergency word needs of the database, most of which it
// does without.
type Witness interface {
	// Look tells whether an event could be recorded now. first: of the processes
	// that share the database this one speaks first when it is away.
	Look(ctx context.Context, owner string) (first bool, err error)
	// RecordSpoken stores words that were sent without it; now is the instant on
	// the clock of their times.
	RecordSpoken(ctx context.Context, words []alerting.Spoken, now time.Time) error
	// ClaimNotice is ClaimMessage for a message that tells of ourselves. A robot
	// that cannot be sent it now is a *alerting.RefusedError.
	ClaimNotice(ctx context.Context, robot, owner string, lease time.Duration, content string) (*alerting.Claim, error)
	Settling
}

// Notebook keeps what was said where a restart finds it and no database is needed.
type Notebook interface {
	Read() (alerting.DatabaseOutage, error)
	Write(o alerting.DatabaseOutage) error
}

// EmergencyWords writes what people read of an outage.
type EmergencyWords interface {
	Down(o alerting.DatabaseOutage, now time.Time) string
	Back(o alerting.DatabaseOutage) string
}

// EmergencyOptions are what an Emergency needs besides its store and sender.
type EmergencyOptions struct {
	Owner    string                         // names this process
	Fallback func() alerting.Secret         // WECHAT_WEBHOOK_URL
	Words    EmergencyWords                 // required
	People   func() alerting.People         // whom the word calls; nil: nobody
	Notebook Notebook                       // required
	Explain  func(error) alerting.Reason    // says why a look failed, without a host or a secret; required
	Idle     time.Duration                  // how often a database is looked at that is well; required
	Observe  func(verdict alerting.Verdict) // is told of each word that was sent; nil: nobody is
	Log      *slog.Logger                   // nil: nothing is logged
	Now      func() time.Time               // nil: time.Now
}

// Emergency tells people, without the database, that the database is away
// (promise 8), and with it that it is back.
type Emergency struct {
	store  Witness
	sender Sender
	o      EmergencyOptions
	hint   chan struct{}
	// recording is held while what was said is put on record: once, whoever asks.
	recording chan struct{}

	mu  sync.Mutex
	now alerting.DatabaseOutage
}

// NewEmergency makes one, which knows what an earlier process said.
func NewEmergency(store Witness, sender Sender, o EmergencyOptions) *Emergency {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.People == nil {
		o.People = func() alerting.People { return alerting.People{} }
	}
	if o.Observe == nil {
		o.Observe = func(alerting.Verdict) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	e := &Emergency{store: store, sender: sender, o: o, hint: make(chan struct{}, 1), recording: make(chan struct{}, 1)}
	kept, err := o.Notebook.Read()
	if err != nil {
		o.Log.Warn("what was said of an earlier outage cannot be read", "error", err)
	}
	e.now = kept.Reloaded(o.Now())
	return e
}

// Hint says that the database may be away: it is looked at, if it was not in
// the last second. It never blocks.
func (e *Emergency) Hint() {
	select {
	case e.hint <- struct{}{}:
	default:
	}
}

// Outage is how it stands.
func (e *Emergency) Outage() alerting.DatabaseOutage {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// change moves to what follows, and gives both.
func (e *Emergency) change(f func(alerting.DatabaseOutage) alerting.DatabaseOutage) (before, after alerting.DatabaseOutage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before = e.now
	e.now = f(before)
	return before, e.now
}

// keep writes what a restart must know. That it cannot be written, as on a full
// disk, silences nobody.
func (e *Emergency) keep() {
	if err := e.o.Notebook.Write(e.Outage()); err != nil {
		e.o.Log.Warn("what was said of the outage cannot be kept for a restart", "error", err)
	}
}

// Before puts on record what was said without it, so that it is counted: to be
// called before a message is claimed. What the database will never take holds no
// message up; while it is away, or its tables are being made, none can be claimed
// anyway.
func (e *Emergency) Before(ctx context.Context) error {
	select {
	case e.recording <- struct{}{}:
		defer func() { <-e.recording }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", alerting.ErrUnavailable, ctx.Err())
	}
	said := e.Outage().Spoken
	if len(said) == 0 {
		return nil
	}
	err := e.store.RecordSpoken(ctx, said, e.o.Now())
	if errors.Is(err, alerting.ErrUnavailable) || errors.Is(err, alerting.ErrSchema) || ctx.Err() != nil {
		return fmt.Errorf("put emergency words on record: %w", err)
	}
	if err != nil {
		e.o.Log.Error("emergency words cannot be put on record", "words", len(said), "error", err)
	}
	e.change(func(o alerting.DatabaseOutage) alerting.DatabaseOutage { return o.Recorded(said[len(said)-1].SentAt) })
	e.keep()
	return nil
}

// Run looks after the database until ctx ends.
func (e *Emergency) Run(ctx context.Context) error {
	var overAt time.Time // when to try again to say that it is back
	for ctx.Err() == nil {
		began := e.o.Now()
		e.look(ctx, began)
		e.speak(ctx)
		if now := e.o.Now(); e.Outage().IsBack() && !now.Before(overAt) {
			overAt = e.tellBack(ctx)
		}
		e.wait(ctx, began, overAt)
	}
	return nil
}

// wait returns when there is something to do again.
func (e *Emergency) wait(ctx context.Context, looked, overAt time.Time) {
	o := e.Outage()
	at := o.LookAt(looked, e.o.Idle)
	if o.IsBack() {
		at = earliest(at, overAt)
	}
	at = earliest(at, e.speakAt(o))
	timer := time.NewTimer(max(gap, at.Sub(e.o.Now())))
	defer timer.Stop()
	hint := e.hint
	if o.State != alerting.DatabaseUp {
		hint = nil // it is looked at every second
	}
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-hint:
		pause(ctx, looked.Add(time.Second).Sub(e.o.Now()))
	}
}

// speakAt is when the word is due, where there is somebody to tell.
func (e *Emergency) speakAt(o alerting.DatabaseOutage) time.Time {
	if alerting.Placeholder(e.o.Fallback()) {
		return time.Time{}
	}
	return o.SpeakAt()
}

func (e *Emergency) look(ctx context.Context, began time.Time) {
	asking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	first, err := e.store.Look(asking, e.o.Owner)
	if ctx.Err() != nil {
		return
	}
	before, after := e.change(func(o alerting.DatabaseOutage) alerting.DatabaseOutage {
		if err != nil {
			return o.Failed(e.o.Explain(err), began, e.o.Now())
		}
		return o.Succeeded(first, e.o.Now())
	})
	e.report(before, after, err)
}

// report logs what changed.
func (e *Emergency) report(before, after alerting.DatabaseOutage, err error) {
	switch {
	case before.State == after.State:
	case after.State == alerting.DatabaseDown:
		e.o.Log.Error("数据库不可用 (the database is unavailable)", "since", after.Failing, "error", err)
		if alerting.Placeholder(e.o.Fallback()) {
			e.o.Log.Error("WECHAT_WEBHOOK_URL 未配置，无法告知任何人 (WECHAT_WEBHOOK_URL is not set: nobody can be told)")
		}
	case before.State == alerting.DatabaseDown && after.State == alerting.DatabaseUp:
		e.o.Log.Info("数据库已恢复 (the database is back)", "away", e.o.Now().Sub(before.Failing).Round(time.Millisecond))
	}
}

// speak sends the emergency word if it is due. It is noted first: a process that
// ends while it is on its way must not send it again.
func (e *Emergency) speak(ctx context.Context) {
	now := e.o.Now()
	o := e.Outage()
	if at := e.speakAt(o); at.IsZero() || at.After(now) || ctx.Err() != nil {
		return
	}
	webhook := e.o.Fallback()
	word := alerting.Spoken{Robot: alerting.RobotID(webhook), Content: e.o.Words.Down(o, now), SentAt: now}
	before, _ := e.change(func(o alerting.DatabaseOutage) alerting.DatabaseOutage { return o.Speaking(word) })
	e.keep()
	sending, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	verdict := e.sender.Send(sending, webhook, alerting.Post{Format: alerting.Text, Content: word.Content, People: e.o.People()})
	word.AnsweredAt = e.o.Now()
	e.change(func(o alerting.DatabaseOutage) alerting.DatabaseOutage { return o.Spoke(word, verdict, before) })
	e.keep()
	e.o.Observe(verdict)
	e.o.Log.Warn("emergency word", "robot", word.Robot, "status", verdict.Status, "errcode", verdict.ErrCode, "error", verdict.Error)
}

// backAgain is how soon it is said again that the database is back, when the robot
// would not take it.
const backAgain = 10 * time.Second

// tellBack says that the database is back by a message on record, and tells when
// to try again if that was not to be.
func (e *Emergency) tellBack(ctx context.Context) (again time.Time) {
	webhook := e.o.Fallback()
	if alerting.Placeholder(webhook) {
		e.backTold()
		return time.Time{}
	}
	claiming, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := e.Before(claiming); err != nil {
		return e.o.Now().Add(time.Second)
	}
	asked := e.o.Now().Round(0)
	// Each try is an owner of its own, as a trial is.
	owner := fmt.Sprintf("%s:emergency:%x", e.o.Owner, rand.Uint64())
	claim, err := e.store.ClaimNotice(claiming, alerting.RobotID(webhook), owner, lease, e.o.Words.Back(e.Outage()))
	var refused *alerting.RefusedError
	switch {
	case errors.As(err, &refused):
		// A lease may be given back before it ends.
		return earliest(refused.Reason.Until, e.o.Now().Add(time.Second))
	case err != nil:
		e.o.Log.Warn("that the database is back cannot be said yet", "error", err)
		return e.o.Now().Add(time.Second)
	}
	post := poster{store: e.store, sender: e.sender, jitter: rand.Float64}
	verdict := post.send(context.WithoutCancel(ctx), webhook, claim.Message.Post(), e.o.Now().Round(0).Sub(asked))
	e.o.Log.Info("the database is back: told", "robot", claim.Message.Robot, "message", claim.Message.ID, "status", verdict.Status, "errcode", verdict.ErrCode, "error", verdict.Error)
	if verdict.Class != alerting.ClassBusy && verdict.Class != alerting.ClassRateLimit || verdict.Status == alerting.Unknown {
		e.backTold()
	}
	if err := post.settle(context.WithoutCancel(ctx), claim, verdict); err != nil {
		e.o.Log.Error("the verdict on a message could not be stored", "message", claim.Message.ID, "error", err)
	}
	return e.o.Now().Add(backAgain)
}

func (e *Emergency) backTold() {
	e.change(func(o alerting.DatabaseOutage) alerting.DatabaseOutage { return o.BackTold() })
	e.keep()
}
