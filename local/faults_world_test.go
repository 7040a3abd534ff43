package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/store/storetest"
	"trade-monitor/shared/wecom/wecomtest"
)

// shortTimes is the policy of the faults that bring none of their own: what is
// minutes for people is seconds here.
const shortTimes = `
defaults: {cooldown: 4s, startGrace: 6s, budget: {max: 3, per: 1h}, verify: {stable: 2s, healthy: 10s}, symptom: 15s}
types:
  TICKER_SYNC_TIMEOUT: {symptom: 15s}
  CONTAINER_DOWN: {action: start, symptom: 15s}
  CONTAINER_OOM: {action: start, symptom: 15s}
  CONTAINER_UNHEALTHY: {action: restart, symptom: 15s, verify: {steady: 6s}}
`

// setting is where a fault happens.
type setting struct {
	spec      dockertest.Spec // of the container that it befalls
	policy    string          // instead of shortTimes
	env       []string
	engine    []string // flags of dockerd
	clock     bool     // the engine's clock may be set
	ownDB     bool     // a MariaDB that may be stopped
	runners   int      // processes on one MariaDB; 0: one, on the embedded database
	twoHosts  bool     // a second engine, with a container of the same name and a runner of its own
	ourselves bool     // the program runs in a container, which is the target
}

// faultWorld is one engine with the container that a fault befalls, one that it
// must not touch, and the program.
type faultWorld struct {
	*runningService
	t         testing.TB
	set       setting
	env       []string
	engine    *dockertest.Engine
	dockerd   *dockertest.Private // the same, if it is ours to stop
	database  storetest.Database
	recorder  *orderRecorder
	proxy     *dockertest.Proxy // in front of the recorder: cuts, hangs, refuses
	events    *engineEvents
	robots    *wecomtest.Server
	target    *dockertest.Container
	bystander *dockertest.Container
	flock     []*dockertest.Container // further targets: what is expected holds for all of them together
	others    []*runningService       // further runners
	elsewhere *engineEvents           // of the second host; nil: there is none
	double    *dockertest.Container   // of the same name, there

	mu       sync.Mutex
	starts   map[string]int // by id: starts that the test, or a person that it plays, ordered
	keeps    map[string]bool
	began    time.Time // when the fault came
	accepted time.Time // when the event about it was answered; zero: a watch found it
}

const (
	targetName    = "async"
	bystanderName = "bystander"
)

func newFaultWorld(t testing.TB, set setting) *faultWorld {
	t.Helper()
	w := &faultWorld{t: t, set: set, robots: wecomtest.Start(t), starts: map[string]int{}, keeps: map[string]bool{}}
	if set.ourselves {
		w.front(dockertest.Require(t)) // a private one has no network
		w.becomeContainer()
		return w
	}
	w.dockerd = w.newEngine()
	w.front(w.dockerd.Engine)
	spec := set.spec
	spec.ExactName = targetName
	w.target = w.run(spec)
	w.bystander = w.run(dockertest.Spec{ExactName: bystanderName})
	w.env = append([]string{
		"DOCKER_HOST=" + w.proxy.Host, "WECHAT_WEBHOOK_URL=" + w.robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS=" + w.robots.Host,
		"REMEDIATION_CONTAINERS=" + targetName, "ASYNC_MONITOR_LOG_PATTERN=off", "ASYNC_MONITOR_TICKER_TIMEOUT=2s", "ASYNC_MONITOR_CHECK_INTERVAL=1s",
		"POLICY_FILE=" + w.policy(),
	}, set.env...)
	switch {
	case set.ownDB:
		w.database = storetest.OwnMariaDB(t)
		w.env = append(w.env, databaseSettings(w.database)...)
	case set.runners > 1, set.twoHosts:
		w.env = append(w.env, mariaDB(t)...)
	}
	w.runningService = w.launch()
	for range set.runners - 1 {
		w.others = append(w.others, w.launch())
	}
	if set.twoHosts {
		w.secondHost()
	}
	return w
}

