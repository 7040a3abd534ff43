package config_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
)

type env map[string]string

func (e env) lookup(name string) (string, bool) {
	value, set := e[name]
	return value, set
}

func load(t *testing.T, e env) config.Config {
	t.Helper()
	cfg, err := config.Load(context.Background(), e.lookup)
	require.NoError(t, err)
	return cfg
}

// refused loads what must not load and gives the names that were complained
// about, each once per problem.
func refused(t *testing.T, e env) []string {
	t.Helper()
	_, err := config.Load(context.Background(), e.lookup)
	var invalid *config.InvalidError
	require.ErrorAs(t, err, &invalid)
	names := make([]string, len(invalid.Problems))
	for i, p := range invalid.Problems {
		names[i] = p.Name
		require.NotEmpty(t, p.Zh)
		require.NotEmpty(t, p.En)
		require.Contains(t, err.Error(), p.Name+"："+p.Zh+" ("+p.En+")")
	}
	return names
}

func TestWithNothingSetTheDefaultsHold(t *testing.T) {
	cfg := load(t, env{})
	assert.Equal(t, 5005, cfg.Port)
	assert.Equal(t, "127.0.0.1", cfg.ListenHost)
	assert.Equal(t, "./data", cfg.DataDir)
	assert.Equal(t, "./logs", cfg.LogDir)
	assert.Equal(t, "text", cfg.LogFormat)
	assert.False(t, cfg.MySQL.Configured())
	assert.Empty(t, cfg.Webhook.Reveal())
	assert.Empty(t, cfg.Callees)
	assert.Equal(t, []string{"qyapi.weixin.qq.com"}, cfg.AllowedHosts)
	assert.Empty(t, cfg.DockerHost)
	assert.Equal(t, alerting.Auto, cfg.Mode)
	assert.Equal(t, []string{"aifuturetrade-async-service"}, cfg.Containers)
	assert.Empty(t, cfg.PolicyFile)
	assert.Equal(t, config.SocketProxy{Listen: "127.0.0.1:2375"}, cfg.SocketProxy)
	assert.Equal(t, "aifuturetrade-async-service", cfg.Async.Container)
	assert.Equal(t, 3*time.Minute, cfg.Async.Timeout)
	assert.Equal(t, time.Minute, cfg.Async.CheckInterval)
	assert.Nil(t, cfg.Async.LogPattern)
	assert.Empty(t, cfg.Async.TradeMonitorURL)
	assert.Empty(t, cfg.Tokens)
	assert.Equal(t, config.Scopes, cfg.Anonymous)
	assert.False(t, cfg.AnonymousSet)
	assert.False(t, cfg.TLS.Configured())
	assert.Empty(t, cfg.PublicURL)
	assert.Empty(t, cfg.TrustedProxies)
	assert.Empty(t, cfg.HTTPSProxy.Reveal())
	assert.Zero(t, cfg.RetentionDays)
	assert.Equal(t, "Asia/Shanghai", cfg.Location.String())
	assert.Equal(t, alerting.Chinese, cfg.Language)
}

