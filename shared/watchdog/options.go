package watchdog

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The user guide's values.
const (
	DefaultService       = "aifuturetrade-async-service"
	DefaultTimeout       = 3 * time.Minute
	DefaultCheckInterval = time.Minute
)

// Options say what to watch and whom to tell. Only URL is required.
type Options struct {
	URL           string        // of Trade Monitor, as in TRADE_MONITOR_URL: http://trade-monitor:5005
	Service       string        // serviceName: the name of the container to restart; default DefaultService
	Timeout       time.Duration // without progress before the first post; default DefaultTimeout
	CheckInterval time.Duration // between posts while stalled, and the longest wait between tries; default DefaultCheckInterval
	Token         string        // sent as a bearer token; empty: none. Never logged

	Client *http.Client // default: one of our own; each try has 10 s
	Log    *slog.Logger // default: none
	OnPost func(Post)   // called after every try, from the watchdog's goroutine
}

// Post is one try to tell Trade Monitor something.
type Post struct {
	Resolved bool // the service moves again; otherwise it is stalled
	Key      string
	Try      int   // from 1; a new key starts again at 1
	Status   int   // of the answer; 0: none came
	Err      error // nil: accepted. It shows neither the token nor the URL
}

// FromEnv reads the names of the user guide: TRADE_MONITOR_URL,
// ASYNC_MONITOR_CONTAINER, ASYNC_MONITOR_TICKER_TIMEOUT (minutes) and
// ASYNC_MONITOR_CHECK_INTERVAL (seconds); the two numbers may also be durations
// such as 90s. getenv is os.Getenv.
func FromEnv(getenv func(string) string) (Options, error) {
	timeout, timeoutErr := span(getenv, "ASYNC_MONITOR_TICKER_TIMEOUT", time.Minute)
	interval, intervalErr := span(getenv, "ASYNC_MONITOR_CHECK_INTERVAL", time.Second)
	return Options{
		URL:           strings.TrimSpace(getenv("TRADE_MONITOR_URL")),
		Service:       strings.TrimSpace(getenv("ASYNC_MONITOR_CONTAINER")),
		Timeout:       timeout,
		CheckInterval: interval,
	}, errors.Join(timeoutErr, intervalErr)
}

// longest keeps sums of times far from overflowing.
const longest = 7 * 24 * time.Hour

func span(getenv func(string) string, name string, unit time.Duration) (time.Duration, error) {
	value := strings.TrimSpace(getenv(name))
	if value == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(value)
	if n, notNumber := strconv.ParseFloat(value, 64); notNumber == nil {
		err, d = nil, 0
		if n > 0 && n <= float64(longest/unit) {
			d = time.Duration(n * float64(unit))
		}
	}
	if err != nil || d <= 0 || d > longest {
		return 0, fmt.Errorf("%s: 必须是不超过 7 天的数字或时长 (must be a number or a duration, at most 7 days)", name)
	}
	return d, nil
}

// complete fills in the defaults and checks the rest.
func (o Options) complete() (Options, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Hostname() == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return o, errors.New("watchdog: URL 必须是 Trade Monitor 的地址，如 http://trade-monitor:5005 (must be the address of Trade Monitor)")
	}
	if o.Timeout < 0 || o.CheckInterval < 0 || o.Timeout > longest || o.CheckInterval > longest {
		return o, errors.New("watchdog: Timeout 和 CheckInterval 必须在 0 到 7 天之间 (must be from 0 to 7 days)")
	}
	o.URL = base.JoinPath("api", "events", "notify").String()
	o.Service = orElse(o.Service, DefaultService)
	o.Timeout = orElse(o.Timeout, DefaultTimeout)
	o.CheckInterval = orElse(o.CheckInterval, DefaultCheckInterval)
	if o.Client == nil {
		// A redirect would turn the POST into a GET.
		o.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OnPost == nil {
		o.OnPost = func(Post) {}
	}
	return o, nil
}

func orElse[T comparable](value, other T) T {
	var zero T
	if value == zero {
		return other
	}
	return value
}
