package httpapi

import (
	"time"

	"trade-monitor/shared/alerting"
)

// Silence is a silence as the contract shows it.
type Silence struct {
	ID              int64                 `json:"id"`
	State           alerting.SilenceState `json:"state"`
	AlertType       *string               `json:"alertType"`
	ServiceName     *string               `json:"serviceName"`
	Severity        *string               `json:"severity"`
	StartsAt        Stamp                 `json:"startsAt"`
	EndsAt          Stamp                 `json:"endsAt"`
	Author          string                `json:"author"`
	Comment         string                `json:"comment"`
	HoldRemediation bool                  `json:"holdRemediation"`
	CreatedAt       Stamp                 `json:"createdAt"`
	EndedBy         *string               `json:"endedBy"`
}

// Silence shows a silence as it stands at a time.
func (v Views) Silence(s alerting.Silence, now time.Time) Silence {
	return Silence{
		ID: s.ID, State: s.State(now), AlertType: orNull(s.AlertType), ServiceName: orNull(s.Service), Severity: orNull(string(s.Severity)),
		StartsAt: v.At(s.StartsAt), EndsAt: v.At(s.EndsAt), Author: s.Author, Comment: s.Comment, HoldRemediation: s.HoldRemediation,
		CreatedAt: v.At(s.CreatedAt), EndedBy: orNull(s.EndedBy),
	}
}

// Silences shows several.
func (v Views) Silences(all alerting.Silences, now time.Time) []Silence {
	return each(all, func(s alerting.Silence) Silence { return v.Silence(s, now) })
}