func TestEveryNameIsRead(t *testing.T) {
	cfg := load(t, env{
		"PORT": "8080", "LISTEN_HOST": "0.0.0.0", "DATA_DIR": "/var/lib/tm", "LOG_DIR": "/var/log/tm", "LOG_FORMAT": "JSON",
		"MYSQL_HOST": "db.example", "MYSQL_PORT": "3307", "MYSQL_USER": "tm", "MYSQL_PASSWORD": " p:w ", "MYSQL_DATABASE": "trade", "MYSQL_TLS": "preferred",
		"WECHAT_WEBHOOK_URL":     " https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k \n",
		"WECHAT_MENTION_MOBILES": "13800000000，+86 139-0000-0000,@All,13800000000", "WECHAT_ALLOWED_HOSTS": "QYAPI.weixin.qq.com, 127.0.0.1:9",
		"DOCKER_HOST": "unix:///run/docker.sock", "REMEDIATION_MODE": "Dry-Run", "REMEDIATION_CONTAINERS": "one, two,one", "POLICY_FILE": "policy.yaml",
		"PROXY_LISTEN": "0.0.0.0:2376", "PROXY_CALLERS": "Trade-Monitor, 10.1.2.3,fd00::1",
		"ASYNC_MONITOR_CONTAINER": "async", "ASYNC_MONITOR_TICKER_TIMEOUT": "5", "ASYNC_MONITOR_CHECK_INTERVAL": "30",
		"ASYNC_MONITOR_LOG_PATTERN": "synced \\d+", "TRADE_MONITOR_URL": "http://trade-monitor:5005/",
		"API_TOKENS": "svc:notify:a:b, ops:read+operate:c", "API_ANONYMOUS": "read",
		"TLS_CERT_FILE": "tls/cert.pem", "TLS_KEY_FILE": "/run/secrets/key.pem",
		"PUBLIC_URL": "https://tm.example/base/", "TRUSTED_PROXIES": "10.1.2.3/8,::1", "HTTPS_PROXY": "user:pw@proxy:3128", "HEARTBEAT_URL": "https://hc-ping.com/token",
		"RETENTION_DAYS": "90", "TZ": "Europe/Berlin", "MESSAGE_LANGUAGE": "EN",
	})
	assert.Equal(t, 8080, cfg.Port)
	assert.Equal(t, "0.0.0.0", cfg.ListenHost)
	assert.Equal(t, "/var/lib/tm", cfg.DataDir)
	assert.Equal(t, "/var/log/tm", cfg.LogDir)
	assert.Equal(t, "json", cfg.LogFormat)
	assert.Equal(t, config.MySQL{Host: "db.example", Port: 3307, User: "tm", Password: " p:w ", Database: "trade", TLS: "preferred"}, cfg.MySQL)
	assert.Equal(t, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k", cfg.Webhook.Reveal())
	assert.Equal(t, []alerting.Mention{{From: alerting.Error, Mobiles: []alerting.Mobile{"13800000000", "13900000000"}, All: true}}, cfg.Callees)
	assert.NotContains(t, fmt.Sprintf("%+v", cfg), "13800000000", "nobody's number is printed")
	assert.Equal(t, []string{"qyapi.weixin.qq.com", "127.0.0.1:9"}, cfg.AllowedHosts)
	assert.Equal(t, "unix:///run/docker.sock", cfg.DockerHost)
	assert.Equal(t, alerting.DryRun, cfg.Mode)
	assert.Equal(t, []string{"one", "two"}, cfg.Containers)
	assert.Equal(t, "policy.yaml", cfg.PolicyFile)
	assert.Equal(t, config.SocketProxy{Listen: "0.0.0.0:2376", Callers: []string{"trade-monitor", "10.1.2.3", "fd00::1"}}, cfg.SocketProxy)
	assert.Equal(t, "async", cfg.Async.Container)
	assert.Equal(t, 5*time.Minute, cfg.Async.Timeout)
	assert.Equal(t, 30*time.Second, cfg.Async.CheckInterval)
	assert.True(t, cfg.Async.LogPattern.MatchString("synced 3"))
	assert.Equal(t, "http://trade-monitor:5005", cfg.Async.TradeMonitorURL)
	assert.Equal(t, []config.Token{
		{Name: "svc", Scopes: []string{"notify"}, Secret: "a:b"},
		{Name: "ops", Scopes: []string{"read", "operate"}, Secret: "c"},
	}, cfg.Tokens)
	assert.Equal(t, []string{"read"}, cfg.Anonymous)
	assert.True(t, cfg.AnonymousSet)
	assert.Equal(t, config.TLS{CertFile: "tls/cert.pem", KeyFile: "/run/secrets/key.pem"}, cfg.TLS)
	assert.True(t, cfg.TLS.Configured())
	assert.Equal(t, "https://tm.example/base", cfg.PublicURL)
	assert.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}, cfg.TrustedProxies)
	assert.Equal(t, "http://user:pw@proxy:3128", cfg.HTTPSProxy.Reveal())
	assert.Equal(t, "https://hc-ping.com/token", cfg.HeartbeatURL.Reveal())
	assert.Equal(t, 90, cfg.RetentionDays)
	assert.Equal(t, "Europe/Berlin", cfg.Location.String())
	assert.Equal(t, alerting.English, cfg.Language)
}

