package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/audit"
	"trade-monitor/shared/config"
	"trade-monitor/shared/delivery"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/remedy"
	"trade-monitor/shared/store"
	"trade-monitor/shared/wecom"
)

// How long a stop takes at most, and how much of it requests under way may use;
// the rest is for what the loops have in flight.
const (
	stopTime     = 8 * time.Second // `docker stop` kills after 10 s
	stopRequests = 3 * time.Second
)

// service is everything that serve runs.
type service struct {
	cfg     config.Config
	log     *slog.Logger
	db      database
	owner   string
	engine  *docker.Engine
	journal *journal
	policy  *admitted
	watches *watches
	auditor *audit.Auditor
	loops   *loops
	server  *http.Server

	certificate *certificate // nil: plain http
}

// serve mounts all functions and runs the loops until ctx ends, then stops in
// order: no new requests, nothing left in flight, no lease left behind.
func serve(ctx context.Context, a app) (err error) {
	s := &service{cfg: a.cfg, log: newLog(a.cfg, a.stderr), owner: ownerName()}
	slog.SetDefault(s.log)
	if err := s.assemble(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	listener, err := s.listen()
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(listener) }()
	s.announce(ctx, a.stdout, listener.Addr())
	s.loops.begin()

	prepared := make(chan error, 1)
	preparing, giveUp := context.WithCancel(ctx)
	defer giveUp()
	go func() { prepared <- s.db.prepare(preparing) }()
	for {
		select {
		case err := <-prepared:
			if err != nil && ctx.Err() == nil {
				return errors.Join(err, s.stop())
			}
			if err == nil {
				s.loops.start()
				go s.checkup(ctx)
			}
			prepared = nil
		case err := <-served:
			return errors.Join(err, s.stop())
		case <-ctx.Done():
			s.log.Info("正在停止 (stopping)")
			return s.stop()
		}
	}
}

func newLog(cfg config.Config, w io.Writer) *slog.Logger {
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// assemble makes the parts and joins them.
func (s *service) assemble(ctx context.Context) error {
	file, err := openPolicy(s.cfg, s.log)
	if err != nil {
		return err
	}
	policy := file.inForce
	s.policy = policy
	metrics := newMetrics()
	s.journal = openJournal(s.cfg.LogDir, s.cfg.Language, s.cfg.Location, s.log)
	wakes := &wakes{note: func(c store.Commit) {
		s.journal.note(c.Happenings)
		metrics.committed(c)
	}}
	engine, err := docker.Open(s.cfg.DockerHost)
	if err != nil {
		return errors.Join(err, s.journal.Close())
	}
	s.engine = engine
	if s.db, err = openDatabase(ctx, s.cfg, setup{policy: policy.policy, onCommit: wakes.commit, log: s.log}); err != nil {
		return errors.Join(err, s.journal.Close())
	}
	client := wecom.New(wecom.Options{AllowedHosts: s.cfg.AllowedHosts, Proxy: s.cfg.HTTPSProxy})
	emergency := s.newEmergency(policy, client, metrics)
	words := s.delivery(policy, client, emergency)
	remedies := remedy.New(s.db, engine, remedy.Options{
		Owner: s.owner, Policy: policy.policy, Log: s.log, Poll: s.db.poll,
		Stopped: func(container string) bool { return s.watches.containers.Stopped(container) },
	})
	steps := delivery.NewEscalator(s.db, delivery.EscalatorOptions{Log: s.log, Poll: s.db.poll})
	wakes.words, wakes.remedies, wakes.steps = words.Wake, remedies.Wake, steps.Wake
	hosts := newHosts(s, engine, remedies)
	s.watches = newWatches(s, engine, hosts.Wake)
	s.auditor = s.newAuditor(wakes)
	s.loops = newLoops(s.log, slices.Concat([]loop{{"emergency", emergency.Run}}, s.watches.loops(), hosts.loops(), s.auditing(metrics), []loop{
		{"delivery", words.Run},
		{"remedy", remedies.Run},
		{"escalation", steps.Run},
		{"labels", func(ctx context.Context) error { return policy.follow(ctx, engine, s.log) }},
		{"policy", file.follow},
		{"groups", repeat(groupsInterval, s.log, "groups", file.missingGroups(s.db))},
		{"recount", paced(s.log, "recount", s.db.Recount)},
		{"forget", repeat(time.Hour, s.log, "forget", s.db.ForgetAnswers)},
		{"retention", repeat(time.Hour, s.log, "retention", s.forgetOldAlerts)},
	})...)
	metrics.watch(s.db, s.loops, s.watches)
	groups := &robotGauges{s.db, policy.policy}
	metrics.registry.MustRegister(file, &hostGauges{s.db}, groups, &auditGauges{s.auditor.Report})
	h := health{loops: s.loops, db: s.db, policy: file, deaf: s.watches.deaf, gone: groups.gone, audit: s.degradedByAudit(), emergency: emergency, robot: !alerting.Placeholder(s.cfg.Webhook), at: s.cfg.Location}
	if s.cfg.Mode != alerting.Off {
		h.docker = engine
	}
	return s.listenTo(h, metrics, robots(s.cfg, s.db, client, s.owner, s.journal.tried, emergency.Before, s.log))
}

func (s *service) delivery(policy *admitted, client *wecom.Client, emergency *delivery.Emergency) *delivery.Loop {
	render := wecom.RenderOptions{Language: s.cfg.Language, Location: s.cfg.Location, PublicURL: s.cfg.PublicURL, Token: s.cfg.OperateByToken()}
	if s.cfg.Port != 0 { // 0: any, which nobody knows yet
		render.LocalURL = ourService(s.cfg).base
	}
	return delivery.New(s.db, client, delivery.Options{
		Owner: s.owner, Log: s.log, Poll: s.db.poll,
		Fallback: func() alerting.Secret { return policy.policy().Fallback },
		Render:   render,
		Before:   emergency.Before,
	})
}

// forgetOldAlerts keeps to RETENTION_DAYS; 0: everything is kept.
func (s *service) forgetOldAlerts(ctx context.Context) error {
	if s.cfg.RetentionDays == 0 {
		return nil
	}
	deleted, err := s.db.ForgetAlerts(ctx, time.Duration(s.cfg.RetentionDays)*24*time.Hour)
	if deleted > 0 {
		s.log.Info("已删除超过保留天数的告警 (deleted alerts older than RETENTION_DAYS)", "deleted", deleted, "days", s.cfg.RetentionDays)
	}
	return err
}

// stop ends requests, then the loops, then gives the leases back.
func (s *service) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime-time.Second) // giving leases back takes the last one
	defer cancel()
	requests, enough := context.WithTimeout(ctx, stopRequests)
	defer enough()
	err := s.server.Shutdown(requests)
	err = errors.Join(err, s.loops.stop(ctx))
	if s.loops.started.Load() {
		release, done := context.WithTimeout(context.Background(), time.Second)
		defer done()
		err = errors.Join(err, s.db.ReleaseLeases(release, s.owner))
	}
	if err != nil {
		s.log.Warn("未能完全停止 (not everything could be ended in order)", "error", err)
	}
	return nil
}

func (s *service) close() error {
	return errors.Join(s.db.close(), s.journal.Close())
}
