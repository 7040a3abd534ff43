package docker

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

const stamp1, stamp2 = "2026-01-02T03:04:05.000000001Z", "2026-01-02T11:04:05.000000002+08:00"

func frame(stream byte, message string) string {
	head := []byte{stream, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[4:], uint32(len(message)))
	return string(head) + message
}

type line struct{ stamp, text string }

// split reads a log to its end, in reads as small as the reader gives.
func split(t *testing.T, tty bool, log io.Reader) ([]line, error) {
	t.Helper()
	var got []line
	s := &splitter{tty: tty, visit: func(l alerting.LogLine) bool {
		got = append(got, line{string(l.Stamp), string(l.Text)})
		return true
	}}
	return got, pump(t.Context(), log, time.Nanosecond, s)
}

func TestALogIsCutIntoLines(t *testing.T) {
	piece, rest := strings.Repeat("p", pieceSize), strings.Repeat("r", 100)
	huge := strings.Repeat("h", alerting.MaxLogLine)
	for name, c := range map[string]struct {
		tty  bool
		log  string
		want []line
	}{
		"framed lines": {false, frame(1, stamp1+" one\n") + frame(2, stamp2+" two\n"), []line{{stamp1, "one"}, {stamp2, "two"}}},
		"an empty line, and a line break of Windows": {false, frame(1, stamp1+" \n") + frame(1, stamp1+" dos\r\n"), []line{{stamp1, ""}, {stamp1, "dos"}}},
		"a line in pieces": {false, frame(1, stamp1+" "+piece) + frame(1, stamp2+" "+piece) + frame(1, stamp2+" "+rest+"\n"),
			[]line{{stamp1, piece + piece + rest}}},
		"pieces of two streams": {false, frame(1, stamp1+" "+piece) + frame(2, stamp2+" "+piece) + frame(1, stamp2+" out\n") + frame(2, stamp2+" err\n"),
			[]line{{stamp1, piece + "out"}, {stamp2, piece + "err"}}},
		"a line of exactly a piece": {false, frame(1, stamp1+" "+piece) + frame(1, stamp2+" \n") + frame(1, stamp2+" next\n"),
			[]line{{stamp1, piece}, {stamp2, "next"}}},
		"the last words of a process without a line break": {false, frame(1, stamp1+" died he") + frame(1, stamp2+" born again\n"),
			[]line{{stamp1, "died he"}, {stamp2, "born again"}}},
		"a long last word": {false, frame(1, stamp1+" "+piece) + frame(1, stamp2+" died he") + frame(1, stamp2+" born again\n"),
			[]line{{stamp1, piece + "died he"}, {stamp2, "born again"}}},
		"a piece at the end": {false, frame(1, stamp1+" "+piece), []line{{stamp1, piece}}},
		"what goes beyond the limit is dropped": {false, strings.Repeat(frame(1, stamp1+" "+piece), 9) + frame(1, stamp1+" end\n") + frame(1, stamp2+" next\n"),
			[]line{{stamp1, strings.Repeat("p", alerting.MaxLogLine)}, {stamp2, "next"}}},
		"a frame longer than the buffer": {false, frame(1, stamp1+" "+huge+rest+"\n") + frame(1, stamp2+" next\n"), []line{{stamp1, huge}, {stamp2, "next"}}},
		"a frame just as long as a line": {false, frame(1, stamp1+" "+huge+"\n") + frame(1, stamp2+" next\n"), []line{{stamp1, huge}, {stamp2, "next"}}},
		"an unstamped line":              {false, frame(1, "no time here\n"), []line{{"", "no time here"}}},
		"an incomplete frame":            {false, frame(1, stamp1+" one\n") + frame(1, stamp2+" two\n")[:20], []line{{stamp1, "one"}}},

		"lines of a TTY":                      {true, stamp1 + " one\r\n" + stamp2 + " two\r\n", []line{{stamp1, "one"}, {stamp2, "two"}}},
		"a TTY's line in pieces":              {true, stamp1 + " " + piece + stamp2 + " " + piece + stamp2 + " " + rest + "\r\n" + stamp2 + " next\r\n", []line{{stamp1, piece + piece + rest}, {stamp2, "next"}}},
		"a TTY's line of a piece":             {true, stamp1 + " " + piece[1:] + "\r" + stamp2 + " \n" + stamp2 + " next\r\n", []line{{stamp1, piece[1:]}, {stamp2, "next"}}},
		"a TTY's line beyond limits":          {true, strings.Repeat(stamp1+" "+piece, 9) + stamp1 + " end\r\n" + stamp2 + " next\r\n", []line{{stamp1, strings.Repeat("p", alerting.MaxLogLine)}, {stamp2, "next"}}},
		"a TTY's long line, its break lost":   {true, stamp1 + " " + piece + stamp1 + " end\r" + stamp2 + " next\r\n", []line{{stamp1, piece + "end"}, {stamp2, "next"}}},
		"a TTY's long line, nothing after it": {true, stamp1 + " " + piece + stamp1 + " end\r", []line{{stamp1, piece + "end"}}},
		"a TTY's last words":                  {true, stamp1 + " one\r\n" + stamp2 + " Bye", []line{{stamp1, "one"}, {stamp2, "Bye"}}},
		"a time in a TTY's text":              {true, stamp1 + " " + stamp2 + " said the service\r\n", []line{{stamp1, stamp2 + " said the service"}}},
		"a TTY's colours and the bar":         {true, stamp1 + " \x1b[32m10%\r20%\r\n", []line{{stamp1, "\x1b[32m10%\r20%"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := split(t, c.tty, strings.NewReader(c.log))
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			random := rand.New(rand.NewPCG(1, uint64(len(c.log))))
			for range 3 {
				got, err = split(t, c.tty, &ragged{strings.NewReader(c.log), random})
				require.NoError(t, err)
				assert.Equal(t, c.want, got, "however the bytes come")
			}
			if len(c.log) < 1000 {
				got, err = split(t, c.tty, iotest.OneByteReader(strings.NewReader(c.log)))
				require.NoError(t, err)
				assert.Equal(t, c.want, got, "byte by byte")
			}
		})
	}
}

// ragged reads as much as chance says.
type ragged struct {
	next   io.Reader
	random *rand.Rand
}

func (r *ragged) Read(p []byte) (int, error) {
	return r.next.Read(p[:1+r.random.IntN(min(len(p), 9000))])
}

func TestTheEnginesOwnErrorEndsALog(t *testing.T) {
	for name, log := range map[string]struct {
		tty bool
		log string
	}{
		"framed": {false, frame(1, stamp1+" one\n") + frame(systemErr, "Error grabbing logs: unexpected EOF\n")},
		"TTY":    {true, stamp1 + " one\r\nError grabbing logs: unexpected EOF\n"},
	} {
		got, err := split(t, log.tty, strings.NewReader(log.log))
		var told *Error
		require.ErrorAs(t, err, &told, name)
		assert.Equal(t, "Error grabbing logs: unexpected EOF", told.Detail())
		assert.False(t, told.Refused())
		assert.Equal(t, []line{{stamp1, "one"}}, got)
	}
	_, err := split(t, false, strings.NewReader(stamp1+" a TTY's log read as if it had frames\r\n"))
	assert.ErrorContains(t, err, "no frames")
}

// A cut in the middle of a line leaves it to the next read, which gets it whole.
func TestACutKeepsBackHalfALine(t *testing.T) {
	log := frame(1, stamp1+" one\n") + frame(1, stamp2+" "+strings.Repeat("p", pieceSize))
	got, err := split(t, false, io.MultiReader(strings.NewReader(log), iotest.ErrReader(io.ErrUnexpectedEOF)))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, []line{{stamp1, "one"}}, got)
}

