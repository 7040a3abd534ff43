package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// clockStep makes an engine look as if the clock of its host had been set: what
// it dates after that moment is off by the step, what it dated before is not. Of
// the program's questions the limits in time are put back. (The clock of this
// machine, which all its programs see, is set in faults_machineclock_test.go.)
type clockStep struct {
	possible bool // a step may come: streams of events are read through

	mu sync.Mutex
	at time.Time // when it was set; zero: never
	by time.Duration
}

func (c *clockStep) set(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.by = time.Now(), by
}

func (c *clockStep) step() (at time.Time, by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at, c.by
}

// shown is a time as the engine's clock shows it.
func (c *clockStep) shown(t time.Time) time.Time {
	if at, by := c.step(); !at.IsZero() && t.After(at) {
		return t.Add(by)
	}
	return t
}

// question puts the limits of a question back onto the true clock.
func (c *clockStep) question(req *http.Request) {
	at, by := c.step()
	if at.IsZero() {
		return
	}
	query := req.URL.Query()
	for _, limit := range []string{"since", "until"} {
		seconds, nanos, _ := strings.Cut(query.Get(limit), ".")
		s, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil {
			continue
		}
		n, _ := strconv.ParseInt(nanos, 10, 64)
		asked := time.Unix(s, n)
		if by < 0 && limit == "since" {
			// Whether this is a time before the step or after it cannot be told:
			// the engine would look through both.
			asked = asked.Add(by)
		}
		if truth := asked.Add(-by); truth.After(at) {
			query.Set(limit, strconv.FormatInt(truth.Unix(), 10)+"."+strconv.FormatInt(int64(truth.Nanosecond())+1e9, 10)[1:])
		}
	}
	req.URL.RawQuery = query.Encode()
}

var dated = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"`)

// answer dates an answer by the clock that was set. Streams of logs are left as
// they are: no fault here has both.
func (c *clockStep) answer(res *http.Response) error {
	if !c.possible || res.StatusCode != http.StatusOK {
		return nil
	}
	switch path := res.Request.URL.Path; {
	case strings.HasSuffix(path, "/events"):
		res.Body = c.events(res.Body)
	case strings.HasSuffix(path, "/json"), strings.HasSuffix(path, "/info"):
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			return err
		}
		body = dated.ReplaceAllFunc(body, func(text []byte) []byte {
			t, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(text))
			if err != nil {
				return text
			}
			return []byte(c.shown(t).Format(`"` + time.RFC3339Nano + `"`))
		})
		res.Body = io.NopCloser(bytes.NewReader(body))
		res.ContentLength = int64(len(body))
		res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return nil
}

// events dates a stream of events anew, one by one.
func (c *clockStep) events(engine io.ReadCloser) io.ReadCloser {
	read, write := io.Pipe()
	go func() {
		decoder := json.NewDecoder(engine)
		decoder.UseNumber()
		for {
			var ev map[string]any
			if err := decoder.Decode(&ev); err != nil {
				_ = write.CloseWithError(err)
				return
			}
			if nanos, ok := ev["timeNano"].(json.Number); ok {
				n, _ := nanos.Int64()
				shown := c.shown(time.Unix(0, n))
				ev["time"], ev["timeNano"] = shown.Unix(), shown.UnixNano()
			}
			line, err := json.Marshal(ev)
			if err == nil {
				_, err = write.Write(append(line, '\n'))
			}
			if err != nil {
				_ = engine.Close()
				return
			}
		}
	}()
	return struct {
		io.Reader
		io.Closer
	}{read, closeBoth{read, engine}}
}

type closeBoth struct{ a, b io.Closer }

func (c closeBoth) Close() error {
	_ = c.a.Close()
	return c.b.Close()
}
