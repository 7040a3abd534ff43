package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"trade-monitor/local/doctor"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/audit"
	"trade-monitor/shared/config"
)

// newAuditor makes the loop that proves that the record adds up.
func (s *service) newAuditor(w *wakes) *audit.Auditor {
	return audit.New(s.db, s.db, audit.Options{
		Language: func() alerting.Language { return s.cfg.Language }, Location: s.cfg.Location, Log: s.log,
		Wake: func() { w.words(); w.remedies() },
	})
}

// auditing are the loops of the auditor and, if there is an address, of the
// heartbeat outside.
func (s *service) auditing(m *metrics) []loop {
	all := []loop{{"audit", s.auditor.Run}}
	if s.cfg.HeartbeatURL == "" {
		return all
	}
	beat := audit.NewHeartbeat(audit.HeartbeatOptions{URL: s.cfg.HeartbeatURL, Proxy: s.cfg.HTTPSProxy, Well: s.allIsWell, Note: m.beat, Log: s.log})
	return append(all, loop{"outside", beat.Run})
}

// allIsWell says why the heartbeat outside is withheld; nil: it is not.
func (s *service) allIsWell(ctx context.Context) error {
	if dead := s.loops.dead(); len(dead) > 0 {
		return fmt.Errorf("循环停止 (loops that do not run): %s", strings.Join(dead, ", "))
	}
	if !s.auditor.Report().Well(time.Now()) {
		return errors.New("自查有发现，或未能完成 (the audit found something, or could not be completed)")
	}
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	if s.db.Ready(ctx) != nil {
		return errors.New("数据库不可写 (the database cannot be written)")
	}
	return nil
}

// auditSilent is for how long no audit may have been completed before that is
// said.
const auditSilent = 10 * time.Minute

// auditDegrades says for /readyz what the auditor found that does not go away.
func auditDegrades(r audit.Report, since, now time.Time, in *time.Location) (said []string) {
	for _, f := range r.Standing.Stuck() {
		said = append(said, fmt.Sprintf("自查 (audit): %s (%s)；请运行 trade-monitor doctor，见 docs/audit.md (run doctor; see docs/audit.md)",
			f.Text(alerting.Chinese, in), f.Text(alerting.English, in)))
	}
	if r.SuccessAt.After(since) {
		since = r.SuccessAt
	}
	if r.Failing && now.Sub(since) > auditSilent {
		said = append(said, "自查无法完成，原因见日志 (the audit cannot be completed; the log says why)")
	}
	return said
}

// degradedByAudit is auditDegrades from this start on.
func (s *service) degradedByAudit() func() []string {
	began := time.Now()
	return func() []string { return auditDegrades(s.auditor.Report(), began, time.Now(), s.cfg.Location) }
}

func outsideInForce(cfg config.Config) string {
	if cfg.HeartbeatURL == "" {
		return "未配置 (not configured)"
	}
	return "已配置，每分钟一次，仅在一切正常时 (configured: every minute, only while all is well)"
}

// audit compares the record at once, as the service does again and again.
func (e *examination) audit(ctx context.Context) []doctor.Finding {
	if e.open.err != nil {
		return unknown(e.open.err)
	}
	found, err := e.open.Differences(ctx)
	switch {
	case ctx.Err() != nil:
		return []doctor.Finding{doctor.Good("记录很大，此处核对不完；服务自己在核对，见 trade_monitor_audit_ok (too much to compare here; the service does, see that metric)")}
	case err != nil:
		return []doctor.Finding{failed("查看原因 (see why)", "无法核对 (cannot be compared): %v", err)}
	}
	var findings []doctor.Finding
	for _, f := range found {
		findings = append(findings, failed("见 docs/audit.md (see docs/audit.md)", "%s (%s)", f.Text(alerting.Chinese, e.cfg.Location), f.Text(alerting.English, e.cfg.Location)))
	}
	return orFine(findings, "账目相符 (the record adds up)")
}

// outside does not request the address: that would say that all is well.
func (e *examination) outside(context.Context) []doctor.Finding {
	return []doctor.Finding{doctor.Good("HEARTBEAT_URL %s", outsideInForce(e.cfg))}
}