func TestALineCostsNoMemory(t *testing.T) {
	for name, log := range map[string]string{
		"framed": strings.Repeat(frame(1, stamp1+" some line of a log\n"), 100),
		"TTY":    strings.Repeat(stamp1+" some line of a log\r\n", 100),
	} {
		s := &splitter{tty: name == "TTY", visit: func(alerting.LogLine) bool { return true }}
		bytes := []byte(log)
		assert.Zero(t, testing.AllocsPerRun(10, func() { _, _ = s.feed(bytes) }), name)
	}
}

func FuzzALogNeverBreaksTheReader(f *testing.F) {
	f.Add(false, []byte(frame(1, stamp1+" one\n")))
	f.Add(true, []byte(stamp1+" one\r\n"))
	f.Fuzz(func(t *testing.T, tty bool, log []byte) {
		s := &splitter{tty: tty, visit: func(l alerting.LogLine) bool {
			if len(l.Text) > alerting.MaxLogLine {
				t.Fatalf("%d bytes", len(l.Text))
			}
			return true
		}}
		_ = pump(t.Context(), bytes.NewReader(log), time.Nanosecond, s)
	})
}

func TestStampsAreComparedAsTimes(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 500, time.UTC)
	m := newMoment(at.In(time.FixedZone("CST", 8*3600)))
	for stamp, before := range map[string]bool{
		"2026-01-02T03:04:05.000000499Z": true, "2026-01-02T03:04:05.000000500Z": false, "2026-01-02T03:04:05.000000501Z": false,
		"2026-01-02T11:04:05.000000499+08:00": true, "2026-01-02T11:04:05.000000500+08:00": false, "2026-01-02T03:04:05.0000004Z": true, "": false,
	} {
		assert.Equal(t, before, m.isAfter([]byte(stamp)), stamp)
	}
}

