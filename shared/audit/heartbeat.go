package audit

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"

	"trade-monitor/shared/alerting"
)

const (
	// beatTime bounds one request, from dialling to the answer.
	beatTime = 10 * time.Second
	// firstBeat is after how long the first request is made: the first audit has
	// ended by then, as a rule.
	firstBeat = 5 * time.Second
	// maxRedirects is how far an address may lead on.
	maxRedirects = 5
)

// The results of a beat.
const (
	BeatSent     = "sent"     // answered with 2xx
	BeatFailed   = "failed"   // not answered so
	BeatWithheld = "withheld" // not all is well
)

// HeartbeatOptions are what a Heartbeat needs.
type HeartbeatOptions struct {
	URL   alerting.Secret // http or https; holds a token, as a rule
	Proxy alerting.Secret // on the way by https; empty: what HTTPS_PROXY of the process says
	// Well returns nil while all is well, or why it is not.
	Well func(ctx context.Context) error
	Note func(result string) // is told of each beat; nil: nobody
	Log  *slog.Logger        // nil: nothing is logged
	HTTP http.RoundTripper   // nil: a transport of our own
}

// Heartbeat requests an address outside every minute, while all is well. Who
// listens there alarms when that stops: also when we can no longer.
type Heartbeat struct {
	o      HeartbeatOptions
	client *http.Client
	last   string // result, and why
}

// NewHeartbeat makes a heartbeat; Run starts it.
func NewHeartbeat(o HeartbeatOptions) *Heartbeat {
	if o.Note == nil {
		o.Note = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.HTTP == nil {
		o.HTTP = newTransport(o.Proxy)
	}
	return &Heartbeat{o: o, client: &http.Client{Transport: o.HTTP, Timeout: beatTime, CheckRedirect: mayFollow}}
}

func newTransport(proxy alerting.Secret) *http.Transport {
	choose := http.ProxyFromEnvironment
	if proxy != "" {
		through := (&httpproxy.Config{HTTPSProxy: proxy.Reveal()}).ProxyFunc()
		choose = func(r *http.Request) (*url.URL, error) { return through(r.URL) }
	}
	// A connection a minute is cheaper than one that is kept.
	return &http.Transport{Proxy: choose, TLSHandshakeTimeout: beatTime, DisableKeepAlives: true}
}

var (
	errScheme    = errors.New("重定向到另一种协议，未跟随 (redirected to another scheme, not followed)")
	errRedirects = errors.New("重定向过多 (too many redirects)")
)

// mayFollow keeps a redirect from giving the address away: to a plain connection,
// or in a Referer.
func mayFollow(next *http.Request, via []*http.Request) error {
	switch {
	case next.URL.Scheme != via[0].URL.Scheme:
		return errScheme
	case len(via) > maxRedirects:
		return errRedirects
	}
	next.Header.Del("Referer")
	return nil
}

// Run beats every minute until ctx ends.
func (h *Heartbeat) Run(ctx context.Context) error {
	for wait := firstBeat; ; wait = interval {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		h.beat(ctx)
	}
}

// beat makes one request, if all is well, and logs what is news.
func (h *Heartbeat) beat(ctx context.Context) {
	result, err := BeatSent, h.o.Well(ctx)
	if err != nil {
		result = BeatWithheld
	} else if err = h.Beat(ctx); err != nil {
		result = BeatFailed
	}
	if ctx.Err() != nil {
		return
	}
	h.o.Note(result)
	news := result
	if err != nil {
		news += ": " + err.Error()
	}
	if news == h.last {
		return
	}
	h.last = news
	switch result {
	case BeatSent:
		h.o.Log.Info("外部心跳正常 (the heartbeat outside is answered)")
	case BeatFailed:
		h.o.Log.Warn("外部心跳请求失败 (the heartbeat outside was not answered)", "error", err)
	default:
		h.o.Log.Warn("外部心跳暂停：并非一切正常 (the heartbeat outside is withheld: not all is well)", "why", err)
	}
}

// Beat asks for the address, whether or not all is well. Its error does not hold any part of it.
func (h *Heartbeat) Beat(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.o.URL.Reveal(), nil)
	if err != nil {
		return errors.New("地址无效 (bad address)")
	}
	req.Header.Set("User-Agent", "trade-monitor")
	res, err := h.client.Do(req)
	if err != nil {
		return describe(err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10)
	if res.StatusCode/100 != 2 {
		return errors.New("应答 (answer): HTTP " + http.StatusText(res.StatusCode))
	}
	return nil
}

// describe says what went wrong on the way in our own words: errors of the
// network name hosts, and *url.Error the whole address.
func describe(err error) error {
	var dns *net.DNSError
	var op *net.OpError
	var untrusted *tls.CertificateVerificationError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errScheme):
		return errScheme
	case errors.Is(err, errRedirects):
		return errRedirects
	case errors.As(err, &untrusted):
		return errors.New("证书不受信任 (the certificate is not trusted)")
	case errors.As(err, &dns):
		return errors.New("无法解析主机名 (DNS failed)")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("超时 (timed out)")
	case errors.As(err, &op) && op.Op == "dial":
		return errors.New("无法连接 (cannot connect)")
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return errors.New("代理无法连接 (the proxy cannot be reached)")
	}
	return errors.New("请求失败 (the request failed)")
}
