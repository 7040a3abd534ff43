package alerting

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// containerStage plays scripts to the machine, with a container that behaves as
// the engine's do. A script is a list of words:
//
//	create start die=N crash=N kill=N stop oom sick well destroy pause unpause
//	               an event, heard at once. crash: the engine will restart it.
//	~event         it happens while nobody hears it; the engine remembers it
//	swap           what was missed is put aside, and what was put aside comes with the next look
//	blind          the engine is lost
//	forget         the engine restarted: it remembers nothing
//	rename=NAME    the container gets another name
//	new=ID         the container of this name is another one from here on
//	late           the first event that was missed is heard after all
//	look           a look, with what the engine remembers from what was missed
//	+10s           time passes, and what is due is judged
//	again          the last event comes a second time
//	ourselves      a remediation of ours has to do with it
//	label          only a label has it watched
type containerStage struct {
	t      *testing.T
	rec    ContainerRecord
	now    time.Time
	ahead  time.Duration // the engine's clock
	c      *Container
	past   []ContainerEvent
	kept   []ContainerEvent
	last   ContainerEvent
	ours   bool
	heard  []string // what was told, "-" before what is over
	told   []ContainerNotice
	policy Policy
}

func newContainerStage(t *testing.T) *containerStage {
	return &containerStage{
		t: t, now: noon, ahead: 3 * time.Hour, rec: ContainerRecord{Name: service, Listed: true}, policy: DefaultPolicy(),
		c: &Container{ID: "a", Name: service, StopTimeout: 10 * time.Second, Health: NoHealth},
	}
}

func (s *containerStage) play(script string) {
	s.t.Helper()
	for word := range strings.FieldsSeq(script) {
		s.word(word)
		s.now = s.now.Add(time.Millisecond)
	}
}

func (s *containerStage) word(word string) {
	name, value, _ := strings.Cut(word, "=")
	switch name, missed := strings.CutPrefix(name, "~"); name {
	case "look":
		s.look()
	case "late":
		ev := s.past[0]
		s.past = s.past[1:]
		s.take(DefaultContainerRules.Heard(s.rec, ev, s.sight(), s.now))
	case "again":
		s.take(DefaultContainerRules.Heard(s.rec, s.last, s.sight(), s.now))
	case "new":
		s.c = &Container{ID: value, Name: service, StopTimeout: 10 * time.Second, Health: NoHealth}
	case "blind":
		s.rec.Blind = true
	case "swap":
		s.kept, s.past = s.past, s.kept
	case "forget":
		s.past = nil
	case "ourselves":
		s.ours = true
	case "label":
		s.rec.Listed = false
	default:
		if d, err := time.ParseDuration(strings.TrimPrefix(word, "+")); err == nil {
			s.wait(d)
			return
		}
		ev := s.happens(name, value)
		if missed {
			s.past = append(s.past, ev)
			return
		}
		s.last = ev
		s.take(DefaultContainerRules.Heard(s.rec, ev, s.sight(), s.now))
	}
}

// happens changes the container as the engine would.
func (s *containerStage) happens(name, value string) ContainerEvent {
	number, _ := strconv.Atoi(value)
	ev := ContainerEvent{At: s.now.Add(s.ahead), ID: s.c.ID, Name: service, Action: ContainerAction(name)}
	switch name {
	case "start":
		if s.c.Restarting {
			s.c.RestartCount++
		} else {
			s.c.RestartCount = 0
		}
		s.c.Running, s.c.Restarting, s.c.StartedAt = true, false, ev.At.Add(-time.Microsecond)
	case "die", "crash":
		ev.Action, ev.ExitCode = ContainerDied, number
		s.c.Running, s.c.Restarting = name == "crash", name == "crash"
		s.c.ExitCode, s.c.FinishedAt = number, ev.At.Add(-time.Microsecond)
	case "kill":
		ev.Signal = number
	case "sick", "well":
		ev.Action, ev.Health = ContainerHealth, map[string]Health{"sick": Unhealthy, "well": Healthy}[name]
		s.c.Health, s.c.Probes = ev.Health, []Probe{{Output: "probe says " + name}}
	case "rename":
		ev.OldName, ev.Name = service, value
		s.c = nil
	case "destroy":
		s.c = nil
	case "create", "stop", "oom", "pause", "unpause":
	default:
		s.t.Fatalf("unknown word %q", name)
	}
	return ev
}