func TestSetToNothingMeansDefaultExceptForTheAllowList(t *testing.T) {
	empty := env{}
	for name := range exampleNames(t) {
		empty[name] = " "
	}
	empty["MYSQL_PASSWORD"] = ""
	cfg, defaults := load(t, empty), load(t, env{})
	assert.Empty(t, cfg.Containers, "REMEDIATION_CONTAINERS= means that nothing may be restarted")
	cfg.Containers = defaults.Containers
	assert.Equal(t, defaults, cfg)
}

func TestOneBadValueStopsTheStart(t *testing.T) {
	mysql := env{"MYSQL_HOST": "db", "MYSQL_USER": "u", "MYSQL_DATABASE": "d"}
	for _, c := range []struct {
		name, value string
		with        env
	}{
		{name: "PORT", value: "http"}, {name: "PORT", value: "70000"}, {name: "PORT", value: "-1"},
		{name: "LISTEN_HOST", value: "a b"},
		{name: "DATA_DIR", value: "a\x00b"}, {name: "LOG_DIR", value: "a\nb"}, {name: "POLICY_FILE", value: "a\nb"},
		{name: "LOG_FORMAT", value: "xml"},
		{name: "MYSQL_PORT", value: "3306"}, {name: "MYSQL_USER", value: "u"}, {name: "MYSQL_PASSWORD", value: "p"},
		{name: "MYSQL_DATABASE", value: "d"}, {name: "MYSQL_TLS", value: "true"},
		{name: "MYSQL_HOST", value: "db:3306", with: mysql}, {name: "MYSQL_HOST", value: "mysql://db", with: mysql},
		{name: "MYSQL_PORT", value: "0", with: mysql}, {name: "MYSQL_TLS", value: "yes", with: mysql},
		{name: "MYSQL_USER", value: "", with: mysql}, {name: "MYSQL_DATABASE", value: "", with: mysql},
		{name: "WECHAT_WEBHOOK_URL", value: "key"}, {name: "WECHAT_WEBHOOK_URL", value: "https://evil.example/send?key=k"},
		{name: "WECHAT_WEBHOOK_URL", value: "http://qyapi.weixin.qq.com/send?key=k"}, {name: "WECHAT_WEBHOOK_URL", value: "ftp://qyapi.weixin.qq.com/"},
		{name: "WECHAT_WEBHOOK_URL", value: "http://127.0.0.1:9/send?key=k"},
		{name: "WECHAT_MENTION_MOBILES", value: "mum"}, {name: "WECHAT_MENTION_MOBILES", value: "1380000000"}, {name: "WECHAT_MENTION_MOBILES", value: "13800000000;zhang"}, {name: "WECHAT_ALLOWED_HOSTS", value: "*.qq.com"}, {name: "WECHAT_ALLOWED_HOSTS", value: "https://qq.com"},
		{name: "DOCKER_HOST", value: "/run/docker.sock"}, {name: "DOCKER_HOST", value: "tcp://"}, {name: "DOCKER_HOST", value: "ssh://host"}, {name: "DOCKER_HOST", value: "https://host"},
		{name: "REMEDIATION_MODE", value: "on"},
		{name: "REMEDIATION_CONTAINERS", value: "*"}, {name: "REMEDIATION_CONTAINERS", value: "async-*"}, {name: "REMEDIATION_CONTAINERS", value: "ok,../x"},
		{name: "PROXY_LISTEN", value: "2375"}, {name: "PROXY_LISTEN", value: "tcp://0.0.0.0:2375"}, {name: "PROXY_LISTEN", value: "host:70000"}, {name: "PROXY_LISTEN", value: "a b:1"},
		{name: "PROXY_CALLERS", value: "10.0.0.0/8"}, {name: "PROXY_CALLERS", value: "*"}, {name: "PROXY_CALLERS", value: "host:80"},
		{name: "ASYNC_MONITOR_CONTAINER", value: "a*"},
		{name: "ASYNC_MONITOR_TICKER_TIMEOUT", value: "0"}, {name: "ASYNC_MONITOR_TICKER_TIMEOUT", value: "-3m"}, {name: "ASYNC_MONITOR_TICKER_TIMEOUT", value: "soon"},
		{name: "ASYNC_MONITOR_TICKER_TIMEOUT", value: "NaN"}, {name: "ASYNC_MONITOR_TICKER_TIMEOUT", value: "1e300"}, {name: "ASYNC_MONITOR_TICKER_TIMEOUT", value: "+Inf"},
		{name: "ASYNC_MONITOR_CHECK_INTERVAL", value: "1ms"}, {name: "ASYNC_MONITOR_CHECK_INTERVAL", value: "9999999"},
		{name: "ASYNC_MONITOR_LOG_PATTERN", value: "("},
		{name: "TRADE_MONITOR_URL", value: "trade-monitor:5005"}, {name: "TRADE_MONITOR_URL", value: "http://u:p@tm"},
		{name: "API_TOKENS", value: "secret"}, {name: "API_TOKENS", value: "a:read:"}, {name: "API_TOKENS", value: "a:write:s"}, {name: "API_TOKENS", value: "a::s"},
		{name: "API_TOKENS", value: "a:read:s,a:read:t"}, {name: "API_TOKENS", value: "a:read:s,b:read:s"}, {name: "API_TOKENS", value: "a:read:s,,b:read:t"},
		{name: "API_TOKENS", value: "a b:read:s"}, {name: "API_TOKENS", value: ","},
		{name: "API_ANONYMOUS", value: "everything"},
		{name: "TLS_CERT_FILE", value: "a\nb", with: env{"TLS_KEY_FILE": "key.pem"}}, {name: "TLS_KEY_FILE", value: "a\x00b", with: env{"TLS_CERT_FILE": "cert.pem"}},
		{name: "TLS_CERT_FILE", value: "", with: env{"TLS_KEY_FILE": "key.pem"}}, {name: "TLS_KEY_FILE", value: "", with: env{"TLS_CERT_FILE": "cert.pem"}},
		{name: "PUBLIC_URL", value: "tm.example"}, {name: "PUBLIC_URL", value: "javascript://x"}, {name: "PUBLIC_URL", value: "https://tm?x=1"},
		{name: "TRUSTED_PROXIES", value: "proxy"}, {name: "TRUSTED_PROXIES", value: "10.0.0.0/99"},
		{name: "HEARTBEAT_URL", value: "hc-ping.com/token"}, {name: "HEARTBEAT_URL", value: "ftp://hc-ping.com/token"}, {name: "HEARTBEAT_URL", value: "https:///token"}, {name: "HEARTBEAT_URL", value: "https://h:port/token"},
		{name: "HTTPS_PROXY", value: "ftp://proxy"}, {name: "HTTPS_PROXY", value: "http://"},
		{name: "RETENTION_DAYS", value: "-1"}, {name: "RETENTION_DAYS", value: "1.5"},
		{name: "TZ", value: "Mars/Olympus"}, {name: "TZ", value: "Local"}, {name: "TZ", value: "../etc/passwd"},
		{name: "MESSAGE_LANGUAGE", value: "fr"},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			e := env{}
			maps.Copy(e, c.with)
			e[c.name] = c.value
			assert.Equal(t, []string{c.name}, refused(t, e))
		})
	}
}