func TestCutTextIsValidAndShort(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "short": "short", "12345678": "12345678", "123456789": "12345678",
		"行情同": "行情", "1234行情": "1234行", "a\xffb": "a\uFFFDb", "1234567\xff": "1234567", "\xff\xfe": "\uFFFD",
	} {
		assert.Equal(t, want, cutText([]byte(text), 8), "%q", text)
	}
}

// The reader sleeps while lines gather, and does not keep a lone one waiting.
func TestLinesOfOneMomentAreReadTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, engine := newConn()
		var at []time.Duration
		start := time.Now()
		done := make(chan error, 1)
		go func() {
			done <- pump(t.Context(), log, followPace, &splitter{visit: func(alerting.LogLine) bool {
				at = append(at, time.Since(start))
				return true
			}})
		}()
		for range 5 { // a quiet log: each line by itself
			time.Sleep(time.Second)
			engine <- frame(1, stamp1+" lone\n")
			synctest.Wait()
		}
		assert.Equal(t, []time.Duration{1e9, 2e9, 3e9, 4e9, 5e9}, at, "a line after a quiet time is handed on at once")
		assert.Equal(t, 5, log.reads)

		for range 1000 { // a busy one: a line each millisecond
			time.Sleep(time.Millisecond)
			engine <- frame(1, stamp1+" busy\n")
		}
		close(engine)
		require.NoError(t, <-done)
		assert.Len(t, at, 1005, "none is lost")
		assert.LessOrEqual(t, log.reads, 5+1000/25+3, "a read per moment, not per line")
	})
}

// conn is a connection as the kernel has it: it keeps what was sent, and a read
// waits only when there is nothing.
type conn struct {
	sent  <-chan string
	reads int
}

func newConn() (*conn, chan string) {
	sent := make(chan string, 10_000)
	return &conn{sent: sent}, sent
}

func (c *conn) Read(p []byte) (int, error) {
	first, open := <-c.sent
	if !open {
		return 0, io.EOF
	}
	c.reads++
	n := copy(p, first)
	for len(c.sent) > 0 {
		n += copy(p[n:], <-c.sent)
	}
	return n, nil
}
