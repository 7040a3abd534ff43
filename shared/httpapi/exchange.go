package httpapi

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
)

// exchange is one request and its answer: everything that the layers around a
// handler share, in one allocation and one context value.
type exchange struct {
	http.ResponseWriter
	id     string
	caller string
	scope  Scope // that the route asked for
	status int   // 0 until the answer began
	body   []byte
	read   bool // body holds the whole request body
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// WriteHeader notes the status for the log. A second one is ignored, as
// net/http ignores it.
func (x *exchange) WriteHeader(status int) {
	if x.status != 0 {
		return
	}
	if status >= http.StatusOK {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return x.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// RequestID is the id under which this request is logged; empty outside one.
func RequestID(ctx context.Context) string {
	if x := exchangeOf(ctx); x != nil {
		return x.id
	}
	return ""
}

// Caller is the name of the token that the request came with, or "anonymous".
func Caller(ctx context.Context) string {
	if x := exchangeOf(ctx); x != nil && x.caller != "" {
		return x.caller
	}
	return Anonymous
}

const maxRequestID = 64

// requestID takes the caller's id when it is harmless in a log, else makes one.
// Ids tell requests apart; they are no secret, so a fast generator will do.
func requestID(r *http.Request) string {
	if given := r.Header.Get("X-Request-Id"); sane(given) {
		return given
	}
	var raw [10]byte
	for i, n := 0, rand.Uint64(); i < 8; i, n = i+1, n>>8 {
		raw[i] = byte(n)
	}
	n := rand.Uint32()
	raw[8], raw[9] = byte(n), byte(n>>8)
	return hex.EncodeToString(raw[:])
}

func sane(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == ':':
		default:
			return false
		}
	}
	return true
}