func (s *containerStage) sight() ContainerSight {
	if s.c == nil {
		return ContainerSight{}
	}
	c := *s.c
	return ContainerSight{Container: &c, Lines: []string{"last words"}}
}

func (s *containerStage) look() {
	f := ContainerFinding{Past: s.past, EngineNow: s.now.Add(s.ahead)}
	if s.c != nil {
		c := *s.c
		f.Container = &c
	}
	s.past = nil
	s.take(DefaultContainerRules.Found(s.rec, f, s.now))
}

// wait lets time pass, and has each deadline judged when it comes.
func (s *containerStage) wait(d time.Duration) {
	until := s.now.Add(d)
	for next := s.rec.Deadline(); !next.IsZero() && !next.After(until); next = s.rec.Deadline() {
		s.now = next
		s.take(DefaultContainerRules.Due(s.rec, s.ours, s.now))
		require.NotEqual(s.t, next, s.rec.Deadline(), "a deadline must not stay")
	}
	s.now = until
}

func (s *containerStage) take(rec ContainerRecord, notices []ContainerNotice) {
	// What is stored is what goes on.
	raw, err := json.Marshal(rec)
	require.NoError(s.t, err)
	s.rec = ContainerRecord{}
	require.NoError(s.t, json.Unmarshal(raw, &s.rec))
	for _, n := range notices {
		word := strings.TrimPrefix(n.Type, "CONTAINER_")
		if n.Resolved {
			word = "-" + word
		}
		s.heard = append(s.heard, word)
		s.told = append(s.told, n)
	}
}

