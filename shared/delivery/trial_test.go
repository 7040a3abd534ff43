package delivery_test

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
	"trade-monitor/shared/delivery"
	"trade-monitor/shared/wecom/wecomtest"
)

// trialStore claims after a while, and keeps who claimed and what was settled.
type trialStore struct {
	groups    []alerting.Group
	slow      time.Duration
	settleErr error

	owners  []string
	settled []alerting.Verdict
}

func (s *trialStore) Groups(context.Context) ([]alerting.Group, error) { return s.groups, nil }

func (s *trialStore) ClaimTrial(ctx context.Context, robot string, group int64, owner string, lease time.Duration, p alerting.Post) (*alerting.Claim, error) {
	select {
	case <-time.After(s.slow):
	case <-ctx.Done():
		return nil, alerting.ErrUnavailable
	}
	s.owners = append(s.owners, owner)
	return &alerting.Claim{Message: alerting.Message{ID: 1, Robot: robot, GroupID: group, Format: p.Format, Content: p.Content}, Owner: owner}, nil
}

func (s *trialStore) SettleMessage(_ context.Context, _ *alerting.Claim, v alerting.Verdict, _ float64) error {
	if s.settleErr == nil {
		s.settled = append(s.settled, v)
	}
	return s.settleErr
}

// trying plays with a Trier whose group 1 has a robot, and group 2 none.
func trying(t *testing.T, play func(w *world, s *trialStore, trier *delivery.Trier)) {
	inWorld(t, 0, func(w *world) {
		s := &trialStore{groups: []alerting.Group{{ID: 1, Name: "ops", Webhook: webhook(w.robots.Key("ops"))}, {ID: 2, Name: "new"}}}
		var recorded []alerting.Trial
		trier := delivery.NewTrier(s, w.sender(), delivery.TrierOptions{
			Owner: "me", Log: slog.New(slog.NewTextHandler(&w.log, nil)),
			Render: func(g alerting.Group, by string) string { return g.Name + " for " + by },
			Record: func(t alerting.Trial) { recorded = append(recorded, t) },
		})
		play(w, s, trier)
		assert.Len(w, recorded, len(s.owners), "every message that was claimed is on record")
	})
}

func TestATrialIsSentSettledAndRecorded(t *testing.T) {
	trying(t, func(w *world, s *trialStore, trier *delivery.Trier) {
		for range 2 {
			trial, err := trier.Try(w.Context(), 1, "oncall")
			require.NoError(w, err)
			assert.Equal(w, alerting.Accepted, trial.Verdict.Status)
			assert.Equal(w, "oncall", trial.By)
		}
		assert.Len(w, s.settled, 2)
		assert.NotEqual(w, s.owners[0], s.owners[1], "one try cannot give back the lease of another")
		got := w.robots.Messages(w.robots.Key("ops"))
		require.Len(w, got, 2)
		assert.Equal(w, "ops for oncall", got[0].Content)
		assert.Contains(w, w.log.String(), "by=oncall")
	})
}

func TestATrialThatCannotBeSent(t *testing.T) {
	trying(t, func(w *world, s *trialStore, trier *delivery.Trier) {
		_, err := trier.Try(w.Context(), 3, "oncall")
		require.ErrorIs(w, err, alerting.ErrNotFound)
		for _, unset := range []int64{0, 2} {
			_, err = trier.Try(w.Context(), unset, "oncall")
			var refused *alerting.RefusedError
			require.ErrorAs(w, err, &refused)
			assert.Equal(w, "robot_unset", refused.Reason.Code)
		}
		s.slow = time.Minute
		begun := time.Now()
		_, err = trier.Try(w.Context(), 1, "oncall")
		require.ErrorIs(w, err, alerting.ErrUnavailable)
		assert.Less(w, time.Since(begun), 2*time.Second)
		assert.Empty(w, w.robots.Messages(w.robots.Key("ops")))
	})
}

// A caller who hangs up leaves nothing SENDING, and a robot that hangs holds a
// person for its ten seconds only.
func TestATrialGoesOnWithoutItsCaller(t *testing.T) {
	trying(t, func(w *world, s *trialStore, trier *delivery.Trier) {
		w.robots.Fail(w.robots.Key("ops"), wecomtest.Hang(time.Hour))
		ctx, hangUp := context.WithCancel(w.Context())
		go func() { time.Sleep(time.Second); hangUp() }()
		begun := time.Now()
		trial, err := trier.Try(ctx, 1, "oncall")
		require.NoError(w, err)
		assert.Equal(w, alerting.Unknown, trial.Verdict.Status)
		assert.Equal(w, 10*time.Second, time.Since(begun))
		assert.Len(w, s.settled, 1)
		synctest.Wait()
	})
}

func TestATrialTellsTheVerdictThatCouldNotBeStored(t *testing.T) {
	trying(t, func(w *world, s *trialStore, trier *delivery.Trier) {
		s.settleErr = errors.New("disk full")
		trial, err := trier.Try(w.Context(), 1, "oncall")
		require.NoError(w, err)
		assert.Equal(w, alerting.Accepted, trial.Verdict.Status)
		assert.True(w, bytes.Contains(w.log.Bytes(), []byte("disk full")))
	})
}
