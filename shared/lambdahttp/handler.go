// Package lambdahttp runs an http.Handler as an AWS Lambda function behind an
// HTTP API, and a pass of work on a schedule. It makes up for what the proxy
// library does otherwise than a plain server.
package lambdahttp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

// Invoke answers one Lambda event.
type Invoke func(ctx context.Context, payload json.RawMessage) (events.APIGatewayV2HTTPResponse, error)

// ErrEvent refuses an event of another kind than the function is for: the
// proxy library would take it for GET / and report success.
var ErrEvent = errors.New("not an event that this function answers")

// Handler makes a Lambda handler of an http.Handler. It answers HTTP API events
// of payload version 2.0 and refuses all others.
func Handler(h http.Handler, log *slog.Logger) Invoke {
	adapter := httpadapter.NewV2(asServed(h, log))
	return func(ctx context.Context, payload json.RawMessage) (events.APIGatewayV2HTTPResponse, error) {
		event, err := parse(payload)
		if err != nil {
			return events.APIGatewayV2HTTPResponse{}, err
		}
		if err := servable(&event); err != nil {
			log.WarnContext(ctx, "request cannot be read", "error", err)
			return badRequest(), nil
		}
		ctx = context.WithValue(ctx, headersKey{}, event.Headers)
		return adapter.ProxyWithContext(ctx, event)
	}
}

func parse(payload json.RawMessage) (events.APIGatewayV2HTTPRequest, error) {
	var event events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(payload, &event); err != nil {
		return event, fmt.Errorf("%w: not an HTTP API event", ErrEvent)
	}
	if event.Version != "2.0" || event.RequestContext.HTTP.Method == "" || event.RawPath == "" {
		return event, fmt.Errorf("%w: not an HTTP API event of version 2.0 (it has version %.10q)", ErrEvent, event.Version)
	}
	return event, nil
}

// servable prepares the event so that the proxy library cannot fail on it: the
// gateway delivers the path decoded, and a stray % in it is no function error.
func servable(event *events.APIGatewayV2HTTPRequest) error {
	event.RawPath = (&url.URL{Path: event.RawPath}).EscapedPath()
	if event.IsBase64Encoded {
		body, err := base64.StdEncoding.DecodeString(event.Body)
		if err != nil {
			return errors.New("the body is not base64")
		}
		event.Body, event.IsBase64Encoded = string(body), false
	}
	target := "https://" + event.RequestContext.DomainName + event.RawPath + "?" + event.RawQueryString
	if _, err := http.NewRequest(event.RequestContext.HTTP.Method, target, nil); err != nil {
		return errors.New("method, path or query cannot be read")
	}
	return nil
}

func badRequest() events.APIGatewayV2HTTPResponse {
	return events.APIGatewayV2HTTPResponse{
		StatusCode: http.StatusBadRequest,
		Headers:    map[string]string{"Content-Type": "application/json; charset=utf-8"},
		Body:       `{"success":false,"code":"invalid_argument","message":"请求无法解析 (the request cannot be read)","details":[]}`,
	}
}

type headersKey struct{}

// asServed gives the handler the request as net/http would, and the answer the
// rules of net/http.
func asServed(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		restore(r)
		answer := &answer{header: http.Header{}}
		serve(h, answer, r, log)
		answer.send(w)
	})
}

// restore undoes what the library does to a request: it splits header values at
// commas, and gives the address no port.
func restore(r *http.Request) {
	headers, _ := r.Context().Value(headersKey{}).(map[string]string)
	for name, value := range headers {
		r.Header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	if r.Header.Get("X-Request-Id") == "" {
		if lc, ok := lambdacontext.FromContext(r.Context()); ok {
			r.Header.Set("X-Request-Id", lc.AwsRequestID)
		}
	}
	r.RemoteAddr = net.JoinHostPort(r.RemoteAddr, "0")
}

// serve keeps a panic from ending the process: Lambda would start a new one.
func serve(h http.Handler, a *answer, r *http.Request, log *slog.Logger) {
	defer func() {
		if cause := recover(); cause != nil {
			log.ErrorContext(r.Context(), "panic", "path", r.URL.Path, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
			*a = answer{header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}
			a.WriteHeader(http.StatusInternalServerError)
			a.body.WriteString(`{"success":false,"code":"internal","message":"内部错误 (internal error)","details":[]}`)
		}
	}()
	h.ServeHTTP(a, r)
}

// answer is a response by net/http's rules: the first status wins, headers are
// settled with it, and nothing written means 200.
type answer struct {
	header http.Header
	sent   http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < http.StatusOK {
		return
	}
	a.status, a.sent = status, a.header.Clone()
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

func (a *answer) send(w http.ResponseWriter) {
	a.WriteHeader(http.StatusOK)
	for name, values := range a.sent {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	if a.body.Len() > 0 {
		// The library's writer is a buffer: it does not fail.
		_, _ = w.Write(a.body.Bytes())
	}
}
