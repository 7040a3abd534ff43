package socketproxy

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// answers say what is left of the engine's answer to each call that only looks;
// nil: all of it. A call that is missing here is refused.
var answers = map[string]func(*http.Response) error{
	"/_ping":                nil,
	"/info":                 reduced[info],
	"/containers/json":      reduced[[]summary],
	"/containers/{id}/logs": nil,
	"/events":               reducedStream,
}

// info leaves out, among others, the passwords of proxies and the registries.
type info struct {
	ID, Name, SystemTime, ServerVersion string
}

// summary leaves out, among others, the command line and foreign labels.
type summary struct {
	ID      string `json:"Id"`
	Names   []string
	Created int64
	State   string
	Status  string
	Labels  labels
}

// listed is what we ourselves look for in the list.
type listed struct {
	ID      string `json:"Id"`
	ImageID string
}

// inspected leaves out, among others, the environment, the command line, the
// mounts, the options of the log driver and foreign labels.
type inspected struct {
	ID           string `json:"Id"`
	Name         string
	Created      string
	Image        string
	RestartCount int
	State        *state
	GraphDriver  *graphDriver `json:",omitempty"`
	HostConfig   *hostConfig
	Config       *config
}

type state struct {
	Status                                 string
	Running, Paused, Restarting, OOMKilled bool
	ExitCode                               int
	StartedAt, FinishedAt                  string
	Health                                 *health `json:",omitempty"`
}

type health struct {
	Status        string
	FailingStreak int
	Log           []probe
}

type probe struct {
	Start, End string
	ExitCode   int
	Output     string
}

// graphDriver is how the monitor recognises its own container.
type graphDriver struct {
	Name string
	Data struct{ UpperDir string }
}

type hostConfig struct {
	RestartPolicy struct {
		Name              string
		MaximumRetryCount int
	}
	LogConfig struct{ Type string }
}

type config struct {
	Labels      labels
	Tty         bool
	StopTimeout *int `json:",omitempty"`
}

var fullID = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (i inspected) name() string { return strings.TrimPrefix(i.Name, "/") }

func (i inspected) labelled(label string) bool {
	return i.Config != nil && i.Config.Labels[label] == "true"
}

func (i inspected) isOf(self func(id, upperDir string) bool) bool {
	upper := ""
	if i.GraphDriver != nil {
		upper = i.GraphDriver.Data.UpperDir
	}
	return self(i.ID, upper)
}

// labels are ours alone: those of others hold passwords now and then.
type labels map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (l *labels) UnmarshalJSON(text []byte) error {
	var all map[string]string
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	*l = labels{}
	for name, value := range all {
		if ourLabel(name) {
			(*l)[name] = value
		}
	}
	return nil
}

func ourLabel(name string) bool { return strings.HasPrefix(name, "trade-monitor.") }

// reduced reads an answer and writes what a T keeps of it.
func reduced[T any](resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return nil // the engine's refusal
	}
	var kept T
	err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&kept)
	discard(resp.Body)
	if err != nil {
		return errUnreadable
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return errUnreadable
	}
	resp.Body, resp.ContentLength, resp.TransferEncoding = io.NopCloser(bytes.NewReader(text)), int64(len(text)), nil
	resp.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return nil
}

// message is an error in the engine's form.
type message struct {
	Text string `json:"message"`
}

// answer writes an answer of our own.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever asked may be gone
}