func TestContainerWatch(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		told   string
		state  WatchState
	}{
		"a container that never was":    {"", "", WatchUnseen},
		"created and not started":       {"create +1h", "", WatchNew},
		"it runs":                       {"create start +1h", "", WatchUp},
		"the first look: it runs":       {"~start look +1h", "", WatchUp},
		"the first look: it is down":    {"~start ~die=1 forget look +1h", "", WatchDown},
		"the first look: was stopped":   {"~start ~die=143 forget look +1h", "", WatchStopped},
		"the first look: never ran":     {"look +1h", "", WatchNew},
		"the first look: sick":          {"~start ~sick look", "UNHEALTHY", WatchUnhealthy},
		"the first look: it loops":      {"~start ~crash=1 ~start ~crash=1 ~start ~crash=1 ~start ~crash=1 forget look", "RESTARTING", WatchRestarting},
		"the first look: in a stop":     {"~start +1h ~kill=15 look die=0 stop +1m", "", WatchStopped},
		"the first look: in a restart":  {"~start +1h ~kill=15 look die=0 stop start +1h", "", WatchUp},
		"the first look: after one":     {"~start ~kill=15 ~die=0 ~start look die=1", "DOWN", WatchDown},
		"the first look: a loop's life": {"~start ~crash=1 ~start ~crash=1 ~start look crash=1", "DOWN", WatchDown},
		"a crash":                       {"start +1h die=1", "DOWN", WatchDown},
		"a crash, heard twice":          {"start +1h die=1 again", "DOWN", WatchDown},
		"an end with code 0 is an end":  {"start +1h die=0", "DOWN", WatchDown},
		"a crash of one never seen":     {"die=1", "DOWN", WatchDown},
		"its first word: sick":          {"sick", "UNHEALTHY", WatchUnhealthy},
		"its first word: an order":      {"kill=15 die=0 +1m", "", WatchStopped},
		"out of order: start after die": {"die=1 start +10s", "DOWN -DOWN", WatchUp},

		"back, and not yet for long":      {"start +1h crash=1 start +9s", "DOWN", WatchDown},
		"back for 10 s":                   {"start +1h crash=1 start +10s", "DOWN -DOWN", WatchUp},
		"back, and down again":            {"start +1h crash=1 start +9s crash=1 +1m", "DOWN DOWN", WatchDown},
		"the third within 5 min":          {"start +1h crash=1 start +5s crash=1 start +5s crash=1", "DOWN DOWN RESTARTING", WatchRestarting},
		"the fourth":                      {"start crash=1 start crash=1 start crash=1 start crash=1", "DOWN DOWN RESTARTING RESTARTING", WatchRestarting},
		"three within more than 5 min":    {"start crash=1 start +3m crash=1 start +3m crash=1", "DOWN -DOWN DOWN -DOWN DOWN", WatchDown},
		"a loop that calms down":          {"start crash=1 start crash=1 start crash=1 start +59s", "DOWN DOWN RESTARTING", WatchRestarting},
		"a loop that is calm":             {"start crash=1 start crash=1 start crash=1 start +60s", "DOWN DOWN RESTARTING -DOWN -RESTARTING", WatchUp},
		"a new crash after a loop is one": {"start crash=1 start crash=1 start crash=1 start +60s die=1", "DOWN DOWN RESTARTING -DOWN -RESTARTING DOWN", WatchDown},
		"orders do not make a loop":       {"start kill=15 die=0 start kill=15 die=0 start kill=15 die=0 start +1h", "", WatchUp},

		"killed for want of memory":                  {"start +1h oom +50ms die=137", "OOM", WatchDown},
		"its worker was, and it ended of that":       {"start +1h oom +50ms die=1", "OOM", WatchDown},
		"the oom comes after the die":                {"start +1h die=137 oom", "DOWN OOM", WatchDown},
		"a process in it was killed":                 {"start +1h oom +1900ms", "", WatchUp},
		"a process in it was killed, and it lives":   {"start +1h oom oom +2s", "OOM", WatchUp},
		"a process was killed, and nothing after it": {"start +1h oom +2s +1m", "OOM -OOM", WatchUp},
		"a crash long after an oom is a crash":       {"start +1h oom +1h die=1", "OOM -OOM DOWN", WatchDown},
		"an oom of the run before is none of this":   {"start oom +1s kill=15 die=0 start die=137", "DOWN", WatchDown},

		"sick":                      {"start +1m sick", "UNHEALTHY", WatchUnhealthy},
		"sick and well":             {"start +1m sick +1m well", "UNHEALTHY -UNHEALTHY", WatchUp},
		"well all the time":         {"start +1m well", "", WatchUp},
		"sick, and looked at":       {"start +1m sick look look", "UNHEALTHY", WatchUnhealthy},
		"well while we were away":   {"start +1m sick ~well look", "UNHEALTHY -UNHEALTHY", WatchUp},
		"sick while we were away":   {"start +1m ~sick look", "UNHEALTHY", WatchUnhealthy},
		"sick, then dead":           {"start sick die=1", "UNHEALTHY DOWN", WatchDown},
		"sick after it ended":       {"start die=1 sick", "DOWN", WatchDown},
		"restarted, and well":       {"start sick kill=15 die=0 stop +1s start well +119s", "UNHEALTHY", WatchUnhealthy},
		"restarted, and stays well": {"start sick kill=15 die=0 stop +1s start well +2m", "UNHEALTHY -UNHEALTHY", WatchUp},
		"restarted, ill after 91 s": {"start sick kill=15 die=0 stop +1s start well +91s sick +10m", "UNHEALTHY UNHEALTHY", WatchUnhealthy},
		"restarted unseen, well":    {"start sick +1m ~kill=15 ~die=0 ~stop ~start ~well look +2m", "UNHEALTHY -UNHEALTHY", WatchUp},
		"recreated without a check": {"start sick kill=15 die=0 destroy new=b create start", "UNHEALTHY -UNHEALTHY", WatchUp},

		"stopped by a person":                 {"start +1h kill=15 +1s die=0 stop +119s", "", WatchStopped},
		"stopped by a person for 2 min":       {"start +1h kill=15 +1s die=0 stop +2m", "STOPPED", WatchStopped},
		"stopped, told once":                  {"start +1h kill=15 die=0 stop +5h", "STOPPED", WatchStopped},
		"killed by a person":                  {"start +1h kill=9 die=137 +2m", "STOPPED", WatchStopped},
		"stopped for 2 min, then started":     {"start +1h kill=15 die=0 stop +2m start", "STOPPED -STOPPED", WatchUp},
		"restarted":                           {"start +1h kill=15 die=0 stop start +1h", "", WatchUp},
		"restarted, and crashed after that":   {"start kill=15 die=0 stop start +2s die=1", "DOWN", WatchDown},
		"a slow stop":                         {"start +1h kill=15 +10s kill=9 die=137 stop +1m start", "", WatchUp},
		"an order is over after 40 s":         {"start +1h kill=15 +41s die=1 +1s", "DOWN", WatchDown},
		"an order with a long time-out":       {"start +1h kill=15 +100s die=0 stop +1m", "", WatchStopped},
		"a signal that is no order":           {"start +1h kill=1 +1m kill=10 kill=12 kill=28 kill=18 +1m", "", WatchUp},
		"dead of a signal that is no order":   {"start +1h kill=1 die=129 +1s", "DOWN", WatchDown},
		"a stop signal that is no order else": {"start +1h kill=28 die=0 stop +1m", "", WatchStopped},
		"dead of a signal, and restarted":     {"start +1h kill=1 crash=129 +100ms start +10s", "DOWN -DOWN", WatchUp},
		"removed":                             {"start +1h kill=9 die=137 destroy +2m", "STOPPED", WatchStopped},
		"recreated":                           {"start +1h kill=15 die=0 destroy +5s new=b create start +1h", "", WatchUp},
		"recreated, and not started":          {"start +1h kill=15 die=0 destroy +5s new=b create +2m", "STOPPED", WatchStopped},
		"recreated after 2 min":               {"start kill=15 die=0 destroy +2m new=b create start", "STOPPED -STOPPED", WatchUp},
		"crashed and recreated":               {"start die=1 destroy new=b create start +10s", "DOWN -DOWN", WatchUp},
		"crashed and removed":                 {"start die=1 destroy +1h", "DOWN", WatchDown},
		"gone with no word of its end":        {"start destroy +2m", "STOPPED", WatchStopped},
		"another one with no word of the end": {"start new=b start +1h", "", WatchUp},
		"what the old one does is no matter":  {"start kill=15 die=0 new=b create start new=a destroy +1h", "", WatchUp},
		"a loop that a person stops":          {"start crash=1 start crash=1 start crash=1 start kill=15 die=0 +2m", "DOWN DOWN RESTARTING STOPPED", WatchStopped},
		"our own restart leaves it down":      {"ourselves start kill=15 die=0 +2m", "STOPPED", WatchStopped},
		"renamed away":                        {"start rename=other +2m", "STOPPED", WatchStopped},
		"renamed away during a stop":          {"start kill=15 die=0 rename=other +2m", "STOPPED", WatchStopped},
		"renamed away, another in its place":  {"start kill=15 die=0 rename=other new=b create start +1h", "", WatchUp},
		"renamed away, with a label only":     {"label start sick rename=other +2m", "UNHEALTHY -UNHEALTHY", WatchDown},
		"frozen":                              {"start pause +1h", "", WatchUp},
		"frozen, then stopped":                {"start pause +1h unpause kill=15 die=0 +1m", "", WatchStopped},

		"nothing happened while we were away":       {"start ~pause ~unpause look +1h", "", WatchUp},
		"crashed while we were away":                {"start +1h ~die=1 look", "DOWN", WatchDown},
		"crashed, and the engine has forgotten":     {"start +1h ~die=1 forget look +9s", "", WatchLate},
		"crashed, forgotten, and not started":       {"start +1h ~die=1 forget look +10s", "DOWN", WatchDown},
		"the engine restarted and started it":       {"start +1h ~die=255 forget look +5s start +1h", "", WatchUp},
		"the engine restarted it before we came":    {"start +1h ~die=255 ~start forget look +1h", "", WatchUp},
		"stopped while we were away":                {"start +1h ~kill=15 ~die=0 ~stop look +119s", "", WatchStopped},
		"stopped just before the stream was cut":    {"start +1h kill=15 ~die=0 ~stop look +2m", "STOPPED", WatchStopped},
		"stopped hours ago":                         {"start +1h blind ~kill=15 ~die=0 ~stop +3h look +10s", "STOPPED", WatchStopped},
		"stopped and started while we were away":    {"start +1h ~kill=15 ~die=0 ~stop ~start look +1h", "", WatchUp},
		"stopped by its own signal, all unheard":    {"start +1h ~kill=28 ~die=0 ~stop look +1m", "", WatchStopped},
		"crashed and came back, long ago":           {"start +1h ~crash=1 ~start +31s look +1h", "", WatchUp},
		"crashed and came back in the cut":          {"start +1h ~crash=1 ~start look +10s", "DOWN -DOWN", WatchUp},
		"crashed and came back, and again":          {"start +1h ~crash=1 ~start +1m look crash=1 start crash=1", "DOWN RESTARTING", WatchRestarting},
		"the same, and the engine has forgotten":    {"start +1h ~crash=1 ~start +1m forget look crash=1 start crash=1", "DOWN RESTARTING", WatchRestarting},
		"three times while we were away":            {"start +1h ~crash=1 ~start ~crash=1 ~start ~crash=1 ~start +1m look", "RESTARTING", WatchRestarting},
		"down, and it runs again":                   {"start die=1 ~start +1h look +1s", "DOWN -DOWN", WatchUp},
		"down, and runs again just now":             {"start die=1 ~start look +5s", "DOWN", WatchDown},
		"down, and still down":                      {"start die=1 look look +1h", "DOWN", WatchDown},
		"down, up and down again while away":        {"start die=1 ~start ~die=2 +1m look", "DOWN DOWN", WatchDown},
		"stopped, and crashed after a start":        {"start kill=15 die=0 stop ~start +1m ~die=2 look", "DOWN", WatchDown},
		"stopped, told, and it runs again":          {"start kill=15 die=0 +2m ~start look", "STOPPED -STOPPED", WatchUp},
		"removed while we were away":                {"start +1h ~kill=9 ~die=137 ~destroy look +2m", "STOPPED", WatchStopped},
		"removed, and its end comes after the look": {"start +1h ~kill=9 swap ~die=137 ~destroy swap look swap late late +2m", "STOPPED", WatchStopped},
		"ended and removed, which come after":       {"start +1h ~die=1 ~destroy swap look swap late late +2m", "DOWN", WatchDown},
		"the first look: a removal's end is after":  {"~start ~kill=9 swap ~die=137 ~destroy swap look swap late late +2m", "STOPPED", WatchStopped},
		"the first look: none, and a crash after":   {"~start swap ~die=1 ~destroy swap look swap late late +2m", "DOWN", WatchDown},
		"removed, and the engine has forgotten":     {"start +1h ~destroy forget look +2m", "STOPPED", WatchStopped},
		"crashed and removed while we were away":    {"start +1h ~die=1 ~destroy look", "DOWN", WatchDown},
		"recreated while we were away":              {"start +1h ~kill=9 ~die=137 ~destroy new=b ~create ~start look +1h", "", WatchUp},
		"recreated, which then crashed":             {"start +1h ~kill=9 ~die=137 ~destroy new=b ~create ~start ~die=3 look", "DOWN", WatchDown},
		"recreated between the list and the look":   {"~start new=b ~create ~start look +1h", "", WatchUp},
		"killed by the kernel while we were away":   {"start +1h ~oom ~die=137 look", "OOM", WatchDown},
		"the look shows it before the event does":   {"start +1h ~die=1 forget look +1s die=1", "DOWN", WatchDown},
		"nothing is judged while we are blind":      {"start kill=15 die=0 stop blind +1h", "", WatchStopped},
		"a stop by the engine as it ends":           {"start kill=15 die=0 stop blind +1h ~start forget look +1h", "", WatchUp},
		"the same, and it is started soon":          {"start kill=15 die=0 stop blind +1h forget look +9s start +1h", "", WatchUp},
		"the same, and it is not":                   {"start kill=15 die=0 stop blind +1h forget look +10s", "STOPPED", WatchStopped},
		"it runs, but whether it stays is not seen": {"start crash=1 start blind +1h", "DOWN", WatchDown},
		"it stayed":                                    {"start crash=1 start blind +1h look +1s", "DOWN -DOWN", WatchUp},
		"it did not stay":                              {"start crash=1 start blind +1h ~die=1 look", "DOWN DOWN", WatchDown},
		"perhaps ordered, and the stream is cut":       {"start kill=28 die=0 blind ~stop look +1m", "", WatchStopped},
		"perhaps ordered, cut, and no stop":            {"start kill=28 die=0 blind look +1s", "DOWN", WatchDown},
		"the order comes with the look, the end after": {"start +1h ~kill=15 swap ~die=0 ~stop swap look swap look +119s", "", WatchStopped},
		"the order was heard, the end never":           {"start +1h kill=15 ~die=0 forget look +2m", "STOPPED", WatchStopped},
		"a start and an order, the end after":          {"start die=1 ~start ~kill=15 swap ~die=0 ~stop swap look swap look +2m", "DOWN STOPPED", WatchStopped},
		"an order of the run before":                   {"start kill=15 ~die=0 ~start forget look +1h die=1", "DOWN", WatchDown},
		"an order of the run before, just now":         {"start kill=15 ~die=0 ~start forget look die=1", "DOWN", WatchDown},
		"its events come after the look":               {"start +1h ~crash=1 ~start swap look swap look +10s", "DOWN -DOWN", WatchUp},
		"a restart comes after the look":               {"start +1h kill=15 ~die=0 ~stop ~start swap look swap late late late +1h", "", WatchUp},
		"a restart comes after the first look":         {"~start look kill=15 ~die=0 ~stop ~start swap look swap late late late +1h", "", WatchUp},
		"a crash comes after the look":                 {"start +1h ~crash=1 ~start swap look swap late late +10s", "DOWN -DOWN", WatchUp},
		"a restart after the look, then a crash":       {"start +1h kill=15 ~die=0 ~stop ~start swap look swap late late late die=1", "DOWN", WatchDown},
		"missing, and the stop comes after":            {"start +1h ~die=0 forget look stop +1m", "", WatchStopped},
		"missing, and another one is made":             {"start +1h ~die=0 forget look new=b create +1m start", "", WatchUp},
		"between two starts by the engine at a look":   {"start +1h ~crash=1 look", "DOWN", WatchDown},
	} {
		t.Run(name, func(t *testing.T) {
			s := newContainerStage(t)
			s.play(c.script)
			assert.Equal(t, c.told, strings.Join(s.heard, " "))
			assert.Equal(t, c.state, s.rec.State())
		})
	}
}

