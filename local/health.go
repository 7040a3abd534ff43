package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// health answers /healthz and /readyz.
type health struct {
	loops  *loops
	db     interface{ Ready(context.Context) error }
	docker interface{ Ping(context.Context) error } // nil: remediation is off
	policy interface{ Usable() bool }
	// deaf names the watches that cannot hear though there is an engine; nil:
	// nothing is watched.
	deaf func() []string
	// emergency knows since when the database is away; robot: somebody can be
	// told. at is where people's clocks are.
	emergency interface {
		Outage() alerting.DatabaseOutage
		Hint()
	}
	robot bool
	at    *time.Location
	// gone names the groups whose robot is gone; nil: nobody is told.
	gone func(context.Context) []string
	// audit says what the auditor found that does not go away; nil: nobody audits.
	audit func() []string
}

// report is the body of both.
type report struct {
	Status   string   `json:"status"` // ok, degraded or failing
	Failing  []string `json:"failing,omitempty"`
	Degraded []string `json:"degraded,omitempty"`
}

// pingTime bounds each question that a probe asks.
const pingTime = 1500 * time.Millisecond

// alive says yes while every loop runs.
func (h health) alive(w http.ResponseWriter, r *http.Request) error {
	return answer(w, report{Failing: h.loops.dead()})
}

// ready says yes while an event can be committed. Docker away is no reason to
// be taken out: events are recorded and people told all the same.
func (h health) ready(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), pingTime)
	defer cancel()
	docker := make(chan error, 1)
	go func() {
		if h.docker == nil {
			docker <- nil
			return
		}
		docker <- h.docker.Ping(ctx)
	}()
	var rep report
	if h.db.Ready(ctx) != nil {
		rep.Failing = append(rep.Failing, databaseAway(h.emergency.Outage(), h.robot, h.at))
	} else if h.gone != nil {
		if gone := h.gone(ctx); len(gone) > 0 {
			rep.Degraded = append(rep.Degraded, "群机器人失效 (groups whose robot is gone): "+strings.Join(gone, ", "))
		}
	}
	if <-docker != nil {
		rep.Degraded = append(rep.Degraded, "Docker 不可达，无法重启容器 (Docker cannot be reached; no container can be restarted)")
	}
	if !h.policy.Usable() {
		rep.Degraded = append(rep.Degraded, "策略文件无法使用，沿用之前的策略，原因见日志 (POLICY_FILE cannot be used, the policy before it stays; the log says why)")
	}
	if h.deaf != nil {
		if deaf := h.deaf(); len(deaf) > 0 {
			rep.Degraded = append(rep.Degraded, "监控失聪 (watches that cannot hear): "+strings.Join(deaf, ", "))
		}
	}
	if h.audit != nil {
		rep.Degraded = append(rep.Degraded, h.audit()...)
	}
	return answer(w, rep)
}

func answer(w http.ResponseWriter, rep report) error {
	status := http.StatusOK
	switch {
	case len(rep.Failing) > 0:
		rep.Status, status = "failing", http.StatusServiceUnavailable
	case len(rep.Degraded) > 0:
		rep.Status = "degraded"
	default:
		rep.Status = "ok"
	}
	return httpapi.Write(w, status, rep)
}

// healthcheck is the command: it asks the service on this machine.
func healthcheck(ctx context.Context, a app) error {
	return ourService(a.cfg).alive(ctx)
}
