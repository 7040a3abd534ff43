package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trade-monitor/local/doctor"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
)

// checkTime bounds each check; they run side by side.
const checkTime = 10 * time.Second

// doctorCommand looks for what makes a first hour, or a bad night, fail. It
// changes nothing and sends no message.
func doctorCommand(ctx context.Context, a app) error {
	report := func(name string, f doctor.Finding) { doctor.Print(a.stdout, name, f) }
	if a.invalid != nil {
		report("配置 (settings)", doctor.Finding{Level: doctor.Failed, What: a.invalid.Error(),
			Mend: "改正 .env 或环境变量后再运行 doctor；其余项目要等配置正确才能检查 (mend .env or the environment and run doctor again: the other checks need it)"})
		return errors.New("配置有误 (the settings are wrong)")
	}
	report("配置 (settings)", doctor.Good("正确 (good)；TZ %s，%s", a.cfg.Location, time.Now().In(a.cfg.Location).Format("15:04 -07:00")))
	e := newExamination(ctx, a.cfg)
	defer e.close()
	counts := doctor.Examine(ctx, e.checks(), checkTime, report)
	fmt.Fprintf(a.stdout, "检查完成 (done)：失败 (failed) %d，注意 (warnings) %d\n", counts[doctor.Failed], counts[doctor.Warning])
	if counts[doctor.Failed] > 0 {
		return fmt.Errorf("%d 项失败 (failed)，处理办法见上 (the mends are above)", counts[doctor.Failed])
	}
	return nil
}

// examination is what the checks share.
type examination struct {
	cfg  config.Config
	open *opened
}

func newExamination(ctx context.Context, cfg config.Config) *examination {
	return &examination{cfg: cfg, open: openForReading(ctx, cfg)}
}

func (e *examination) close() { e.open.close() }

func (e *examination) checks() []doctor.Check {
	return []doctor.Check{
		{Name: "数据库 (database)", Look: e.database},
		{Name: "时钟 (clock)", Look: e.clock},
		{Name: "群 (groups)", Look: e.groups},
		{Name: "机器人 (robots)", Look: e.robots},
		{Name: "企业微信网络 (the way to WeCom)", Look: e.network},
		{Name: "排队的通知与处置 (what waits)", Look: e.queues},
		{Name: "Docker", Look: e.docker},
		{Name: "允许重启的容器 (containers to restart)", Look: e.containers},
		{Name: "主机 (hosts)", Look: e.hosts},
		{Name: "日志监控 (logs to watch)", Look: e.logs},
		{Name: "监控状态 (watches)", Look: e.watches},
		{Name: "目录 (folders)", Look: e.folders},
		{Name: "端口 (port)", Look: e.port},
		{Name: "接口权限 (access)", Look: e.access},
		{Name: "证书 (certificates)", Look: e.certificates},
		{Name: "策略 (policy)", Look: e.policy},
		{Name: "核对 (audit)", Look: e.audit},
		{Name: "外部心跳 (heartbeat outside)", Look: e.outside},
	}
}

// atStart are the checks that are worth a start's time: quick, and of what
// people get wrong.
func (e *examination) atStart() []doctor.Check {
	return []doctor.Check{
		{Name: "群 (groups)", Look: e.groups},
		{Name: "时钟 (clock)", Look: e.clock},
		{Name: "允许重启的容器 (containers to restart)", Look: e.containers},
		{Name: "目录 (folders)", Look: e.folders},
	}
}

// checkup is doctor in short, once the database is ready: only what is wrong is
// told, in the log, with the mend.
func (s *service) checkup(ctx context.Context) {
	e := newExamination(ctx, s.cfg)
	defer e.close()
	doctor.Examine(ctx, e.atStart(), 3*time.Second, func(name string, f doctor.Finding) {
		if f.Level != doctor.Fine && ctx.Err() == nil {
			s.log.Warn(name+"："+f.What, "mend", f.Mend)
		}
	})
}

// failed and warned are findings with their mend.
func failed(mend, what string, args ...any) doctor.Finding {
	return doctor.Finding{Level: doctor.Failed, What: fmt.Sprintf(what, args...), Mend: mend}
}

func warned(mend, what string, args ...any) doctor.Finding {
	return doctor.Finding{Level: doctor.Warning, What: fmt.Sprintf(what, args...), Mend: mend}
}

// unknown is what a check says that needs the database when there is none.
func unknown(err error) []doctor.Finding {
	if err == nil {
		return nil
	}
	return []doctor.Finding{doctor.Good("数据库可用后再检查 (needs the database)")}
}

// orFine is the findings, or a good one when there are none.
func orFine(findings []doctor.Finding, format string, args ...any) []doctor.Finding {
	if len(findings) == 0 {
		return []doctor.Finding{doctor.Good(format, args...)}
	}
	return findings
}

func (e *examination) policy(ctx context.Context) []doctor.Finding {
	if e.cfg.PolicyFile == "" {
		return []doctor.Finding{doctor.Good("默认 (default)")}
	}
	in, err := e.cfg.ReadPolicy(e.cfg.PolicyFile)
	if err != nil {
		return []doctor.Finding{failed("改正文件，再运行 trade-monitor policy check；运行中的服务沿用之前的策略 (mend the file, then trade-monitor policy check; a running service keeps the policy before it)", "%v", legiblePath(err))}
	}
	var findings []doctor.Finding
	for _, w := range in.Warnings {
		findings = append(findings, warned("见 docs/policy.md (see docs/policy.md)", "%s", w))
	}
	groups, err := e.listed(ctx)
	if err != nil {
		return orFine(findings, "%s", e.cfg.PolicyFile) // that the database is away is said elsewhere
	}
	for _, missing := range in.Policy.MissingGroups(groups) {
		findings = append(findings, warned("检查名称和 wechat_groups (look at the name, and at wechat_groups)", "策略文件指定的群无法通知 (the policy names a group that cannot be told): %s", missing))
	}
	return orFine(findings, "%s", e.cfg.PolicyFile)
}

func (e *examination) access(context.Context) []doctor.Finding {
	if exposed(e.cfg) {
		return []doctor.Finding{warned("在 .env 中设置 API_TOKENS，或只在 127.0.0.1 发布端口 (set API_TOKENS in .env, or publish the port on 127.0.0.1 only)",
			"端口对网络开放，任何人无需令牌即可操作 (open to the network without a token)")}
	}
	if len(e.cfg.Anonymous) == 0 && len(e.cfg.Tokens) == 0 {
		return []doctor.Finding{failed("设置 API_TOKENS，或用 API_ANONYMOUS 允许无令牌的调用 (set API_TOKENS, or admit callers by API_ANONYMOUS)", "没有人能使用接口 (nobody is admitted)")}
	}
	return []doctor.Finding{doctor.Good("%s", accessInForce(e.cfg))}
}

// reached counts the groups that an alert type is told to.
func reached(groups []alerting.Group, cfg config.Config, alertType string) int {
	return len(alerting.Audience(groups, cfg.Webhook, alertType))
}