// No two notices may share a key, and the same story has the same keys.
func TestContainerNoticesHaveKeysOfTheirOwn(t *testing.T) {
	keys := func() (all []string) {
		s := newContainerStage(t)
		s.play("start oom +2s +1m sick crash=1 start crash=1 start well crash=1 start +1m kill=15 die=0 +2m start well +2m")
		require.Len(t, s.told, 11, s.heard)
		for _, n := range s.told {
			all = append(all, strings.Join(n.Key(), "|"))
		}
		return all
	}
	first := keys()
	seen := map[string]bool{}
	for _, key := range first {
		assert.False(t, seen[key], key)
		seen[key] = true
	}
	assert.Equal(t, first, keys())
}

// A step must not change what it was given: it may not be stored.
func TestContainerStepsLeaveTheRecordAlone(t *testing.T) {
	s := newContainerStage(t)
	s.play("start crash=1 start crash=1 start")
	before, err := json.Marshal(s.rec)
	require.NoError(t, err)
	given := s.rec
	DefaultContainerRules.Heard(given, s.happens("crash", "1"), s.sight(), s.now)
	DefaultContainerRules.Found(given, ContainerFinding{}, s.now)
	DefaultContainerRules.Due(given, false, s.now.Add(time.Hour))
	after, err := json.Marshal(given)
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))
}

