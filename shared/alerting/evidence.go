package alerting

import (
	"fmt"
	"strings"
	"time"
)

const (
	// EvidenceLines is how many lines of its log are kept of a container before
	// it is acted on.
	EvidenceLines = 50
	// evidenceProbes is how many answers of its health check are.
	evidenceProbes = 5
	// maxProbe is how much of one answer is kept, in characters.
	maxProbe = 300
)

// Evidence is how a container was before it was acted on: a restart wipes it
// out. The engine's exit code and OOM mark are those of the last run that ended.
type Evidence struct {
	TakenAt      time.Time `json:"takenAt"`
	State        string    `json:"state"` // running, paused, restarting or exited
	StartedAt    time.Time `json:"startedAt"`
	FinishedAt   time.Time `json:"finishedAt"` // zero: it never ended
	ExitCode     int       `json:"exitCode"`
	OOMKilled    bool      `json:"oomKilled"`
	Health       Health    `json:"health"`
	Probes       []Probe   `json:"probes"` // of its health check, oldest first
	RestartCount int       `json:"restartCount"`
	Lines        []string  `json:"lines"`   // the last of its log, secrets masked
	Missing      string    `json:"missing"` // why the log could not be read; empty: it could
}

// Probe is one answer of a container's health check.
type Probe struct {
	At       time.Time `json:"at"`
	ExitCode int       `json:"exitCode"`
	Output   string    `json:"output"`
}

// TakeEvidence notes how a container is. What it wrote itself, its log and the
// words of its health check, is cleared of what looks like a secret. missing
// tells why there are no lines.
func TakeEvidence(c *Container, lines []string, missing string, now time.Time) *Evidence {
	e := &Evidence{
		TakenAt: now, State: c.State(), StartedAt: c.StartedAt, FinishedAt: c.FinishedAt, ExitCode: c.ExitCode, OOMKilled: c.OOMKilled,
		Health: c.Health, RestartCount: c.RestartCount, Missing: missing,
		Lines: maskedLines(lines, EvidenceLines),
	}
	for _, p := range c.Probes[max(len(c.Probes)-evidenceProbes, 0):] {
		p.Output = clip(oneLine(MaskSecrets(clipBytes(p.Output, maxTailRead))), maxProbe)
		e.Probes = append(e.Probes, p)
	}
	return e
}

// State is how it stands, in the words of Evidence.State.
func (c *Container) State() string {
	switch {
	case c.Restarting:
		return "restarting"
	case c.Paused:
		return "paused"
	case c.Running:
		return "running"
	}
	return "exited"
}

var stateWords = map[string][2]string{
	"running": {"运行中", "running"}, "paused": {"已暂停", "paused"}, "restarting": {"反复重启中", "restarting"}, "exited": {"未运行", "not running"},
}

// Summary is the evidence on one line, for people.
func (e *Evidence) Summary(lang Language) string {
	words, known := stateWords[e.State]
	if !known {
		words = [2]string{e.State, e.State}
	}
	parts := []string{lang.Pick(words[0], words[1])}
	switch ran := e.TakenAt.Sub(e.StartedAt); {
	case e.State == "exited":
		parts = append(parts, fmt.Sprintf(lang.Pick("退出码 %d", "exit code %d"), e.ExitCode))
	case ran > 0 && !e.StartedAt.IsZero():
		parts[0] += " " + lang.Duration(ran)
	}
	if e.OOMKilled {
		parts = append(parts, lang.Pick("曾因内存不足被终止（OOM）", "killed for want of memory (OOM)"))
	}
	if e.Health != NoHealth && e.Health != "" {
		parts = append(parts, lang.Pick("健康检查 ", "health ")+string(e.Health))
	}
	if e.RestartCount > 0 {
		parts = append(parts, fmt.Sprintf(lang.Pick("重启策略已重启 %d 次", "restarted %d times by its restart policy"), e.RestartCount))
	}
	return strings.Join(parts, lang.Pick("，", ", "))
}

// LastLines are the newest n lines of the log, and, when it is the health check
// that fails, what that said last.
func (e *Evidence) LastLines(n int) []string {
	lines := e.Lines[max(len(e.Lines)-n, 0):]
	if k := len(e.Probes); k > 0 && e.Health == Unhealthy && e.Probes[k-1].Output != "" {
		lines = append([]string{e.Probes[k-1].Output}, lines...)
	}
	return lines
}
