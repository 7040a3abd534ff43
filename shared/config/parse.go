package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

func (p *problems) serving(cfg *Config, env environment) {
	cfg.Port = p.integer("PORT", env.Port, 0, 65535)
	cfg.ListenHost = p.word("LISTEN_HOST", env.ListenHost)
	cfg.LogDir = p.path("LOG_DIR", env.LogDir)
	cfg.LogFormat = p.choice("LOG_FORMAT", env.LogFormat, "text", "json")
	cfg.PublicURL = p.link("PUBLIC_URL", env.PublicURL)
	cfg.HTTPSProxy = p.proxy("HTTPS_PROXY", env.HTTPSProxy)
	cfg.HeartbeatURL = p.outside("HEARTBEAT_URL", env.HeartbeatURL)
	cfg.Language = alerting.Language(p.choice("MESSAGE_LANGUAGE", env.Language, string(alerting.Chinese), string(alerting.English)))
	cfg.Location = p.location("TZ", env.TZ)
	cfg.TLS = TLS{CertFile: p.path("TLS_CERT_FILE", env.TLSCertFile), KeyFile: p.path("TLS_KEY_FILE", env.TLSKeyFile)}
	p.together("TLS_CERT_FILE", env.TLSCertFile, "TLS_KEY_FILE", env.TLSKeyFile)
	p.each("TRUSTED_PROXIES", list(env.TrustedProxies), func(item string) bool {
		prefix, err := parsePrefix(item)
		cfg.TrustedProxies = append(cfg.TrustedProxies, prefix)
		return err == nil
	}, "必须是 IP 地址或网段，如 10.0.0.0/8", "must be an IP address or a network such as 10.0.0.0/8")
}

// together names the one of two that is missing when the other is set.
func (p *problems) together(one, oneValue, other, otherValue string) {
	if oneValue == "" && otherValue != "" {
		p.add(one, "设置了 "+other+" 时必填", "required when "+other+" is set")
	}
	if otherValue == "" && oneValue != "" {
		p.add(other, "设置了 "+one+" 时必填", "required when "+one+" is set")
	}
}

// parsePrefix reads a network, or an address as the network of itself.
func parsePrefix(item string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(item); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(item)
	return prefix.Masked(), err
}

// location finds a time zone. "Local" is refused: it means another zone on
// another machine.
func (p *problems) location(name, value string) *time.Location {
	location, err := time.LoadLocation(value)
	if err != nil || value == "Local" {
		p.add(name, "必须是 IANA 时区名，如 Asia/Shanghai", "must be an IANA time zone such as Asia/Shanghai")
	}
	return location
}

// proxy reads the address of a proxy; the scheme may be left out.
func (p *problems) proxy(name, value string) alerting.Secret {
	if value == "" {
		return ""
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		p.add(name, "必须是代理地址，如 http://proxy:3128", "must be the address of a proxy such as http://proxy:3128")
	}
	return alerting.Secret(value)
}

// outside reads the address that is told that all is well, without showing it:
// whoever knows it can say so.
func (p *problems) outside(name, value string) alerting.Secret {
	if value == "" {
		return ""
	}
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http") {
		p.add(name, "必须是 https 或 http 地址", "must be an https or http address")
		return ""
	}
	return alerting.Secret(value)
}

func (p *problems) storing(cfg *Config, env environment) {
	cfg.DataDir = p.path("DATA_DIR", env.DataDir)
	cfg.RetentionDays = p.integer("RETENTION_DAYS", env.RetentionDays, 0, 36_500)
	cfg.MySQL = MySQL{
		Host: env.MySQLHost, User: env.MySQLUser,
		Password: alerting.Secret(env.MySQLPassword), Database: env.MySQLDatabase,
	}
	if !cfg.MySQL.Configured() {
		p.withoutHost(env)
		return
	}
	p.host("MYSQL_HOST", env.MySQLHost)
	cfg.MySQL.Port = 3306
	if env.MySQLPort != "" {
		cfg.MySQL.Port = p.integer("MYSQL_PORT", env.MySQLPort, 1, 65535)
	}
	if env.MySQLTLS != "" {
		cfg.MySQL.TLS = p.choice("MYSQL_TLS", env.MySQLTLS, "true", "false", "skip-verify", "preferred")
	}
	for _, needed := range []struct{ name, value string }{{"MYSQL_USER", env.MySQLUser}, {"MYSQL_DATABASE", env.MySQLDatabase}} {
		if p.path(needed.name, needed.value) == "" {
			p.add(needed.name, "设置了 MYSQL_HOST 时必填", "required when MYSQL_HOST is set")
		}
	}
}

