package docker

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/docker/docker/api/types/container"

	"trade-monitor/shared/alerting"
)

const (
	// followPace is how long lines are collected once a first one was handed
	// on: the engine sends each line by itself, and to wake up for each would
	// cost more than all that is done with it.
	followPace = 25 * time.Millisecond
	// readPace does the same for a log that the engine sends as fast as it can.
	readPace = time.Millisecond
	// firstTail is how many lines are asked for where all since a time are
	// wanted: the engine finds them from the end of its file. Without a number
	// it reads the file from its very beginning.
	firstTail = 10_000
	// tailGrowth and lastTail: where that is too few, three times as many, and so
	// on; what is asked for, the engine has to decode.
	tailGrowth = 3
	lastTail   = 1_000_000
	// maxLastLine is how much of a line LastLines tells, in bytes.
	maxLastLine = 2 << 10
)

// FollowLog hands on a container's log lines as they come, from since on
// (inclusive, to the nanosecond), of the old ones at most backlog; below 0: all.
// It returns nil when the container stopped, or does not run; the context's
// error when ctx ended; else the stream was cut. opened is called when the
// engine has begun to answer. A line that a cut leaves incomplete is not handed
// on: it comes whole when asked for again. Nothing but ctx bounds the call.
//
// A line may come followPace later than the engine sends it. What has to be
// reckoned with, seen on Engine 20.10: the first line of a run can be stamped
// some milliseconds before its StartedAt; a rotation of the log doubles a line;
// and with the driver `local` the stream can stay silent from a rotation on.
func (e *Engine) FollowLog(ctx context.Context, c alerting.Container, since time.Time, backlog int, opened func(), visit func(alerting.LogLine)) error {
	options := container.LogsOptions{Follow: true, Since: instant(since), Tail: "all"}
	if backlog >= 0 {
		options.Tail = strconv.Itoa(backlog)
	}
	err := e.stream(ctx, c, options, followPace, opened, keepOn(visit))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// ReadLog hands on all lines that the engine has of a container's log from
// since on (inclusive), and does not wait for more. It is independent of
// FollowLog: another connection, another way through the engine.
//
// The engine looks through a whole log for the lines since a time, which takes
// minutes when it is big. So its end is read first, unfiltered: when that begins
// before since, all that is wanted is in it; else a longer end is tried. The context bounds the call.
func (e *Engine) ReadLog(ctx context.Context, c alerting.Container, since time.Time, visit func(alerting.LogLine)) error {
	if !since.IsZero() {
		for tail := firstTail; tail <= lastTail; tail *= tailGrowth {
			if reached, err := e.readEnd(ctx, c, since, tail, visit); reached || err != nil {
				return err
			}
		}
	}
	return e.stream(ctx, c, container.LogsOptions{Since: instant(since), Tail: "all"}, readPace, nil, keepOn(visit))
}

// readEnd hands on the lines from since on, if the end of the log reaches back
// so far; else none.
// One that does not costs a line: its first one tells.
func (e *Engine) readEnd(ctx context.Context, c alerting.Container, since time.Time, tail int, visit func(alerting.LogLine)) (reached bool, err error) {
	from := newMoment(since)
	tooShort := false
	options := container.LogsOptions{Tail: strconv.Itoa(tail)}
	err = e.stream(ctx, c, options, readPace, nil, func(l alerting.LogLine) bool {
		before := from.isAfter(l.Stamp)
		if !before && !reached {
			tooShort = true
			return false
		}
		reached = true
		if !before {
			visit(l)
		}
		return true
	})
	if tooShort {
		return false, nil
	}
	// An empty log has nothing further back either.
	return err == nil, err
}

// LastLines gives the last n lines since a time (zero: any), oldest first, each
// cut to 2 KiB of valid UTF-8.
func (e *Engine) LastLines(ctx context.Context, c alerting.Container, since time.Time, n int) ([]string, error) {
	if n <= 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// The engine counts the pieces of a long line.
	options := container.LogsOptions{Since: instant(since), Tail: strconv.Itoa(2*n + alerting.MaxLogLine/pieceSize)}
	var lines []string
	err := e.stream(ctx, c, options, readPace, nil, func(l alerting.LogLine) bool {
		if len(lines) == n {
			lines = append(lines[:0], lines[1:]...)
		}
		lines = append(lines, cutText(l.Text, maxLastLine))
		return true
	})
	return lines, err
}

// cutText is text as valid UTF-8 of at most limit bytes.
func cutText(text []byte, limit int) string {
	head := string(text[:min(len(text), limit+1)])
	return clip(strings.ToValidUTF8(clip(head, limit), "\uFFFD"), limit)
}

// clip cuts s before the character that would go beyond limit bytes.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func keepOn(visit func(alerting.LogLine)) func(alerting.LogLine) bool {
	return func(l alerting.LogLine) bool { visit(l); return true }
}

// stream opens a log and hands its lines on until visit returns false.
func (e *Engine) stream(ctx context.Context, c alerting.Container, options container.LogsOptions, pace time.Duration, opened func(), visit func(alerting.LogLine) bool) error {
	options.ShowStdout, options.ShowStderr, options.Timestamps = true, true, true
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the connection, whatever else the engine has to say
	var body io.ReadCloser
	err := e.call(ctx, "logs", func(ctx context.Context) error {
		var err error
		body, err = e.api.ContainerLogs(context.WithValue(ctx, logKey{}, true), c.ID, options)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if opened != nil {
		opened()
	}
	lines := &splitter{tty: c.TTY, visit: visit}
	return ended(ctx, "logs", pump(ctx, body, pace, lines))
}

// ended is how a stream ended, for the caller.
func ended(ctx context.Context, op string, err error) error {
	var ours *Error
	switch {
	case err == nil, errors.Is(err, errEnough):
		return nil
	case ctx.Err() != nil:
		return &Error{op: op, sent: true, text: (&trip{}).text(ctx.Err()), cause: ctx.Err()}
	case errors.As(err, &ours):
		return err
	}
	return &Error{op: op, sent: true, text: "the stream was cut"}
}
