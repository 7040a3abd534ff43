package alerting

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of a heartbeat.
const (
	MinHeartbeatPeriod = time.Second
	MaxHeartbeatPeriod = 366 * 24 * time.Hour
	MaxHeartbeatGrace  = 30 * 24 * time.Hour
	// MaxHeartbeatNote is how many bytes of a note are kept: the last ones,
	// since the end of a job's output says why it failed.
	MaxHeartbeatNote = 10 << 10
	// MaxPingDeclared bounds the heartbeats that pings may declare, so that a
	// script with a name that changes cannot fill the table.
	MaxPingDeclared = 5_000
)

// The bounds of the grace that nobody named: a quarter of the period, between
// these.
const (
	shortestGrace = 10 * time.Second
	longestGrace  = time.Hour
)

// DefaultGrace is the grace of a period for which none was named.
func DefaultGrace(period time.Duration) time.Duration {
	return min(max(period/4, shortestGrace), longestGrace)
}

// HeartbeatTerms is what can be said of a heartbeat. What is not said is the
// default when it is declared, and stays when it is there already.
type HeartbeatTerms struct {
	Period    time.Duration  // 0: not said
	Grace     *time.Duration // nil: not said
	AlertType string
	Service   string
	Severity  Severity
}

// HeartbeatDeclaration is a heartbeat as a policy names it.
type HeartbeatDeclaration struct {
	Name string
	HeartbeatTerms
}

