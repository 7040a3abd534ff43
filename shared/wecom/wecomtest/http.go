package wecomtest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
)

// ServeHTTP is the robots' end of a connection.
func (r *Robots) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	a, err := r.serve(req.Context(), req)
	if a.reset {
		sever(w)
	}
	if err != nil || a.cut {
		// net/http closes the connection without an answer and without a trace.
		panic(http.ErrAbortHandler)
	}
	for name, values := range a.header() {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// sever makes the end of a connection a reset.
func sever(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // it is cut in order then
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (r *Robots) serve(ctx context.Context, req *http.Request) (reply, error) {
	if req.URL.Path != Path {
		return reply{status: http.StatusNotFound, html: true, body: "<html><body><h1>404 Not Found</h1></body></html>"}, nil
	}
	key := req.URL.Query().Get("key")
	if req.Method != http.MethodPost {
		return answer(key, codeNeedPost), nil
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, maxBody))
	if err != nil {
		return reply{}, err
	}
	return r.post(ctx, key, body), nil
}

func (a reply) header() http.Header {
	kind := "application/json; charset=UTF-8"
	if a.html {
		kind = "text/html; charset=utf-8"
	}
	return http.Header{"Content-Type": {kind}, "Content-Length": {strconv.Itoa(len(a.body))}}
}

// Transport reaches the robots without a network, whatever the host is, so
// that it works in a synctest bubble, where sockets do not block durably.
func (r *Robots) Transport() http.RoundTripper { return transport{r} }

type transport struct{ robots *Robots }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	type result struct {
		reply reply
		err   error
	}
	// The far end goes on when its client has left, as a real one does.
	came := make(chan result, 1)
	go func() {
		if req.Body != nil {
			defer func() { _ = req.Body.Close() }()
		}
		a, err := t.robots.serve(ctx, req)
		came <- result{a, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case got := <-came:
		if got.err != nil {
			return nil, got.err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if got.reply.reset {
			return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
		}
		if got.reply.cut {
			return nil, io.EOF // what net/http gives for a connection that was cut
		}
		return got.reply.response(req), nil
	}
}

func (a reply) response(req *http.Request) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header(), ContentLength: int64(len(a.body)),
		Body: io.NopCloser(strings.NewReader(a.body)), Request: req,
	}
}
