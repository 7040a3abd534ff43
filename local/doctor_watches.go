package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"trade-monitor/local/doctor"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
)

// sampleLines is how many lines of a log are held to its pattern.
const sampleLines = 500

// logs tells whether each log that is to be watched can be read, and whether
// its pattern matches anything in it.
func (e *examination) logs(ctx context.Context) []doctor.Finding {
	policy, err := e.cfg.ReadPolicy(e.cfg.PolicyFile)
	if err != nil {
		return nil // told by the check of the policy
	}
	if len(policy.Policy.Logs) == 0 {
		return []doctor.Finding{doctor.Good("未启用 (off): ASYNC_MONITOR_LOG_PATTERN=off")}
	}
	engine, err := docker.Open(e.cfg.DockerHost)
	if err != nil {
		return nil // told by the check of Docker
	}
	defer engine.Close()
	var findings []doctor.Finding
	for _, rule := range policy.Policy.Logs {
		finding, err := logFinding(ctx, engine, rule)
		if err != nil {
			return append(findings, doctor.Good("Docker 可用后再检查 (needs Docker)"))
		}
		findings = append(findings, finding)
	}
	return findings
}

// logFinding looks at one log. An error is the engine's.
func logFinding(ctx context.Context, engine *docker.Engine, rule alerting.LogRule) (doctor.Finding, error) {
	c, err := engine.Inspect(ctx, rule.Container)
	switch {
	case err != nil:
		return doctor.Finding{}, err
	case c == nil && !rule.Required:
		return doctor.Good("%s 还不存在，出现后自动开始 (is not there yet; it is watched once it is)", rule.Container), nil
	case c == nil:
		return warned("核对 docker ps -a 中的名称，改正策略文件的 logs (compare with docker ps -a, correct `logs` in the policy file)", "没有名为 %s 的容器，它的日志无法监控 (there is no container of this name to watch)", rule.Container), nil
	}
	lines, err := engine.LastLines(ctx, *c, c.StartedAt, sampleLines)
	var unreadable *docker.Error
	switch {
	case errors.As(err, &unreadable) && unreadable.Unreadable():
		return failed("改用 json-file、local 或 journald 日志驱动，或让服务发送心跳 (use the log driver json-file, local or journald, or let the service send heartbeats)",
			"%s 的日志驱动 %s 不支持读取，无法监控静默 (its log driver cannot be read: silence is not watched)", rule.Container, c.LogDriver), nil
	case err != nil:
		return doctor.Finding{}, err
	case !c.Running:
		return doctor.Good("%s 未在运行，启动后开始 (does not run; it is watched once it does)", rule.Container), nil
	}
	return patternFinding(rule, lines), nil
}

func patternFinding(rule alerting.LogRule, lines []string) doctor.Finding {
	matching := 0
	for _, line := range lines {
		if rule.Progress.Matches([]byte(line)) {
			matching++
		}
	}
	if matching == 0 && len(lines) > 0 {
		return warned(fmt.Sprintf("按实际的日志设置 ASYNC_MONITOR_LOG_PATTERN；最后一行是 (set it to what the service writes; the last line is): %s", alerting.MaskSecrets(strings.TrimSpace(lines[len(lines)-1]))),
			"%s 本次启动后的最近 %d 行都不匹配（%s），静默监控尚未启用 (no line since its start matches: silence is not watched)", rule.Container, len(lines), rule.Progress)
	}
	return doctor.Good("%s：最近 %d 行中 %d 行匹配，超过 %s 没有则告警 (lines match; silent without one for this long)", rule.Container, len(lines), matching, rule.Timeout)
}

// watches tells what the running service, or the last one, could not watch.
func (e *examination) watches(ctx context.Context) []doctor.Finding {
	if e.open.err != nil {
		return unknown(e.open.err)
	}
	all, err := e.open.Watches(ctx)
	if err != nil {
		return unknown(err)
	}
	var findings []doctor.Finding
	counts := map[alerting.WatchKind]int{}
	for _, w := range all {
		counts[w.Kind]++
		if w.State == alerting.WatchDeaf || w.State == alerting.WatchDown {
			findings = append(findings, warned("见 GET /api/watches 和 alert.log (see these)", "%s %s：%s %s", w.Kind, w.Name, w.State, w.Detail))
		}
	}
	return orFine(findings, "日志 (logs) %d，容器 (containers) %d，心跳 (heartbeats) %d", counts[alerting.LogWatch], counts[alerting.ContainerWatch], counts[alerting.HeartbeatWatch])
}
