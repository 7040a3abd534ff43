package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// logAccess writes the line of one request. Every request has one at debug
// level. What people do (Operate) and who is turned away is worth a line
// always: it answers who did it, and from where.
func (a *api) logAccess(x *exchange, r *http.Request, took time.Duration) {
	ctx := r.Context()
	level, skipped := slog.LevelDebug, int64(0)
	switch {
	case refusesAccess(x.status):
		ok := false
		if skipped, ok = a.turnedAway.next(); ok {
			level = slog.LevelWarn
		}
	case x.scope == Operate:
		level = slog.LevelInfo
	}
	if !a.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("requestId", x.id), slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", x.status),
		slog.Duration("took", took), slog.String("caller", Caller(ctx)), slog.String("from", address(r, a.Proxies).String()),
	}
	if skipped > 0 {
		attrs = append(attrs, slog.Int64("moreSinceLastLine", skipped))
	}
	a.Log.LogAttrs(context.WithoutCancel(ctx), level, message(level), attrs...)
}

func message(level slog.Level) string {
	if level == slog.LevelWarn {
		return "拒绝请求 (request turned away)"
	}
	return "request"
}

func refusesAccess(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests
}

// turnedAway keeps whoever is turned away from filling the log: some lines at
// once, then one a second, each with how many there were in between.
type turnedAway struct {
	lines   *rate.Limiter
	skipped atomic.Int64
}

func newTurnedAway() *turnedAway { return &turnedAway{lines: rate.NewLimiter(1, 20)} }

// next tells whether this one is written, and how many were not since the last.
func (t *turnedAway) next() (skipped int64, ok bool) {
	if !t.lines.Allow() {
		t.skipped.Add(1)
		return 0, false
	}
	return t.skipped.Swap(0), true
}
