package docker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"trade-monitor/shared/alerting"
)

const (
	// pieceSize is where the engine cuts a longer line (moby, daemon/logger:
	// defaultBufSize). Each piece is a message with a time; only the last one
	// has a line break, and with the driver `local` not even that.
	pieceSize = 16 << 10
	frameHead = 8  // stream, three zeros, length: see stdcopy
	maxStamp  = 36 // 2006-01-02T15:04:05.000000000+08:00 and a space
	systemErr = 3  // the stream on which the engine tells its own errors
	grabbing  = "Error grabbing logs: "
)

// errEnough: the visitor wants no more lines.
var errEnough = errors.New("enough lines")

// splitter cuts the bytes of a log into lines. A log has frames, one for each
// message, or, of a TTY, none. It keeps no more than the beginnings of one long
// line per stream.
type splitter struct {
	tty   bool
	visit func(alerting.LogLine) bool

	held [systemErr + 1]held // by stream
	// The rest of a frame that is longer than the buffer.
	stream byte
	left   int
}

// held is the beginning of a line that came in pieces.
type held struct {
	stamp  []byte
	text   []byte
	active bool
}

func (h *held) add(stamp, text []byte) {
	if !h.active {
		h.active = true
		h.stamp, h.text = append(h.stamp[:0], stamp...), h.text[:0]
	}
	// One byte more: it may turn out to be the line break.
	room := alerting.MaxLogLine + 1 - len(h.text)
	h.text = append(h.text, text[:min(len(text), room)]...)
}

// feed takes all whole messages out of p and returns how many bytes it used.
func (s *splitter) feed(p []byte) (used int, err error) {
	if s.tty {
		return s.raw(p)
	}
	for {
		n, err := s.frame(p[used:])
		if n == 0 || err != nil {
			return used, err
		}
		used += n
	}
}

// frame takes one frame, or a part of one that the buffer cannot hold; 0: there
// is not enough yet.
func (s *splitter) frame(p []byte) (int, error) {
	if s.left > 0 {
		return s.restOfFrame(p)
	}
	if len(p) < frameHead {
		return 0, nil
	}
	size := int(binary.BigEndian.Uint32(p[4:frameHead]))
	if p[0] > systemErr || p[1]|p[2]|p[3] != 0 {
		return 0, &Error{op: "logs", sent: true, text: "the log has no frames: the container has a TTY"}
	}
	if len(p)-frameHead < size {
		if frameHead+size <= streamBuffer || len(p) < streamBuffer {
			return 0, nil
		}
		s.stream, s.left = p[0], size
		return frameHead, nil
	}
	return frameHead + size, s.message(p[0], p[frameHead:frameHead+size])
}

// restOfFrame collects a frame that is longer than the buffer.
func (s *splitter) restOfFrame(p []byte) (int, error) {
	part := p[:min(len(p), s.left)]
	if len(part) == 0 {
		return 0, nil
	}
	s.left -= len(part)
	h := &s.held[s.stream]
	stamp, text := []byte(nil), part
	if !h.active {
		stamp, text = cutStamp(part)
	}
	h.add(stamp, text)
	if s.left == 0 && part[len(part)-1] == '\n' {
		return len(part), s.release(h)
	}
	return len(part), nil
}

// raw takes the lines, and the pieces of lines, of a TTY's log.
func (s *splitter) raw(p []byte) (used int, err error) {
	for used < len(p) {
		if p[used] == '\n' { // of a line that was taken for complete without it
			used++
			continue
		}
		end := s.endOfRaw(p[used:])
		if end == 0 {
			break
		}
		m := p[used : used+end]
		used += end
		if err := s.message(0, m); err != nil {
			return used, err
		}
	}
	return used, nil
}

