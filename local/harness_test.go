package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/httpapi/contract"
	"trade-monitor/shared/store/storetest"
)

// atOnce is how many of the tests that may run beside each other do: they wait
// for robots, clocks and containers most of the time. -parallel says otherwise.
const atOnce = 5

func TestMain(m *testing.M) {
	flag.Parse()
	if given := flag.Lookup("test.parallel"); given.Value.String() == given.DefValue {
		if err := given.Value.Set(strconv.Itoa(atOnce)); err != nil {
			panic(err)
		}
	}
	code := storetest.Main(m)
	_ = os.RemoveAll(filepath.Dir(built.path))
	os.Exit(code)
}

var built struct {
	once sync.Once
	path string
	err  error
}

// binary builds the program as `make build` does, once.
func binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "tm-acceptance-")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "trade-monitor")
		cmd := exec.Command("go", "build", "-o", built.path, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	require.NoError(t, built.err)
	return built.path
}

// runningService is the built program, running as a user would run it.
type runningService struct {
	t      testing.TB
	path   string // of the program
	env    []string
	dir    string
	cmd    *exec.Cmd
	exited chan struct{}
	// started is when it was started the last time.
	started time.Time
	client  *http.Client // holds every exchange to openapi.yaml
	plain   *http.Client // for requests that are wrong on purpose
	output  *output

	canaries *canaries

	mu  sync.RWMutex
	url string // changes with each start
}

// output gathers what the program prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// launch starts the program in a folder of its own, on a free port, with the
// given settings ("NAME=value") and no others. Every exchange that a test has
// with it is held to openapi.yaml, and nothing of it may hold a secret.
//
// It knows no engine unless DOCKER_HOST names one. That should be a private one:
// on the machine's the tests of other packages run containers with our labels,
// and the program would tell of every one that ends.
func launch(t testing.TB, env ...string) *runningService {
	t.Helper()
	return launchProgram(t, binary(t), env...)
}

// launchProgram is launch for a program that was built in another way.
func launchProgram(t testing.TB, path string, env ...string) *runningService {
	t.Helper()
	s := &runningService{t: t, path: path, dir: t.TempDir(), output: &output{}}
	s.env = append([]string{"PORT=0", "PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "DOCKER_HOST=unix://" + filepath.Join(s.dir, "no-docker.sock")}, env...)
	s.canaries = &canaries{secrets: secretsOf(env)}
	heard := s.canaries.overhear(&http.Transport{MaxIdleConnsPerHost: 64})
	s.plain = &http.Client{Timeout: 10 * time.Second, Transport: heard}
	s.client = &http.Client{Timeout: 10 * time.Second, Transport: contract.Load(t).Transport(t, heard)}
	s.start()
	t.Cleanup(func() {
		s.kill()
		s.canaries.verify(t, s)
		if t.Failed() {
			t.Logf("the program printed:\n%s", s.output)
		}
	})
	return s
}

var listening = regexp.MustCompile(`https?://\S+:\d+`)

func (s *runningService) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.path)
	s.cmd.Dir, s.cmd.Env, s.cmd.Stderr = s.dir, s.env, s.output
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := s.cmd.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, s.cmd.Start())
	s.started = time.Now()
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			fmt.Fprintln(s.output, lines.Text())
			if url := listening.FindString(lines.Text()); url != "" {
				select {
				case found <- url:
				default: // found before
				}
			}
		}
	}()
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) { _ = cmd.Wait(); close(done) }(s.cmd, s.exited)
	select {
	case url := <-found:
		s.mu.Lock()
		s.url = url
		s.mu.Unlock()
	case <-s.exited:
		s.t.Fatalf("the program ended:\n%s", s.output)
	case <-time.After(20 * time.Second):
		s.t.Fatalf("the program does not listen:\n%s", s.output)
	}
}

// kill ends the program as a power cut would.
func (s *runningService) kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// stop asks the program to end and gives its exit code.
func (s *runningService) stop() int {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-s.exited:
	case <-time.After(15 * time.Second):
		s.t.Fatal("the program does not stop")
	}
	return s.cmd.ProcessState.ExitCode()
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	text   string
	fields map[string]any
}

func (s *runningService) do(method, path, contentType, body string) (reply, error) {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	s.mu.RLock()
	url := s.url + path
	s.mu.RUnlock()
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, reader)
	if err != nil {
		return reply{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	return read(res)
}

// read takes an answer whole.
func read(res *http.Response) (reply, error) {
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	r := reply{status: res.StatusCode, header: res.Header, text: string(text)}
	_ = json.Unmarshal(text, &r.fields)
	return r, err
}

func (s *runningService) get(path string) reply {
	s.t.Helper()
	r, err := s.do(http.MethodGet, path, "", "")
	require.NoError(s.t, err)
	return r
}

func (s *runningService) post(path, body string) reply {
	s.t.Helper()
	r, err := s.do(http.MethodPost, path, "application/json", body)
	require.NoError(s.t, err)
	return r
}

func (s *runningService) notify(ev event) reply {
	s.t.Helper()
	return s.post("/api/events/notify", ev.json())
}

// story is GET /api/alerts/{id}.
func (s *runningService) story(id int64) map[string]any {
	s.t.Helper()
	r := s.get("/api/alerts/" + strconv.FormatInt(id, 10))
	require.Equal(s.t, http.StatusOK, r.status, r.text)
	return r.fields["data"].(map[string]any)
}

// await polls until the condition holds.
func await(t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within %s: %s", limit, what)
}

// event is the guide's request body.
type event struct {
	EventType   string         `json:"eventType"`
	ServiceName string         `json:"serviceName"`
	Severity    string         `json:"severity"`
	Title       string         `json:"title"`
	Message     string         `json:"message"`
	Metadata    map[string]any `json:"metadata,omitempty"`
	Status      string         `json:"status,omitempty"`
}

func ticker(service string) event {
	return event{
		EventType: "TICKER_SYNC_TIMEOUT", ServiceName: service, Severity: "ERROR",
		Title: "Ticker同步超时告警", Message: "Ticker数据同步已超过3分钟未输出日志",
		Metadata: map[string]any{"lastSyncTime": "2026-02-25T10:00:00", "minutesSinceLastSync": 5},
	}
}

func (e event) json() string {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (r reply) number(name string) int64 {
	n, _ := r.fields[name].(float64)
	return int64(n)
}

func (r reply) object(name string) map[string]any {
	o, _ := r.fields[name].(map[string]any)
	return o
}

func objects(o map[string]any, name string) []map[string]any {
	list, _ := o[name].([]any)
	var all []map[string]any
	for _, one := range list {
		all = append(all, one.(map[string]any))
	}
	return all
}