func TestEveryProblemIsNamedAtOnce(t *testing.T) {
	names := refused(t, env{"PORT": "x", "TZ": "x", "REMEDIATION_MODE": "x", "MYSQL_USER": "x", "API_TOKENS": "x,y:read:z,w"})
	assert.ElementsMatch(t, []string{"PORT", "TZ", "REMEDIATION_MODE", "MYSQL_USER", "API_TOKENS", "API_TOKENS"}, names)

	_, err := config.Load(context.Background(), env{"PORT": "x", "API_TOKENS": "y:read:z,w"}.lookup)
	assert.EqualError(t, err, "配置有 2 处错误，无法启动 (problems in the configuration: 2; not started)：\n"+
		"  - PORT：必须是 0 到 65535 的整数 (must be a whole number from 0 to 65535)\n"+
		"  - API_TOKENS：第 2 项：格式为 名称:权限:密钥，名称和密钥不能重复；权限只能是 read、notify、operate（用 + 连接）或 all"+
		" (item 2: write name:scopes:secret, each name and each secret once; scopes are read, notify and operate, joined by +, or all)")
}

func TestAccepted(t *testing.T) {
	t.Run("numbers with a unit of their own", func(t *testing.T) {
		for value, want := range map[string]time.Duration{"3": 3 * time.Minute, "0.5": 30 * time.Second, "90s": 90 * time.Second, "1h": time.Hour} {
			assert.Equal(t, want, load(t, env{"ASYNC_MONITOR_TICKER_TIMEOUT": value}).Async.Timeout, value)
		}
		for value, want := range map[string]time.Duration{"60": time.Minute, "2m": 2 * time.Minute, "1.5": 1500 * time.Millisecond} {
			assert.Equal(t, want, load(t, env{"ASYNC_MONITOR_CHECK_INTERVAL": value}).Async.CheckInterval, value)
		}
	})
	t.Run("the guide's placeholder", func(t *testing.T) {
		cfg := load(t, env{"WECHAT_WEBHOOK_URL": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=YOUR_KEY_HERE"})
		assert.True(t, alerting.Placeholder(cfg.Webhook))
	})
	t.Run("plain http for a listed loopback host", func(t *testing.T) {
		for _, host := range []string{"127.0.0.1", "localhost", "[::1]"} {
			cfg := load(t, env{"WECHAT_WEBHOOK_URL": "http://" + host + ":8099/send?key=k", "WECHAT_ALLOWED_HOSTS": host + ":8099"})
			assert.Equal(t, "http://"+host+":8099/send?key=k", cfg.Webhook.Reveal())
		}
	})
	t.Run("a robot's host with and without its port", func(t *testing.T) {
		for _, allowed := range []string{"qyapi.weixin.qq.com", "qyapi.weixin.qq.com:443", "other.example,QYAPI.weixin.qq.com"} {
			load(t, env{"WECHAT_WEBHOOK_URL": "https://qyapi.weixin.qq.com/send?key=k", "WECHAT_ALLOWED_HOSTS": allowed})
		}
		names := refused(t, env{"WECHAT_WEBHOOK_URL": "https://qyapi.weixin.qq.com/send?key=k", "WECHAT_ALLOWED_HOSTS": "qyapi.weixin.qq.com:8443"})
		assert.Equal(t, []string{"WECHAT_WEBHOOK_URL"}, names)
	})
	t.Run("MySQL by socket and by IPv6", func(t *testing.T) {
		for _, host := range []string{"/run/mysqld/mysqld.sock", "::1", "[2001:db8::1]", "10.0.0.1"} {
			cfg := load(t, env{"MYSQL_HOST": host, "MYSQL_USER": "u", "MYSQL_DATABASE": "d"})
			assert.Equal(t, host, cfg.MySQL.Host)
			assert.Equal(t, 3306, cfg.MySQL.Port)
		}
	})
}

func TestWhatCallersWithoutATokenMayDo(t *testing.T) {
	for _, c := range []struct {
		because   string
		e         env
		want      []string
		wantIsSet bool
	}{
		{"no tokens: everything", env{}, config.Scopes, false},
		{"tokens: nothing", env{"API_TOKENS": "a:all:s"}, nil, false},
		{"tokens, and said so", env{"API_TOKENS": "a:all:s", "API_ANONYMOUS": "read, notify"}, []string{"read", "notify"}, true},
		{"no tokens, and taken away", env{"API_ANONYMOUS": "none"}, nil, true},
		{"no tokens, and said so", env{"API_ANONYMOUS": "all"}, config.Scopes, true},
	} {
		t.Run(c.because, func(t *testing.T) {
			cfg := load(t, c.e)
			assert.Equal(t, c.want, cfg.Anonymous)
			assert.Equal(t, c.wantIsSet, cfg.AnonymousSet)
		})
	}
	assert.Equal(t, config.Scopes, load(t, env{"API_TOKENS": "a:all:s"}).Tokens[0].Scopes)
}

func TestPolicyIsTheDefaultWithWhatTheEnvironmentSays(t *testing.T) {
	unset := load(t, env{}).Policy()
	want := alerting.DefaultPolicy()
	assert.Equal(t, "Asia/Shanghai", unset.Location.String())
	unset.Location = want.Location
	require.Len(t, unset.Logs, 1, "the guide's watch needs no setting")
	assert.Equal(t, alerting.LogRule{
		Container: "aifuturetrade-async-service", Progress: alerting.TickerLine(), Timeout: 3 * time.Minute, Interval: time.Minute,
		AlertType: alerting.TickerSyncTimeout, Severity: alerting.Error,
	}, unset.Logs[0])
	unset.Logs = nil
	assert.Equal(t, want, unset, "an empty environment is the default policy")

	policy := load(t, env{
		"REMEDIATION_MODE": "off", "REMEDIATION_CONTAINERS": "", "MESSAGE_LANGUAGE": "en", "TZ": "UTC",
		"WECHAT_WEBHOOK_URL":           "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k",
		"ASYNC_MONITOR_TICKER_TIMEOUT": "10s", "ASYNC_MONITOR_CHECK_INTERVAL": "5s",
	}).Policy()
	assert.Equal(t, alerting.Off, policy.Mode)
	assert.False(t, policy.Lists("aifuturetrade-async-service"))
	assert.Equal(t, alerting.English, policy.Language)
	assert.Equal(t, time.UTC.String(), policy.Location.String())
	assert.Equal(t, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k", policy.Fallback.Reveal())
	assert.Equal(t, 75*time.Second, policy.Rule(alerting.TickerSyncTimeout).Symptom, "threshold + interval + 60 s")
	assert.Equal(t, 5*time.Minute, policy.Rule(alerting.ContainerDown).Symptom)
}

func TestTheLogThatIsWatchedIsTheEnvironments(t *testing.T) {
	for _, off := range []string{"off", "OFF"} {
		assert.Empty(t, load(t, env{"ASYNC_MONITOR_LOG_PATTERN": off}).Policy().Logs)
	}
	logs := load(t, env{"ASYNC_MONITOR_LOG_PATTERN": `tick \d+`, "ASYNC_MONITOR_CONTAINER": "gateway", "ASYNC_MONITOR_TICKER_TIMEOUT": "5s", "ASYNC_MONITOR_CHECK_INTERVAL": "1"}).Policy().Logs
	require.Len(t, logs, 1)
	assert.Equal(t, "gateway", logs[0].Container)
	assert.Equal(t, `tick \d+`, logs[0].Progress.String())
	assert.Equal(t, 5*time.Second, logs[0].Timeout)
	assert.Equal(t, time.Second, logs[0].Interval)
}

func TestACancelledContextIsNotMistakenForABadValue(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := config.Load(ctx, env{}.lookup)
	var invalid *config.InvalidError
	assert.False(t, errors.As(err, &invalid))
}
