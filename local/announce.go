package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
)

// announce prints what is in force, for the person who started it.
func (s *service) announce(ctx context.Context, w io.Writer, at net.Addr) {
	fmt.Fprintf(w, "Trade Monitor %s\n", version())
	for _, line := range [][2]string{
		{"监听 (listening)", s.listeningAt(at)},
		{"接口权限 (access)", accessInForce(s.cfg)},
		{"数据库 (database)", databaseInForce(s.cfg)},
		{"机器人 (WECHAT_WEBHOOK_URL)", robotInForce(s.cfg)},
		{"群 (groups in wechat_groups)", s.groupsInForce(ctx)},
		{"用手机号呼叫 (called by mobile number)", calledInForce(s.policy.policy())},
		{"外部心跳 (HEARTBEAT_URL)", outsideInForce(s.cfg)},
		{"自动处置 (remediation)", fmt.Sprintf("%s %v", s.cfg.Mode, s.policy.policy().Containers)},
		{"监控 (watching)", watchingInForce(s.policy.policy())},
		{"策略 (policy)", policyInForce(s.cfg)},
		{"Docker", s.dockerInForce(ctx)},
		{"告警日志 (alert log)", filepath.Join(s.cfg.LogDir, "alert.log")},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "  %s: %s\n", line[0], line[1])
		}
	}
	if exposed(s.cfg) { // once more where log collectors look
		s.log.Warn("接口对网络开放，无需令牌 (open to the network without a token)", "listenHost", s.cfg.ListenHost, "scopes", s.cfg.Anonymous)
	}
}

func (s *service) listeningAt(at net.Addr) string {
	if s.certificate == nil {
		return "http://" + at.String()
	}
	return "https://" + at.String() + " " + s.certificate.inForce()
}

// watchingInForce says what is watched without anybody posting an event.
func watchingInForce(p alerting.Policy) string {
	logs := make([]string, len(p.Logs))
	for i, l := range p.Logs {
		logs[i] = l.Container + " " + l.Timeout.String()
	}
	return fmt.Sprintf("日志 (logs) %v，容器 (containers) %v，心跳 (heartbeats) %d", logs, p.Containers, len(p.Heartbeats))
}

func databaseInForce(cfg config.Config) string {
	if cfg.MySQL.Configured() {
		return fmt.Sprintf("MySQL %s:%d/%s", cfg.MySQL.Host, cfg.MySQL.Port, cfg.MySQL.Database)
	}
	return "SQLite " + cfg.DataDir
}

func robotInForce(cfg config.Config) string {
	if alerting.Placeholder(cfg.Webhook) {
		return "未配置，无匹配的群时不会发送通知 (not configured: without a matching group nobody is told)"
	}
	return "已配置 (configured)"
}

// calledInForce names those whom alerts of types without a mention of their own
// call by mobile number; empty: nobody.
func calledInForce(p alerting.Policy) string {
	var words []string
	for _, m := range p.Default.Mentions {
		var people []string
		for _, mobile := range m.Mobiles {
			people = append(people, mobile.String())
		}
		if m.All {
			people = append(people, alerting.Everybody)
		}
		if len(people) > 0 {
			words = append(words, fmt.Sprintf("%s: %s", m.From, strings.Join(people, ", ")))
		}
	}
	return strings.Join(words, "; ")
}

// startTime bounds each question that the start asks.
const startTime = time.Second

func (s *service) groupsInForce(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	groups, err := s.db.Groups(ctx)
	if err != nil {
		return "数据库暂不可用 (the database cannot be asked now)"
	}
	enabled := 0
	for _, g := range groups {
		if g.Enabled && !alerting.Placeholder(g.Webhook) {
			enabled++
		}
	}
	return strconv.Itoa(enabled)
}

func (s *service) dockerInForce(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := s.engine.Ping(ctx); err != nil {
		return "不可达，暂时无法监控和重启容器；请启动 Docker 或挂载 /var/run/docker.sock (cannot be reached: no container can be watched or restarted)"
	}
	return "可达 (reachable)"
}