// withoutHost refuses the other names of MySQL when there is no host: whoever
// set them expects their database to be used, not the embedded one.
func (p *problems) withoutHost(env environment) {
	for _, other := range []struct{ name, value string }{
		{"MYSQL_PORT", env.MySQLPort}, {"MYSQL_USER", env.MySQLUser}, {"MYSQL_PASSWORD", env.MySQLPassword},
		{"MYSQL_DATABASE", env.MySQLDatabase}, {"MYSQL_TLS", env.MySQLTLS},
	} {
		if other.value != "" {
			p.add(other.name,
				"设置了它但没有设置 MYSQL_HOST：请补上 MYSQL_HOST，或去掉它以使用内置数据库",
				"set without MYSQL_HOST: set MYSQL_HOST, or unset this to use the embedded database")
		}
	}
}

// host checks a host without a port, or the path of a socket.
func (p *problems) host(name, value string) {
	isIPv6 := net.ParseIP(strings.Trim(value, "[]")) != nil
	if strings.HasPrefix(value, "/") || isIPv6 {
		p.path(name, value)
		return
	}
	if strings.ContainsAny(value, ":/@") || strings.ContainsFunc(value, notInWord) {
		p.add(name, "必须是主机名、IP 地址或 socket 路径，不带端口", "must be a host name, an IP address or the path of a socket, without a port")
	}
}

func (p *problems) telling(cfg *Config, env environment) {
	cfg.AllowedHosts = list(strings.ToLower(env.AllowedHosts))
	p.each("WECHAT_ALLOWED_HOSTS", cfg.AllowedHosts, hostName.MatchString,
		"必须是主机名（可带端口），不能有通配符", "must be a host name, perhaps with a port, without wildcards")
	cfg.Webhook = p.webhook("WECHAT_WEBHOOK_URL", env.Webhook, cfg.AllowedHosts)
	cfg.Callees = p.callees("WECHAT_MENTION_MOBILES", list(env.MentionMobiles))
}

// callees are called from ERROR on.
func (p *problems) callees(name string, words []string) []alerting.Mention {
	m := alerting.Mention{From: alerting.Error}
	p.each(name, words, func(word string) bool {
		if strings.EqualFold(word, alerting.Everybody) {
			m.All = true
			return true
		}
		number, ok := alerting.ParseMobile(word)
		if !slices.Contains(m.Mobiles, number) {
			m.Mobiles = append(m.Mobiles, number)
		}
		return ok
	}, "必须是手机号（其他国家或地区的写 + 和区号）或 @all", "must be a mobile number, with + and the country where that is not China, or @all")
	if len(m.Mobiles) > alerting.MaxMentions {
		p.add(name, fmt.Sprintf("最多 %d 个手机号", alerting.MaxMentions), fmt.Sprintf("at most %d mobile numbers", alerting.MaxMentions))
	}
	if len(words) == 0 {
		return nil
	}
	return []alerting.Mention{m}
}

var (
	hostName = regexp.MustCompile(`^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?)(:[0-9]{1,5})?$`)
)

// webhook checks the address of a robot without showing it: its key is all
// that it takes to write to the group.
func (p *problems) webhook(name, value string, allowed []string) alerting.Secret {
	if value == "" {
		return ""
	}
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") {
		p.add(name, "必须是企业微信机器人的 https 地址", "must be the https address of a WeCom robot")
		return ""
	}
	if !slices.ContainsFunc(allowed, func(entry string) bool { return admits(entry, u) }) {
		p.add(name, "主机不在 WECHAT_ALLOWED_HOSTS 中", "its host is not one of WECHAT_ALLOWED_HOSTS")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		p.add(name, "必须使用 https（只有本机地址可以用 http）", "must be https (plain http is for loopback hosts)")
	}
	return alerting.Secret(value)
}

