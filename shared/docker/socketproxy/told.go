package socketproxy

import (
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// tellAgain is how long a refusal of one kind is only counted.
	tellAgain = 10 * time.Minute
	// maxKinds bounds what is kept: whoever attacks chooses what he asks for.
	maxKinds = 200
)

// told tells the operator of refusals, each kind once in a while: it is an
// attack, or a gap between the monitor's settings and ours.
type told struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	kinds map[kind]*tally
}

type kind struct{ why, call, container string }

type tally struct {
	at    time.Time // when it was told
	since int       // how often it was not
}

func newTold(log *slog.Logger, now func() time.Time) *told {
	return &told{log: log, now: now, kinds: map[kind]*tally{}}
}

// tell logs a refusal unless its kind was just logged. The parameters of the
// call are not shown: they may hold anything.
func (t *told) tell(r *http.Request, no *refusal) {
	k := kind{no.kind, no.call, no.container}
	if k.call == "" {
		k.call = shortened(r.Method, 10) + " " + firstParts(r.URL.Path)
	}
	since, now := t.count(k)
	if !now {
		return
	}
	t.log.Warn("拒绝了一个 Docker 调用 (refused a call)", "why", no.text, "call", k.call, "path", shortened(r.URL.Path, 200),
		"container", no.container, "from", r.RemoteAddr, "notTold", since)
}

// count counts a refusal and tells whether it is to be logged now, and how many
// of its kind were not.
func (t *told) count(k kind) (since int, now bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.now()
	seen := t.kinds[k]
	if seen == nil && len(t.kinds) >= maxKinds {
		t.forget(at)
		if len(t.kinds) >= maxKinds {
			k = kind{} // all others together
			seen = t.kinds[k]
		}
	}
	if seen == nil {
		t.kinds[k] = &tally{at: at}
		return 0, true
	}
	if at.Sub(seen.at) < tellAgain {
		seen.since++
		return 0, false
	}
	since = seen.since
	*seen = tally{at: at}
	return since, true
}

// forget drops the kinds that were not seen for a while.
func (t *told) forget(at time.Time) {
	for k, seen := range t.kinds {
		if at.Sub(seen.at) >= tellAgain {
			delete(t.kinds, k)
		}
	}
}

// firstParts is the beginning of a path, which tells what kind of call it is.
func firstParts(path string) string {
	parts := 0
	for i, r := range path {
		if r == '/' {
			if parts++; parts > 2 {
				path = path[:i]
				break
			}
		}
	}
	return shortened(path, 60)
}