func (w *faultWorld) newEngine() *dockertest.Private {
	w.t.Helper()
	if w.set.twoHosts {
		return engineOfItsOwn(w.t)
	}
	return dockertest.PrivateEngine(w.t, w.set.engine...)
}

// secondHost is one with a container of the target's name, which is nobody's to
// restart, and with a runner on the same database.
func (w *faultWorld) secondHost() {
	w.t.Helper()
	engine := w.newEngine()
	w.elsewhere = followEvents(w.t, engine.Engine)
	w.double = engine.Run(w.t, dockertest.Spec{ExactName: targetName})
	w.others = append(w.others, w.launch("DOCKER_HOST="+engine.Host))
	await(w.t, 20*time.Second, "the hosts know each other", func() bool {
		return strings.Count(w.get("/metrics").text, `trade_monitor_runners{host="`) == 2
	})
}

// front puts the witnesses, and what cuts the way, before an engine.
func (w *faultWorld) front(engine *dockertest.Engine) {
	w.engine = engine
	w.recorder = recordOrders(w.t, engine)
	w.recorder.clock.possible = w.set.clock
	w.proxy = dockertest.NewProxy(w.t, &dockertest.Engine{Host: w.recorder.Host})
	w.events = followEvents(w.t, engine)
}

func (w *faultWorld) policy() string {
	content := w.set.policy
	if content == "" {
		content = shortTimes
	}
	path, _ := policyAt(w.t, content)
	return path
}

func (w *faultWorld) launch(more ...string) *runningService {
	w.t.Helper()
	s := launch(w.t, append(slices.Clone(w.env), more...)...)
	await(w.t, 30*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	return s
}

// run starts a container; its first start is the test's own.
func (w *faultWorld) run(spec dockertest.Spec) *dockertest.Container {
	w.t.Helper()
	c := w.engine.Run(w.t, spec)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keeps[c.ID] = spec.RestartPolicy != ""
	if !spec.Created {
		w.starts[c.ID]++
	}
	return c
}

// person notes that a person orders a start or restart of a container, past the
// program.
func (w *faultWorld) person(c *dockertest.Container) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts[c.ID]++
}

// happens notes the moment in which the fault comes.
func (w *faultWorld) happens() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.began.IsZero() {
		w.began = time.Now()
	}
}

// watched waits until the program knows its container.
func (w *faultWorld) watched() {
	w.t.Helper()
	w.isUp(w.target)
}

// report tells of a silent ticker of a service and waits for the answer.
func (w *faultWorld) report(service string) reply {
	w.t.Helper()
	w.happens()
	r := w.notify(ticker(service))
	require.Equal(w.t, http.StatusOK, r.status, r.text)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.accepted.IsZero() {
		w.accepted = time.Now()
	}
	return r
}

// ordered waits until so many orders for the target have arrived.
func (w *faultWorld) ordered(n int) order {
	w.t.Helper()
	await(w.t, 40*time.Second, fmt.Sprintf("%d orders", n), func() bool { return len(w.recorder.all(w.target.ID)) >= n })
	return w.recorder.all(w.target.ID)[n-1]
}

// startedAgain waits until the engine has started the target so many times, the
// first time included.
func (w *faultWorld) startedAgain(n int) {
	w.t.Helper()
	await(w.t, 60*time.Second, fmt.Sprintf("%d starts", n), func() bool { return len(w.events.of(w.target.ID, "start")) >= n })
}

// reaches waits until the newest remediation is in a state.
func (w *faultWorld) reaches(status string) {
	w.t.Helper()
	await(w.t, 40*time.Second, "a remediation "+status, func() bool {
		all := w.remediations()
		return len(all) > 0 && all[len(all)-1]["status"] == status
	})
}

// revive starts the program again after a kill.
func (w *faultWorld) revive() {
	w.t.Helper()
	w.start()
	await(w.t, 30*time.Second, "ready", func() bool { return w.get("/readyz").status == http.StatusOK })
}

// restartEngine is what a service manager does. A socket that nobody serves
// refuses, so the way to it does, too.
func (w *faultWorld) restartEngine() {
	w.t.Helper()
	stopped := make(chan struct{})
	go func() { defer close(stopped); w.dockerd.Stop() }()
	time.Sleep(50 * time.Millisecond)
	w.proxy.Refuse(true)
	<-stopped
	w.proxy.CutAll()
	w.dockerd.Start()
	w.proxy.Refuse(false)
}

