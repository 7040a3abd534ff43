package httpapi

import (
	"time"

	"trade-monitor/shared/alerting"
)

// Evidence is how a container was before it was acted on.
type Evidence struct {
	TakenAt      Stamp           `json:"takenAt"`
	State        string          `json:"state"`
	StartedAt    Stamp           `json:"startedAt"`
	FinishedAt   Stamp           `json:"finishedAt"`
	ExitCode     int             `json:"exitCode"`
	OOMKilled    bool            `json:"oomKilled"`
	Health       alerting.Health `json:"health"`
	Probes       []Probe         `json:"probes"`
	RestartCount int             `json:"restartCount"`
	Lines        []string        `json:"lines"`
	Missing      *string         `json:"missing"`
}

// Probe is one answer of a health check.
type Probe struct {
	At       Stamp  `json:"at"`
	ExitCode int    `json:"exitCode"`
	Output   string `json:"output"`
}

func (v Views) evidence(e *alerting.Evidence) *Evidence {
	if e == nil {
		return nil
	}
	return &Evidence{
		TakenAt: v.At(e.TakenAt), State: e.State, StartedAt: v.At(e.StartedAt), FinishedAt: v.At(e.FinishedAt), ExitCode: e.ExitCode, OOMKilled: e.OOMKilled,
		Health: health(e.Health), Probes: each(e.Probes, v.probe), RestartCount: e.RestartCount, Lines: append([]string{}, e.Lines...), Missing: orNull(e.Missing),
	}
}

func (v Views) probe(p alerting.Probe) Probe {
	return Probe{At: v.At(p.At), ExitCode: p.ExitCode, Output: p.Output}
}

func health(h alerting.Health) alerting.Health {
	if h == "" {
		return alerting.NoHealth
	}
	return h
}

// RemediationState shows who can act and what holds it back.
type RemediationState struct {
	Mode     alerting.Mode `json:"mode"`
	Hosts    []Host        `json:"hosts"`
	Brakes   []Brake       `json:"brakes"`
	Breakers []Breaker     `json:"breakers"`
}

// RemediationState shows the state of remediation.
func (v Views) RemediationState(s alerting.RemediationState) RemediationState {
	return RemediationState{
		Mode:     s.Mode,
		Hosts:    each(s.Hosts, v.host),
		Brakes:   each(s.Brakes, func(b alerting.Brake) Brake { return v.brake(b, s.At) }),
		Breakers: each(s.Breakers, v.breaker),
	}
}

// Host is a host whose containers are acted upon.
type Host struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	Mode       alerting.Mode `json:"mode"`
	Live       bool          `json:"live"`
	Reachable  bool          `json:"reachable"`
	LastSeenAt Stamp         `json:"lastSeenAt"`
	Containers []string      `json:"containers"`
}

func (v Views) host(s alerting.Site) Host {
	return Host{
		ID: s.ID, Name: s.Name, Mode: s.Mode, Live: s.Live, Reachable: s.Reachable, LastSeenAt: v.At(s.SeenAt),
		Containers: append([]string{}, s.Containers...),
	}
}

// Brake is a host's brake.
type Brake struct {
	Host       string   `json:"host"`
	HostName   string   `json:"hostName"`
	Engaged    bool     `json:"engaged"`
	EngagedAt  Stamp    `json:"engagedAt"`
	Until      Stamp    `json:"until"`
	Containers []string `json:"containers"`
	ReleasedBy *string  `json:"releasedBy"`
}

func (v Views) brake(b alerting.Brake, now time.Time) Brake {
	return Brake{
		Host: b.Host, HostName: b.HostName, Engaged: b.Engaged(now), EngagedAt: v.At(b.EngagedAt), Until: v.At(b.Until),
		Containers: append([]string{}, b.Containers...), ReleasedBy: orNull(b.ReleasedBy),
	}
}

// Breaker is an open breaker.
type Breaker struct {
	Container  string  `json:"container"`
	Restarts   int     `json:"restarts"`
	Budget     int     `json:"budget"`
	PerSeconds float64 `json:"perSeconds"`
	Until      Stamp   `json:"until"`
	AlertID    int64   `json:"alertId"`
}

func (v Views) breaker(b alerting.Breaker) Breaker {
	return Breaker{Container: b.Container, Restarts: b.Restarts, Budget: b.Budget, PerSeconds: b.Per.Seconds(), Until: v.At(b.Until), AlertID: b.AlertID}
}

// Rearmed is what a person's re-arming came to.
type Rearmed struct {
	Container *string `json:"container,omitempty"`
	Host      *string `json:"host,omitempty"`
	HostName  *string `json:"hostName,omitempty"`
	By        string  `json:"by"`
	At        Stamp   `json:"at"`
	Alerts    []int64 `json:"alerts"`
}

// Rearmed shows what a re-arming came to.
func (v Views) Rearmed(r alerting.Rearmed) Rearmed {
	return Rearmed{
		Container: orNull(r.Container), Host: orNull(r.Host.ID), HostName: orNull(r.Host.Name), By: r.By, At: v.At(r.At), Alerts: append([]int64{}, r.Alerts...),
	}
}

// Rehearsal is what would become of an order.
type Rehearsal struct {
	WouldAct  bool    `json:"wouldAct"`
	Action    string  `json:"action"`
	Container string  `json:"container"`
	Reason    *Reason `json:"reason"`
	Facts     *Facts  `json:"facts"`
}

// Rehearsal shows a rehearsal.
func (v Views) Rehearsal(r alerting.Rehearsal) Rehearsal {
	return Rehearsal{
		WouldAct: r.Reason.IsZero(), Action: string(r.Action), Container: r.Container, Reason: v.Reason(r.Reason, r.At), Facts: v.facts(r.Facts),
	}
}

// Facts are what the engine says of a container. Without one only Found is
// there.
type Facts struct {
	Found        bool             `json:"found"`
	State        *string          `json:"state"`
	StartedAt    Stamp            `json:"startedAt"`
	FinishedAt   Stamp            `json:"finishedAt"`
	ExitCode     *int             `json:"exitCode"`
	OOMKilled    *bool            `json:"oomKilled"`
	Health       *alerting.Health `json:"health"`
	RestartCount *int             `json:"restartCount"`
	KilledAt     Stamp            `json:"killedAt"`
}

func (v Views) facts(f *alerting.Facts) *Facts {
	if f == nil {
		return nil
	}
	c := f.Container
	if c == nil {
		return &Facts{}
	}
	state, ill := c.State(), health(c.Health)
	return &Facts{
		Found: true, State: &state, StartedAt: v.At(c.StartedAt), FinishedAt: v.At(c.FinishedAt), ExitCode: &c.ExitCode, OOMKilled: &c.OOMKilled,
		Health: &ill, RestartCount: &c.RestartCount, KilledAt: v.At(f.KilledAt),
	}
}
