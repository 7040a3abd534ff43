package audit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/audit"
)

// world is a record with faults that a test makes, in a synctest bubble.
type world struct {
	t       *testing.T
	began   time.Time
	auditor *audit.Auditor
	log     bytes.Buffer

	takes       time.Duration // a comparison
	differences []alerting.Finding
	lates       []alerting.Finding
	healed      alerting.Healed
	fails       map[string]error

	compared []time.Duration // since the beginning
	looked   []time.Duration
	wakes    int
	posted   []alerting.Event
	order    []string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, began: time.Now(), fails: map[string]error{}}
	w.auditor = audit.New(w, w, audit.Options{Wake: func() { w.wakes++ }, Log: slog.New(slog.NewTextHandler(&w.log, nil))})
	return w
}

func (w *world) Heal(context.Context) (alerting.Healed, error) {
	w.order = append(w.order, "heal")
	healed := w.healed
	w.healed = alerting.Healed{}
	return healed, w.fails["heal"]
}

func (w *world) Recount(context.Context) error {
	w.order = append(w.order, "recount")
	return w.fails["recount"]
}

func (w *world) Differences(context.Context) ([]alerting.Finding, error) {
	w.order = append(w.order, "compare")
	w.compared = append(w.compared, time.Since(w.began))
	time.Sleep(w.takes)
	return w.differences, w.fails["compare"]
}

func (w *world) Lates(context.Context) ([]alerting.Finding, error) {
	w.order = append(w.order, "look")
	w.looked = append(w.looked, time.Since(w.began))
	return w.lates, w.fails["look"]
}

func (w *world) RecordEvent(_ context.Context, ev alerting.Event, _ *alerting.Idempotency) (alerting.Receipt, error) {
	if err := w.fails["record"]; err != nil {
		return alerting.Receipt{}, err
	}
	w.posted = append(w.posted, ev)
	return alerting.Receipt{}, nil
}

// run lets the auditor work for a time: it is stopped a second earlier, as what
// happens at one instant has no order.
func (w *world) run(d time.Duration) {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error)
	go func() { ended <- w.auditor.Run(ctx) }()
	time.Sleep(d - time.Second)
	cancel()
	require.NoError(w.t, <-ended)
	time.Sleep(time.Second)
}

// alarms lists which alarms were posted, in short.
func (w *world) alarms() (all []string) {
	for _, ev := range w.posted {
		assert.Equal(w.t, alerting.TradeMonitorStuck, ev.Type)
		all = append(all, map[bool]string{true: "over", false: "stuck"}[ev.Resolved])
	}
	return all
}

func owed(n int64) []alerting.Finding {
	return []alerting.Finding{{Check: alerting.OwedCheck, Count: n}}
}

func late(n int64) []alerting.Finding {
	return []alerting.Finding{{Check: alerting.LateWords, Count: n}}
}

func TestTheRecordIsLeftAloneForAHundredTimesWhatItTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.takes = 3 * time.Second
		w.run(16 * time.Minute)
		// A look a minute; the comparison at the first look that is 300 s after the last.
		require.Len(t, w.compared, 4)
		for i, at := range w.compared[1:] {
			assert.GreaterOrEqual(t, at-w.compared[i]-w.takes, 300*time.Second)
			assert.Less(t, at-w.compared[i]-w.takes, 370*time.Second)
		}
		assert.Len(t, w.looked, 16)
		assert.Equal(t, 3*time.Second, w.auditor.Report().Compared)
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run(10 * time.Minute)
		assert.Len(t, w.compared, 10, "a small record is compared every minute")
		assert.Equal(t, []string{"heal", "look", "recount", "compare"}, w.order[:4], "healed first, and what people changed is entered before it counts")
	})
}

func TestASecondLookDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.takes, w.differences = 3*time.Second, owed(2)
		w.run(30 * time.Second)
		require.Empty(t, w.posted)
		require.Empty(t, w.auditor.Report().Standing.Stuck())
		require.False(t, w.auditor.Report().Well(time.Now()))
		w.run(90 * time.Second)
		require.GreaterOrEqual(t, len(w.compared), 2, "a new difference does not wait for its turn")
		require.Equal(t, []string{"stuck"}, w.alarms())
		require.Len(t, w.auditor.Report().Standing.Stuck(), 1)

		w.differences = nil
		w.run(11 * time.Minute)
		require.Equal(t, "over", w.alarms()[len(w.alarms())-1])
		require.True(t, w.auditor.Report().Well(time.Now()))
	})
	synctest.Test(t, func(t *testing.T) { // and what is gone by then was nothing
		w := newWorld(t)
		w.lates = late(5)
		w.run(30 * time.Second)
		require.Equal(t, 1, w.wakes, "the loops are woken at once")
		w.lates = nil
		w.run(5 * time.Minute)
		require.Equal(t, []string{"over"}, w.alarms(), "but for the end of what an earlier process may have said")
	})
}

func TestTheAlarmGoesOnWhileItIsStuckAndEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run(time.Minute)
		w.posted = nil
		w.lates = late(5)
		w.run(40 * time.Minute)
		require.Equal(t, []string{"stuck", "stuck", "stuck", "stuck"}, w.alarms(), "every ten minutes, so that it stays one alert")
		require.Equal(t, 40, w.wakes)
		w.lates = nil
		w.run(10 * time.Minute)
		require.Equal(t, []string{"stuck", "stuck", "stuck", "stuck", "over"}, w.alarms())
		require.Contains(t, w.log.String(), "5 words should have been sent")
	})
}

func TestWhatCannotBePostedIsPostedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lates, w.fails["record"] = late(1), errors.New("away")
		w.run(5 * time.Minute)
		require.Empty(t, w.posted)
		delete(w.fails, "record")
		w.run(time.Minute)
		require.Equal(t, []string{"stuck"}, w.alarms())
	})
}

func TestAnAuditThatCannotReadSaysNothingAndIsNotWell(t *testing.T) {
	for _, part := range []string{"heal", "recount", "compare", "look"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.run(time.Minute)
			success := w.auditor.Report().SuccessAt
			require.True(t, w.auditor.Report().Well(time.Now()))
			w.fails[part] = errors.New("no such table")
			w.run(10 * time.Minute)
			report := w.auditor.Report()
			require.True(t, report.Failing, part)
			require.False(t, report.Well(time.Now()), part)
			require.Equal(t, success, report.SuccessAt, part)
			require.Empty(t, report.Standing.Findings, part)
			require.Contains(t, w.log.String(), "no such table")
			require.GreaterOrEqual(t, len(w.order), 10, "it is tried every minute")
			delete(w.fails, part)
			w.run(time.Minute)
			require.True(t, w.auditor.Report().Well(time.Now()), part)
		})
	}
}

func TestADifferenceStaysKnownWhileNobodyCanCompare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.differences = owed(3)
		w.run(3 * time.Minute)
		w.fails["compare"] = errors.New("away")
		w.run(3 * time.Minute)
		require.Len(t, w.auditor.Report().Standing.Stuck(), 1)
	})
}

func TestWhatIsHealedIsCountedAndIsNoDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.healed = alerting.Healed{Messages: 2, Leases: 1}
		w.run(time.Minute)
		w.healed = alerting.Healed{Messages: 1}
		w.run(time.Minute)
		report := w.auditor.Report()
		require.Equal(t, alerting.Healed{Messages: 3, Leases: 1}, report.Healed)
		require.True(t, report.Well(time.Now()))
		require.Contains(t, w.log.String(), "messages=2 leases=1")
	})
}
