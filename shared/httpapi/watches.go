package httpapi

import (
	"time"

	"trade-monitor/shared/alerting"
)

// Watch is one watch as the contract shows it.
type Watch struct {
	Kind         alerting.WatchKind  `json:"kind"`
	Name         string              `json:"name"`
	Host         *string             `json:"host"`
	State        alerting.WatchState `json:"state"`
	Since        Stamp               `json:"since"`
	AlertType    string              `json:"alertType"`
	Service      string              `json:"service"`
	LastSeenAt   Stamp               `json:"lastSeenAt"`
	DeadlineAt   Stamp               `json:"deadlineAt"`
	LimitSeconds *float64            `json:"limitSeconds"`
	Detail       *string             `json:"detail"`
	FalseAlarms  int64               `json:"falseAlarms"`
	DeafTimes    int64               `json:"deafTimes"`
}

// Watch shows a watch.
func (v Views) Watch(w alerting.Watch) Watch {
	return Watch{
		Kind: w.Kind, Name: w.Name, Host: orNull(w.Host), State: w.State, Since: v.At(w.Since), AlertType: w.AlertType, Service: w.Service,
		LastSeenAt: v.At(w.LastSeenAt), DeadlineAt: v.At(w.DeadlineAt), LimitSeconds: secondsOrNull(w.Limit), Detail: orNull(w.Detail),
		FalseAlarms: w.FalseAlarms, DeafTimes: w.DeafTimes,
	}
}

// Watches shows several.
func (v Views) Watches(watches []alerting.Watch) []Watch { return each(watches, v.Watch) }

// Heartbeat is a heartbeat as whoever pings it reads it.
type Heartbeat struct {
	Name          string                    `json:"name"`
	State         alerting.WatchState       `json:"state"`
	Since         Stamp                     `json:"since"`
	Declared      alerting.HeartbeatSource  `json:"declared"`
	PeriodSeconds float64                   `json:"periodSeconds"`
	GraceSeconds  float64                   `json:"graceSeconds"`
	AlertType     string                    `json:"alertType"`
	Service       string                    `json:"service"`
	Severity      alerting.Severity         `json:"severity"`
	Pings         int64                     `json:"pings"`
	LastPingAt    Stamp                     `json:"lastPingAt"`
	LastOKAt      Stamp                     `json:"lastOkAt"`
	StartedAt     Stamp                     `json:"startedAt"`
	LastSignal    *alerting.HeartbeatSignal `json:"lastSignal"`
	ExitCode      *int64                    `json:"exitCode"`
	DeadlineAt    Stamp                     `json:"deadlineAt"`
	DownFrom      Stamp                     `json:"downFrom"`
}

// Heartbeat shows a heartbeat. Its note is not in it: who wrote it has it, and
// others read it in the alert.
func (v Views) Heartbeat(h alerting.Heartbeat) Heartbeat {
	view := Heartbeat{
		Name: h.Name, State: h.State, Since: v.At(h.Since), Declared: h.Declared, PeriodSeconds: h.Period.Seconds(), GraceSeconds: h.Grace.Seconds(),
		AlertType: h.AlertType, Service: h.Service, Severity: h.Severity, Pings: h.Pings, LastPingAt: v.At(h.LastPingAt), LastOKAt: v.At(h.LastOKAt),
		StartedAt: v.At(h.StartedAt), ExitCode: h.ExitCode, DeadlineAt: v.At(h.Deadline),
	}
	if h.LastSignal != "" {
		view.LastSignal = &h.LastSignal
	}
	if h.State != alerting.WatchDown && h.State != alerting.WatchPaused {
		view.DownFrom = v.At(h.DownFrom())
	}
	return view
}

func secondsOrNull(d time.Duration) *float64 {
	if d == 0 {
		return nil
	}
	seconds := d.Seconds()
	return &seconds
}