// alerts are all on record, oldest first.
func (w *faultWorld) alerts() []map[string]any {
	w.t.Helper()
	all := allAlerts(w.t, w.runningService)
	slices.Reverse(all)
	return slices.DeleteFunc(all, func(a map[string]any) bool { return w.set.ourselves && a["serviceName"] != w.target.Name })
}

// messages are what the group was shown.
func (w *faultWorld) messages() []string {
	if w.set.ourselves {
		return saidOf(w.robots, "ops", w.target.Name) // the machine's engine has containers of other tests
	}
	var all []string
	for _, m := range w.robots.Messages(w.robots.Key("ops")) {
		if !aboutDatabase(m.Content) { // of a fault that takes the database away
			all = append(all, m.Content)
		}
	}
	return all
}

// ours are the containers of this world, by id, with their latest names.
func (w *faultWorld) containers() map[string]string {
	all := w.events.containers()
	if w.set.ourselves {
		return map[string]string{w.target.ID: w.target.Name}
	}
	return all
}

// remediations are those of all alerts, in the order of their alerts and then of
// their own.
func (w *faultWorld) remediations() []map[string]any {
	w.t.Helper()
	var all []map[string]any
	for _, alert := range w.alerts() {
		own := objects(w.story(int64(alert["id"].(float64))), "remediations")
		slices.SortFunc(own, func(a, b map[string]any) int { return int(a["id"].(float64) - b["id"].(float64)) })
		all = append(all, own...)
	}
	return all
}

// seen counts how often the program restarted a container, by the engine's
// events: its starts without those that the test ordered itself. Where the
// engine starts the container by its restart policy, too, the `restart` events
// are counted, which only an order brings about, and the starts that we ordered.
func (w *faultWorld) seen(id string) int {
	w.mu.Lock()
	own, kept := w.starts[id], w.keeps[id]
	w.mu.Unlock()
	started := w.events.of(id, "start")
	if !kept {
		return len(started) - own
	}
	n := len(w.events.of(id, "restart")) - (own - 1)
	for _, o := range w.recorder.all(id) {
		if o.Action == "start" && slices.ContainsFunc(started, func(ev engineEvent) bool {
			return !o.Passed.IsZero() && ev.Heard.After(o.Passed) && (o.Answered.IsZero() || ev.Heard.Before(o.Answered.Add(time.Second)))
		}) {
			n++
		}
	}
	return n
}

// seenAll counts the restarts of the target and of those that stand beside it.
func (w *faultWorld) seenAll() int {
	n := w.seen(w.target.ID)
	for _, c := range w.flock {
		n += w.seen(c.ID)
	}
	return n
}

// meant tells whether a container is one that the fault befalls.
func (w *faultWorld) meant(id string) bool {
	return id == w.target.ID || slices.ContainsFunc(w.flock, func(c *dockertest.Container) bool { return c.ID == id })
}

// code is a remediation's state as the table shows it.
func code(r map[string]any) string {
	reason, _ := r["reason"].(map[string]any)
	text, _ := reason["code"].(string)
	return strings.TrimSpace(r["status"].(string) + " " + text)
}

// tally writes a list with equal neighbours counted.
func tally(all []string) string {
	var parts []string
	for i := 0; i < len(all); {
		n := i
		for n < len(all) && all[n] == all[i] {
			n++
		}
		if n-i > 1 {
			parts = append(parts, fmt.Sprintf("%s ×%d", all[i], n-i))
		} else {
			parts = append(parts, all[i])
		}
		i = n
	}
	return strings.Join(parts, ", ")
}

// untally is the list that tally wrote.
func untally(text string) []string {
	var all []string
	for _, part := range strings.Split(text, ", ") {
		one, count, many := strings.Cut(part, " ×")
		n := 1
		if many {
			n, _ = strconv.Atoi(count)
		}
		for range n {
			all = append(all, one)
		}
	}
	return all
}
