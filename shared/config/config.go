package config

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"

	"trade-monitor/shared/alerting"
)

// Lookup finds the value of a name and tells whether it is set, as
// os.LookupEnv does.
type Lookup = func(name string) (value string, set bool)

// Config is the environment, parsed and checked. Secrets redact themselves, so
// it may be printed.
type Config struct {
	Port       int // 0: any free port
	ListenHost string
	DataDir    string
	LogDir     string
	LogFormat  string // text or json

	MySQL MySQL

	Webhook      alerting.Secret    // of the robot that is told when no group is; may be the guide's placeholder
	Callees      []alerting.Mention // by WECHAT_MENTION_MOBILES, for rules that name nobody themselves
	AllowedHosts []string           // of robots; lower case

	DockerHost string // empty: the client's default
	Mode       alerting.Mode
	Containers []string // the allow-list; empty: none
	PolicyFile string   // empty: the default policy

	SocketProxy SocketProxy

	Async Async

	Tokens       []Token
	Anonymous    []string // what callers without a token may do, by API_ANONYMOUS or by default
	AnonymousSet bool     // whether API_ANONYMOUS said so

	TLS TLS

	PublicURL      string // without a slash at the end; empty: no links in messages
	TrustedProxies []netip.Prefix
	HTTPSProxy     alerting.Secret // a URL, perhaps with a password; empty: none
	HeartbeatURL   alerting.Secret // requested while all is well; holds a token; empty: none
	RetentionDays  int             // 0: keep all

	Location *time.Location
	Language alerting.Language
}

// MySQL says how to reach MySQL or MariaDB.
type MySQL struct {
	Host     string // a host or the path of a socket; empty: the embedded database is used
	Port     int
	User     string
	Password alerting.Secret
	Database string
	TLS      string // true, false, skip-verify, preferred, or empty
}

// Configured tells whether MySQL is used rather than the embedded database.
func (m MySQL) Configured() bool { return m.Host != "" }

// TLS names the files that the service answers https with.
type TLS struct {
	CertFile string // PEM, the whole chain; empty: plain http
	KeyFile  string // PEM
}

// Configured tells whether https is served.
func (t TLS) Configured() bool { return t.CertFile != "" }

// SocketProxy says where `trade-monitor socket-proxy` listens, and to whom.
type SocketProxy struct {
	Listen  string   // host:port
	Callers []string // host names and addresses; empty: whoever reaches it
}

// Async says how the async-service is watched.
type Async struct {
	Container       string
	Timeout         time.Duration  // without progress
	CheckInterval   time.Duration  // between two looks
	LogPattern      *regexp.Regexp // of a line that shows progress; nil: a ticker's sync line
	LogOff          bool           // the log is not watched
	TradeMonitorURL string         // where the service posts; without a slash at the end
}

// Token is one caller's right to use the API.
type Token struct {
	Name   string
	Scopes []string
	Secret alerting.Secret
}

// The scopes that a caller may have.
const (
	ScopeRead    = "read"
	ScopeNotify  = "notify"
	ScopeOperate = "operate"
)

// Scopes lists them all.
var Scopes = []string{ScopeRead, ScopeNotify, ScopeOperate}

// environment holds every name with its default. All fields are strings on
// purpose: envconfig stops at the first value it cannot convert, and the start
// must name every problem at once.
type environment struct {
	Port       string `env:"PORT,default=5005"`
	ListenHost string `env:"LISTEN_HOST,default=127.0.0.1"`
	DataDir    string `env:"DATA_DIR,default=./data"`
	LogDir     string `env:"LOG_DIR,default=./logs"`
	LogFormat  string `env:"LOG_FORMAT,default=text"`

	MySQLHost     string `env:"MYSQL_HOST"`
	MySQLPort     string `env:"MYSQL_PORT"`
	MySQLUser     string `env:"MYSQL_USER"`
	MySQLPassword string `env:"MYSQL_PASSWORD"`
	MySQLDatabase string `env:"MYSQL_DATABASE"`
	MySQLTLS      string `env:"MYSQL_TLS"`

	Webhook        string `env:"WECHAT_WEBHOOK_URL"`
	MentionMobiles string `env:"WECHAT_MENTION_MOBILES"`
	AllowedHosts   string `env:"WECHAT_ALLOWED_HOSTS,default=qyapi.weixin.qq.com"`

	DockerHost string `env:"DOCKER_HOST"`
	Mode       string `env:"REMEDIATION_MODE,default=auto"`
	Containers string `env:"REMEDIATION_CONTAINERS,default=aifuturetrade-async-service"`
	PolicyFile string `env:"POLICY_FILE"`

	ProxyListen  string `env:"PROXY_LISTEN,default=127.0.0.1:2375"`
	ProxyCallers string `env:"PROXY_CALLERS"`

	AsyncContainer  string `env:"ASYNC_MONITOR_CONTAINER,default=aifuturetrade-async-service"`
	AsyncTimeout    string `env:"ASYNC_MONITOR_TICKER_TIMEOUT,default=3"`
	AsyncInterval   string `env:"ASYNC_MONITOR_CHECK_INTERVAL,default=60"`
	AsyncPattern    string `env:"ASYNC_MONITOR_LOG_PATTERN"`
	TradeMonitorURL string `env:"TRADE_MONITOR_URL"`

	Tokens    string `env:"API_TOKENS"`
	Anonymous string `env:"API_ANONYMOUS"`

	TLSCertFile string `env:"TLS_CERT_FILE"`
	TLSKeyFile  string `env:"TLS_KEY_FILE"`

	PublicURL      string `env:"PUBLIC_URL"`
	TrustedProxies string `env:"TRUSTED_PROXIES"`
	HTTPSProxy     string `env:"HTTPS_PROXY"`
	HeartbeatURL   string `env:"HEARTBEAT_URL"`
	RetentionDays  string `env:"RETENTION_DAYS,default=0"`

	TZ       string `env:"TZ,default=Asia/Shanghai"`
	Language string `env:"MESSAGE_LANGUAGE,default=zh-CN"`
}

