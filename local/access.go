package main

import (
	"net"
	"slices"
	"strings"

	"trade-monitor/shared/config"
)

// accessInForce says who may do what, and warns while that is everybody.
func accessInForce(cfg config.Config) string {
	var names []string
	for _, t := range cfg.Tokens {
		names = append(names, t.Name+" ("+strings.Join(t.Scopes, "+")+")")
	}
	if len(cfg.Anonymous) == 0 && len(names) == 0 {
		return "警告：没有人能使用接口，请设置 API_TOKENS 或 API_ANONYMOUS (warning: nobody is admitted; set API_TOKENS or API_ANONYMOUS)"
	}
	if len(cfg.Anonymous) > 0 {
		names = append([]string{openTo(cfg)}, names...)
	} else {
		names[0] = "需要令牌 (by token): " + names[0]
	}
	return strings.Join(names, ", ")
}

// openTo says what callers without a token may do.
func openTo(cfg config.Config) string {
	scopes := strings.Join(cfg.Anonymous, "+")
	switch {
	case exposed(cfg):
		return "警告：端口对网络开放，任何能访问它的人无需令牌即可 " + scopes + "；请设置 API_TOKENS，或只在 127.0.0.1 发布端口" +
			" (warning: whoever reaches this port needs no token for this; set API_TOKENS, or publish the port on 127.0.0.1 only)"
	case local(cfg.ListenHost):
		return "本机任何人无需令牌即可 " + scopes + "；用 API_TOKENS 收紧 (everybody on this machine, without a token; restrict it by API_TOKENS)"
	}
	return "任何人无需令牌即可 " + scopes + " (everybody, without a token)"
}

// exposed tells whether callers without a token may change something from
// other machines.
func exposed(cfg config.Config) bool {
	changes := slices.Contains(cfg.Anonymous, config.ScopeNotify) || slices.Contains(cfg.Anonymous, config.ScopeOperate)
	return changes && !local(cfg.ListenHost)
}

// local tells whether only this machine reaches an address.
func local(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}
