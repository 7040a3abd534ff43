// Package socketproxy stands between Trade Monitor and the Docker socket. It
// lets through the calls of docker.Calls and nothing else, acts on the
// containers only that policy or a label admits, shows logs only of those and of
// the watched ones, and takes out of every answer what we do not need: an
// inspect holds the environment of a container, which is to say its secrets.
//
// Whoever takes over the monitor has these calls, and no others. The package is
// strict instead of clever: what it does not know by its exact form is refused.
package socketproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
)

// Options are what a proxy needs.
type Options struct {
	Host   string                 // of the engine: unix:///path, tcp://host:port or http://host:port; empty: docker.DefaultHost
	Policy func() alerting.Policy // which containers it names
	Self   func(id, upperDir string) bool
	Log    *slog.Logger
}

// Proxy is the handler. It is safe for concurrent use.
type Proxy struct {
	engine *http.Transport
	policy func() alerting.Policy
	self   func(id, upperDir string) bool
	log    *slog.Logger
	told   *told
}

// New makes a proxy in front of an engine, which may be away.
func New(o Options) (*Proxy, error) {
	engine, err := transport(o.Host)
	if err != nil {
		return nil, err
	}
	return &Proxy{engine: engine, policy: o.Policy, self: o.Self, log: o.Log, told: newTold(o.Log, time.Now)}, nil
}

// What a slow or hostile client can hold, and how long.
const (
	headerTime     = 5 * time.Second // from the first byte to the end of the headers
	idleTime       = 2 * time.Minute // between two requests
	maxHeaderBytes = 12 << 10        // net/http allows some 4 KiB more than it is told
)

// Server makes the server, for these host names and addresses; none: for
// whoever reaches it. There is no limit to the time of a whole request: it would
// cut streams.
func (p *Proxy) Server(callers []string) *http.Server {
	return &http.Server{
		Handler: p.onlyFor(callers), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeaderBytes,
		DisableGeneralOptionsHandler: true, // nothing is answered past us
		ErrorLog:                     slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := p.serve(w, r); err != nil {
		p.refuse(w, r, err)
	}
}

// serve answers what may pass; an error is the answer to all else.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) error {
	c, err := recognise(r)
	if err != nil {
		return err
	}
	if c.container == "" {
		return p.forward(w, r, c)
	}
	found, err := p.look(r.Context(), c)
	if err != nil {
		return err
	}
	if err := p.admit(r.Context(), c, found); err != nil {
		return err
	}
	if c.Path == inspectPath {
		answer(w, http.StatusOK, found)
		return nil
	}
	c.container = found.ID // whatever has this name in a moment: it is this one that was admitted
	if c.Acts {
		p.log.Info("放行 (let through)", "call", c.name(), "container", found.name(), "id", found.ID)
	}
	return p.forward(w, r, c)
}

// admit checks a call against what the container is.
func (p *Proxy) admit(ctx context.Context, c call, found inspected) error {
	s := subject{name: found.name(), ours: found.isOf(p.self)}
	s.restart, s.watch = found.labelled(docker.Label), found.labelled(docker.WatchLabel)
	if c.Acts && !s.ours {
		image, err := p.ownImage(ctx)
		if err != nil {
			return err
		}
		s.ours = image != "" && image == found.Image
	}
	return s.admits(c, p.policy())
}

// forward passes a call on, and its answer back as it comes.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, c call) error {
	reduce, known := answers[c.Path]
	if !known && !c.Acts {
		return refused("unlisted", "没有规定这个调用的应答可以含有什么 (nothing says what the answer to this call may hold)")
	}
	var failed error
	forward := httputil.ReverseProxy{
		Transport:     p.engine,
		Rewrite:       func(pr *httputil.ProxyRequest) { rewrite(pr.Out, c) },
		FlushInterval: -1, // each line of a stream leaves as it comes
		ErrorHandler:  func(_ http.ResponseWriter, _ *http.Request, err error) { failed = unanswered(err) },
		ErrorLog:      slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	if reduce != nil {
		forward.ModifyResponse = reduce
	}
	forward.ServeHTTP(w, r)
	return failed
}

// rewrite makes the request to the engine anew: nothing of the caller's is in it
// that was not recognised, and no body or header at all.
func rewrite(out *http.Request, c call) {
	out.URL = &url.URL{Scheme: "http", Host: "docker", Path: c.path(), RawQuery: c.query.Encode()}
	out.Host = "docker"
	out.Header = http.Header{"User-Agent": {"trade-monitor"}}
	out.Body, out.ContentLength, out.TransferEncoding, out.Trailer = http.NoBody, 0, nil, nil
}

// unanswered is the answer when the engine gives none.
func unanswered(err error) error {
	if errors.Is(err, errUnreadable) {
		return &refusal{status: http.StatusBadGateway, kind: "unreadable", text: "引擎的应答无法解析 (the engine's answer cannot be read)"}
	}
	return &refusal{status: http.StatusBadGateway, kind: "unreachable", gone: errors.Is(err, context.Canceled), text: "Docker 引擎没有应答 (the engine does not answer)"}
}

// bodyTime is how long a refused request may go on sending.
const bodyTime = 2 * time.Second

// refuse answers in the engine's own form, and tells the operator.
func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var no *refusal
	if !errors.As(err, &no) {
		no = &refusal{status: http.StatusBadGateway, kind: "failed", text: "内部错误 (internal error)"}
	}
	if r.ContentLength != 0 {
		// The server would read what is still to come, however slowly it does.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	}
	if !no.quiet && !no.gone {
		p.told.tell(r, no)
	}
	answer(w, no.status, message{no.text})
}

// refusal is an answer of ours that is not the engine's.
type refusal struct {
	status    int
	kind      string // of refusals that are told once
	call      string // as docker.Calls has it; empty: not one of them
	container string
	text      string
	gone      bool // nobody waits for it any more
	quiet     bool // it is the engine's own verdict, or no news
}

func (e *refusal) Error() string { return e.text }

// refused is a refusal by our rules.
func refused(kind, format string, args ...any) *refusal {
	return &refusal{status: http.StatusForbidden, kind: kind, text: "socket-proxy: " + fmt.Sprintf(format, args...)}
}

// discard lets a connection to the engine be used again.
func discard(body io.ReadCloser) {
	_, _ = io.Copy(io.Discard, io.LimitReader(body, 64<<10))
	_ = body.Close()
}