// admits tells whether an allowed host is the one of a URL; without a port it
// stands for every port.
func admits(entry string, u *url.URL) bool {
	host, port, err := net.SplitHostPort(entry)
	if err != nil {
		host, port = entry, ""
	}
	actual := u.Port()
	if actual == "" {
		actual = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.Trim(host, "[]") == strings.ToLower(u.Hostname()) && (port == "" || port == actual)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

// containerName is what the Engine accepts as a name.
var containerName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$`)

const (
	zhContainer = "必须是容器的完整名称（字母、数字和 _ . -），不能有通配符"
	enContainer = "must be the exact name of a container (letters, digits and _ . -), without wildcards"
)

func (p *problems) healing(cfg *Config, env environment) {
	cfg.DockerHost = env.DockerHost
	if env.DockerHost != "" && !engineAddress(env.DockerHost) {
		p.add("DOCKER_HOST", "必须是 unix:///路径 或 tcp://主机:端口", "must be unix:///path or tcp://host:port")
	}
	cfg.Mode = alerting.Mode(p.choice("REMEDIATION_MODE", env.Mode, string(alerting.Auto), string(alerting.DryRun), string(alerting.Off)))
	cfg.Containers = list(env.Containers)
	p.each("REMEDIATION_CONTAINERS", cfg.Containers, containerName.MatchString, zhContainer, enContainer)
	cfg.PolicyFile = p.path("POLICY_FILE", env.PolicyFile)
}

func (p *problems) guarding(cfg *Config, env environment) {
	cfg.SocketProxy = SocketProxy{Listen: env.ProxyListen, Callers: list(strings.ToLower(env.ProxyCallers))}
	host, port, err := net.SplitHostPort(env.ProxyListen)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || strings.ContainsFunc(host, notInWord) {
		p.add("PROXY_LISTEN", "必须是 地址:端口，如 127.0.0.1:2375", "must be address:port, such as 127.0.0.1:2375")
	}
	p.each("PROXY_CALLERS", cfg.SocketProxy.Callers, callerName,
		"必须是主机名或 IP 地址", "must be a host name or an IP address")
}

func callerName(item string) bool {
	if _, err := netip.ParseAddr(item); err == nil {
		return true
	}
	return hostName.MatchString(item) && !strings.ContainsAny(item, ":[")
}

func engineAddress(value string) bool {
	u, err := url.Parse(value)
	if err != nil || u.User != nil || strings.ContainsFunc(value, notInWord) {
		return false
	}
	switch u.Scheme {
	case "unix":
		return u.Host == "" && u.Path != ""
	case "tcp", "http":
		return u.Hostname() != ""
	}
	return false
}

func (p *problems) watching(cfg *Config, env environment) {
	cfg.Async = Async{
		Container:       env.AsyncContainer,
		Timeout:         p.span("ASYNC_MONITOR_TICKER_TIMEOUT", env.AsyncTimeout, time.Minute, "分钟", "minutes"),
		CheckInterval:   p.span("ASYNC_MONITOR_CHECK_INTERVAL", env.AsyncInterval, time.Second, "秒", "seconds"),
		TradeMonitorURL: p.link("TRADE_MONITOR_URL", env.TradeMonitorURL),
	}
	if !containerName.MatchString(env.AsyncContainer) {
		p.add("ASYNC_MONITOR_CONTAINER", zhContainer, enContainer)
	}
	if cfg.Async.LogOff = strings.EqualFold(env.AsyncPattern, "off"); cfg.Async.LogOff || env.AsyncPattern == "" {
		return
	}
	pattern, err := regexp.Compile(env.AsyncPattern)
	if err != nil {
		p.add("ASYNC_MONITOR_LOG_PATTERN", "必须是正则表达式（RE2 语法）", "must be a regular expression (RE2 syntax)")
	}
	cfg.Async.LogPattern = pattern
}