// endOfRaw is how long the first message is; 0: it is not complete.
func (s *splitter) endOfRaw(p []byte) int {
	piece := pieceSize
	if stamp, _ := cutStamp(p); stamp != nil {
		piece += len(stamp) + 1
	}
	end := bytes.IndexByte(p[:min(len(p), piece)], '\n') + 1
	if end == 0 && len(p) >= piece {
		end = piece
	}
	if s.held[0].active {
		if lost := lostBreak(p, end); lost > 0 {
			return lost
		}
	}
	return end
}

// lostBreak finds the end of a long line whose line break is missing. The driver
// `local` of older engines leaves it out after the last piece, but not the \r
// that a TTY puts before it: there the next message begins, or nothing yet.
func lostBreak(p []byte, end int) int {
	if end == 0 {
		end = len(p)
	}
	for at := 0; ; at++ {
		next := bytes.IndexByte(p[at:end], '\r')
		if next < 0 {
			return 0
		}
		at += next
		if at+1 == len(p) {
			return at + 1
		}
		if stamp, _ := cutStamp(p[at+1:]); stamp != nil {
			return at + 1
		}
	}
}

// message takes one message: a line, or a piece of one.
func (s *splitter) message(stream byte, m []byte) error {
	stamp, text := cutStamp(m)
	if stream == systemErr || stamp == nil && bytes.HasPrefix(text, []byte(grabbing)) {
		return &Error{op: "logs", sent: true, text: oneLine(string(text), maxText)}
	}
	// A piece that is no full one is the last of its line, with a line break or
	// without: it may be the last thing that a process printed.
	whole := len(text) < pieceSize || text[len(text)-1] == '\n'
	h := &s.held[stream]
	if whole && !h.active {
		return s.hand(alerting.LogLine{Stamp: stamp, Text: text})
	}
	h.add(stamp, text)
	if whole {
		return s.release(h)
	}
	return nil
}

// finish hands on what was held at the end of a log, rest being what feed left.
func (s *splitter) finish(rest []byte) error {
	if s.tty && len(rest) > 0 {
		if err := s.message(0, rest); err != nil {
			return err
		}
	}
	for i := range s.held {
		if h := &s.held[i]; h.active {
			if err := s.release(h); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *splitter) release(h *held) error {
	h.active = false
	return s.hand(alerting.LogLine{Stamp: h.stamp, Text: h.text})
}

func (s *splitter) hand(l alerting.LogLine) error {
	if n := len(l.Text); n > 0 && l.Text[n-1] == '\n' {
		l.Text = l.Text[:n-1]
	}
	if n := len(l.Text); n > 0 && l.Text[n-1] == '\r' {
		l.Text = l.Text[:n-1]
	}
	l.Text = l.Text[:min(len(l.Text), alerting.MaxLogLine)]
	if !s.visit(l) {
		return errEnough
	}
	return nil
}

// cutStamp takes the engine's time off a message; nil: it has none.
func cutStamp(m []byte) (stamp, text []byte) {
	const shortest = len("2006-01-02T15:04:05Z")
	end := bytes.IndexByte(m[:min(len(m), maxStamp)], ' ')
	if end < shortest || m[4] != '-' || m[7] != '-' || m[10] != 'T' || m[13] != ':' || m[16] != ':' {
		return nil, m
	}
	return m[:end], m[end+1:]
}

// moment is a time that stamps are compared with.
type moment struct {
	at    time.Time
	stamp string // as the engine writes it in UTC
}

func newMoment(at time.Time) moment {
	return moment{at: at, stamp: at.UTC().Format("2006-01-02T15:04:05.000000000Z")}
}

// isAfter tells whether the moment is after the stamp. Nearly all stamps have
// the same form, whose order is that of their letters.
func (m moment) isAfter(stamp []byte) bool {
	if n := len(stamp); n == len(m.stamp) && stamp[n-1] == 'Z' {
		return string(stamp) < m.stamp
	}
	at, ok := alerting.LogLine{Stamp: stamp}.At()
	return ok && at.Before(m.at)
}