func TestContainerRebase(t *testing.T) {
	saved := noon
	r := ContainerRecord{JudgeAt: saved.Add(2 * time.Minute), OrderAt: saved.Add(-time.Minute), Deaths: []time.Time{saved.Add(-time.Minute)}}
	for name, c := range map[string]struct {
		now          time.Time
		judge, order time.Duration // from now
	}{
		"at once":                            {saved, 2 * time.Minute, -time.Minute},
		"30 s later":                         {saved.Add(30 * time.Second), 90 * time.Second, -90 * time.Second},
		"an hour later":                      {saved.Add(time.Hour), 0, -61 * time.Minute},
		"the clock was set back by an hour":  {saved.Add(-time.Hour), 2 * time.Minute, -time.Minute},
		"the clock was set back by a second": {saved.Add(-time.Second), 2 * time.Minute, -time.Minute},
	} {
		got := r.Rebase(saved, c.now)
		assert.Equal(t, c.judge, got.JudgeAt.Sub(c.now), name)
		assert.Equal(t, c.order, got.OrderAt.Sub(c.now), name)
		assert.Equal(t, c.order, got.Deaths[0].Sub(c.now), name)
		assert.Zero(t, got.RecoverAt, name)
	}
	assert.Equal(t, saved.Add(-time.Minute), r.Deaths[0], "the stored one is left alone")
}

func TestContainerOver(t *testing.T) {
	for script, over := range map[string]bool{
		"start":                                 false,
		"label start":                           false,
		"label start kill=15 die=0 destroy":     false,
		"label start kill=15 die=0 destroy +2m": false,
		"label create destroy":                  true,
		"label start rename=other":              true,
		"create destroy":                        false,
	} {
		s := newContainerStage(t)
		s.play(script)
		assert.Equal(t, over, s.rec.Over(), script)
	}
}
