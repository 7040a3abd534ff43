package alerts

import (
	"context"
	"net/http"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// Remediations shows how putting things right stands.
type Remediations interface {
	RemediationState(ctx context.Context) (alerting.RemediationState, error)
	DryRunLedger(ctx context.Context) (alerting.DryRunLedger, error)
}

func (f *Function) remediation(w http.ResponseWriter, r *http.Request) error {
	state, err := f.store.RemediationState(r.Context())
	if err != nil {
		return err
	}
	return httpapi.WriteData(w, f.views.RemediationState(state))
}

// outcomes counts the remediations that are over.
type outcomes struct {
	Succeeded int64 `json:"succeeded"`
	Failed    int64 `json:"failed"`
	Unknown   int64 `json:"unknown"`
	Skipped   int64 `json:"skipped"`
}

func outcomesOf(counts []alerting.RemediationCount) (o outcomes) {
	for _, c := range counts {
		switch c.Status {
		case alerting.Succeeded:
			o.Succeeded += c.N
		case alerting.Failed:
			o.Failed += c.N
		case alerting.UnknownOutcome:
			o.Unknown += c.N
		case alerting.Skipped:
			o.Skipped += c.N
		}
	}
	return o
}

// dryRuns is what became of the alerts that would have been acted upon.
type dryRuns struct {
	WouldAct          int64 `json:"wouldAct"`
	RecoveredByItself int64 `json:"recoveredByItself"`
	HandledByPerson   int64 `json:"handledByPerson"`
	StillOpen         int64 `json:"stillOpen"`
}
