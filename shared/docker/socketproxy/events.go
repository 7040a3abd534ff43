package socketproxy

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// event leaves out, among others, the command line of every `docker exec` and
// health probe, and foreign labels.
type event struct {
	Type   string
	Action string
	Actor  struct {
		ID         string
		Attributes attributes
	}
	Scope    string `json:"scope,omitempty"`
	Time     int64  `json:"time"`
	TimeNano int64  `json:"timeNano"`
}

// attributes are those that we read.
type attributes map[string]string

var ourAttributes = map[string]bool{"name": true, "oldName": true, "exitCode": true, "signal": true}

// UnmarshalJSON implements json.Unmarshaler.
func (a *attributes) UnmarshalJSON(text []byte) error {
	var all map[string]string
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	*a = attributes{}
	for name, value := range all {
		if ourAttributes[name] || ourLabel(name) {
			(*a)[name] = value
		}
	}
	return nil
}

// tidy takes the detail from an action, which is a command line for exec_create
// and exec_start, and keeps that of health_status.
func (e *event) tidy() {
	if what, _, detailed := strings.Cut(e.Action, ":"); detailed && what != "health_status" {
		e.Action = what
	}
}

// reducedStream passes events on one by one, as they come.
func reducedStream(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return nil
	}
	resp.Body = &stream{body: resp.Body, in: json.NewDecoder(resp.Body)}
	resp.ContentLength = -1
	resp.Header.Del("Content-Length")
	return nil
}

type stream struct {
	body io.Closer
	in   *json.Decoder
	out  bytes.Buffer
}

// Read waits for an event when none is waiting.
func (s *stream) Read(b []byte) (int, error) {
	if s.out.Len() == 0 {
		var e event
		if err := s.in.Decode(&e); err != nil {
			return 0, err // io.EOF between two events is the end; within one it is a cut
		}
		e.tidy()
		if err := json.NewEncoder(&s.out).Encode(e); err != nil {
			return 0, err
		}
	}
	return s.out.Read(b)
}

// Close ends the engine's stream.
func (s *stream) Close() error { return s.body.Close() }