var heartbeatName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}$`)

// CheckHeartbeatName tells whether a heartbeat may have this name.
func CheckHeartbeatName(name string) error {
	var bad InvalidError
	bad.heartbeatName(name)
	return bad.orNil()
}

func (e *InvalidError) heartbeatName(name string) {
	if !heartbeatName.MatchString(name) {
		e.add("name", "1 到 100 个字母、数字和 _ . -，以字母或数字开头 (1 to 100 letters, digits and _ . -, a letter or digit first)")
	}
}

// Check tidies a declaration, or names every problem at once.
func (d HeartbeatDeclaration) Check() (HeartbeatDeclaration, error) {
	var bad InvalidError
	bad.heartbeatName(d.Name)
	if d.Period == 0 {
		bad.add("period", "必填 (required)")
	}
	d.check(&bad)
	return d, bad.orNil()
}

// Check tidies a ping, or names every problem at once.
func (p HeartbeatPing) Check() (HeartbeatPing, error) {
	var bad InvalidError
	bad.heartbeatName(p.Name)
	switch p.Signal {
	case "":
		p.Signal = SignalOK
	case SignalStart, SignalOK, SignalFail:
	default:
		bad.add("signal", "应为 start、ok 或 fail (must be start, ok or fail)")
	}
	if p.Signal == SignalStart && p.Exit != nil {
		bad.add("exit", "开始的任务没有退出码 (a job that starts has no exit status)")
	}
	p.Note = tidyNote(p.Note)
	p.check(&bad)
	return p, bad.orNil()
}

func (t *HeartbeatTerms) check(bad *InvalidError) {
	if t.Period != 0 && (t.Period < MinHeartbeatPeriod || t.Period > MaxHeartbeatPeriod) {
		bad.add("period", "应在 1 秒与 366 天（8784h）之间 (must be between 1 s and 366 days, 8784h)")
	}
	if t.Grace != nil && (*t.Grace < 0 || *t.Grace > MaxHeartbeatGrace) {
		bad.add("grace", "应在 0 与 30 天（720h）之间 (must be between 0 and 30 days, 720h)")
	}
	t.AlertType, t.Service = strings.ToUpper(oneLine(t.AlertType)), oneLine(t.Service)
	bad.atMost("type", t.AlertType, MaxType)
	bad.atMost("service", t.Service, MaxService)
	if t.Severity != "" {
		known, ok := ParseSeverity(string(t.Severity))
		if t.Severity = known; !ok {
			bad.add("severity", "应为 INFO、WARNING、ERROR 或 CRITICAL (must be one of these)")
		}
	}
}

func (e *InvalidError) atMost(field, value string, limit int) {
	if utf8.RuneCountInString(value) > limit {
		e.add(field, fmt.Sprintf("最多 %d 个字符 (at most %d characters)", limit, limit))
	}
}

// tidyNote keeps the readable end of a note.
func tidyNote(note string) string {
	return clipHead(plain(note), MaxHeartbeatNote)
}

// clipHead keeps the last n bytes at most, never beginning inside a character.
func clipHead(s string, n int) string {
	const mark = "…"
	if len(s) <= n {
		return s
	}
	cut := len(s) - n + len(mark)
	for cut < len(s) && !utf8.RuneStart(s[cut]) {
		cut++
	}
	return mark + s[cut:]
}

// DeclareHeartbeat makes a heartbeat of which nothing is known yet. Its terms
// were checked.
func DeclareHeartbeat(source HeartbeatSource, name string, terms HeartbeatTerms, now time.Time) Heartbeat {
	h := Heartbeat{
		Name: name, Declared: source, AlertType: HeartbeatDown, Service: name, Severity: Error,
		State: WatchNew, Since: now, DeclaredAt: now, CountedFrom: now,
	}
	h.apply(terms)
	if terms.Grace == nil {
		h.Grace = DefaultGrace(h.Period)
	}
	h.schedule()
	return h
}

// Redeclare gives a heartbeat that is there other terms; what happened to it
// stays. A period or grace that changed counts anew: what was allowed when it
// passed is not held against anybody.
func (h Heartbeat) Redeclare(source HeartbeatSource, terms HeartbeatTerms, now time.Time) Heartbeat {
	period, grace := h.Period, h.Grace
	h.Declared = source
	h.apply(terms)
	if terms.Grace == nil && grace == DefaultGrace(period) {
		h.Grace = DefaultGrace(h.Period) // nobody had named one
	}
	if h.Period == period && h.Grace == grace {
		return h
	}
	h.CountedFrom = now
	if !h.RunFrom.IsZero() {
		h.RunFrom = now
	}
	if h.State == WatchLate {
		h.enter(WatchUp, now)
	}
	h.schedule()
	return h
}

// Declares tells whether the heartbeat is as a declaration would make it, so
// that nothing needs to be written.
func (d HeartbeatDeclaration) Declares(h Heartbeat) bool {
	whole := d.whole()
	return h.Declared == FromPolicy && h.Period == whole.Period && h.Grace == *whole.Grace &&
		h.AlertType == whole.AlertType && h.Service == whole.Service && h.Severity == whole.Severity
}

// Declare is the heartbeat as the policy declares it: a new one, or the one of
// that name with its history. What the policy does not say is the default.
func (d HeartbeatDeclaration) Declare(there *Heartbeat, now time.Time) Heartbeat {
	if there == nil {
		return DeclareHeartbeat(FromPolicy, d.Name, d.HeartbeatTerms, now)
	}
	return there.Redeclare(FromPolicy, d.whole(), now)
}

// whole says everything, the defaults too.
func (d HeartbeatDeclaration) whole() HeartbeatTerms {
	h := DeclareHeartbeat(FromPolicy, d.Name, d.HeartbeatTerms, time.Time{})
	return HeartbeatTerms{Period: h.Period, Grace: &h.Grace, AlertType: h.AlertType, Service: h.Service, Severity: h.Severity}
}

func (h *Heartbeat) apply(t HeartbeatTerms) {
	if t.Period != 0 {
		h.Period = t.Period
	}
	if t.Grace != nil {
		h.Grace = *t.Grace
	}
	if t.AlertType != "" {
		h.AlertType = t.AlertType
	}
	if t.Service != "" {
		h.Service = t.Service
	}
	if t.Severity != "" {
		h.Severity = t.Severity
	}
}

// UndeclaredError is a ping of a heartbeat that nobody declared. It is an
// ErrNotFound.
type UndeclaredError struct{ Name string }

func (e *UndeclaredError) Error() string {
	return fmt.Sprintf("没有名为 %s 的心跳：首次请带上周期，例如 /api/heartbeats/%s?period=10m，或在策略文件中声明 "+
		"(no heartbeat %s: give the first ping its period, as in /api/heartbeats/%s?period=10m, or declare it in the policy file)", e.Name, e.Name, e.Name, e.Name)
}

// Unwrap makes it an ErrNotFound.
func (e *UndeclaredError) Unwrap() error { return ErrNotFound }