// Load reads the configuration. Its error is an *InvalidError that names every
// problem.
func Load(ctx context.Context, lookup Lookup) (Config, error) {
	var env environment
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &env, Lookuper: envconfig.LookuperFunc(tidy(lookup))}); err != nil {
		return Config{}, fmt.Errorf("read the environment: %w", err)
	}
	p := &problems{}
	cfg := Config{}
	p.serving(&cfg, env)
	p.storing(&cfg, env)
	p.telling(&cfg, env)
	p.healing(&cfg, env)
	p.guarding(&cfg, env)
	p.watching(&cfg, env)
	p.admitting(&cfg, env)
	if err := p.orNil(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// tidy trims what people paste, and takes a name that is set to nothing as not
// set: compose files pass `NAME=${NAME:-}`. Two names differ: an empty
// allow-list means that nothing is allowed, and spaces may belong to a
// password.
func tidy(lookup Lookup) Lookup {
	return func(name string) (string, bool) {
		value, set := lookup(name)
		if name != "MYSQL_PASSWORD" {
			value = strings.TrimSpace(value)
		}
		return value, set && (value != "" || name == "REMEDIATION_CONTAINERS")
	}
}

// Fallback is the robot of WECHAT_WEBHOOK_URL.
func (c Config) Fallback() alerting.Secret { return c.Webhook }

// OperateByToken tells whether whoever wants to act by the API needs a token.
func (c Config) OperateByToken() bool { return !slices.Contains(c.Anonymous, "operate") }

// Policy is the default policy with what the environment says about it.
func (c Config) Policy() alerting.Policy {
	policy := alerting.DefaultPolicy()
	policy.Mode = c.Mode
	policy.Containers = c.Containers
	policy.Fallback = c.Webhook
	policy.Language = c.Language
	policy.Location = c.Location

	// How long one event proves a stall follows from how the stall is found.
	ticker := policy.Rules[alerting.TickerSyncTimeout]
	ticker.Symptom = c.Async.Timeout + c.Async.CheckInterval + time.Minute
	policy.Rules[alerting.TickerSyncTimeout] = ticker
	policy.Logs = c.Async.logs()
	c.call(&policy)
	return policy
}

// call gives the people of WECHAT_MENTION_MOBILES to every rule; a file that says
// mention replaces them.
func (c Config) call(p *alerting.Policy) {
	p.Default.Mentions = c.Callees
	for name, rule := range p.Rules {
		rule.Mentions = c.Callees
		p.Rules[name] = rule
	}
}

// logs is the guide's watch.
func (a Async) logs() []alerting.LogRule {
	if a.LogOff || a.Container == "" {
		return nil
	}
	return []alerting.LogRule{a.logRule(a.Container)}
}

// logRule is how a container's log is watched where nothing else is said.
func (a Async) logRule(container string) alerting.LogRule {
	progress := alerting.TickerLine()
	if a.LogPattern != nil {
		progress = alerting.NewLinePattern(a.LogPattern)
	}
	return alerting.LogRule{
		Container: container, Progress: progress, Timeout: a.Timeout, Interval: a.CheckInterval,
		AlertType: alerting.TickerSyncTimeout, Severity: alerting.Error,
	}
}
