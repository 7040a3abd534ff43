package alerting

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	// maxTail is how many lines of a log an alarm carries, and maxTailLine how
	// much of each, in characters.
	maxTail     = 10
	maxTailLine = 500
	// maxTailRead is how much of a line is searched for secrets, in bytes: what
	// is cut away later need not be.
	maxTailRead = 8 << 10
)

// ContainerNotice is one thing that the container watch has to tell.
type ContainerNotice struct {
	Type      string
	Resolved  bool
	Container string
	ID        string    // of the container; with the next two and the type it is what makes the notice unique
	StartedAt time.Time // of its run
	N         int
	At        time.Time // by our clock

	Death     *ContainerDeath // nil: it did not die, or nothing is known of it
	Deaths    int             // of a restart loop
	Processes int             // of an `oom` that the container survived
	Says      string          // the health probe's words
	Ours      bool            // it was stopped by a remediation of ours
	Gone      string          // deleted, or its new name
}

// Key identifies the notice over our own restarts: the same one is stored once.
func (n ContainerNotice) Key() []string {
	return []string{"container", n.ID, n.StartedAt.UTC().Format(time.RFC3339Nano), n.Type, fmt.Sprint(n.N), fmt.Sprint(n.Resolved)}
}

// Event puts the notice into words.
func (n ContainerNotice) Event(p *Policy) Event {
	w := containerWords{p.Language, p.Location}
	ev := Event{Type: n.Type, Service: clip(n.Container, MaxService), Severity: n.severity(), Resolved: n.Resolved, Metadata: n.metadata(w)}
	if n.Resolved {
		ev.Title, ev.Message = w.over(n)
	} else {
		ev.Title, ev.Message = w.alarm(n)
	}
	ev.Title, ev.Message = clip(oneLine(ev.Title), MaxTitle), clipBytes(plain(ev.Message), MaxMessage)
	return ev
}

func (n ContainerNotice) severity() Severity {
	switch n.Type {
	case ContainerUnhealthy:
		return Error
	case ContainerStopped:
		return Warning
	}
	return Critical
}

type containerWords struct {
	lang Language
	loc  *time.Location
}

func (w containerWords) pick(zh, en string, args ...any) string {
	return fmt.Sprintf(w.lang.Pick(zh, en), args...)
}

func (w containerWords) clock(t time.Time) string {
	if w.loc != nil {
		t = t.In(w.loc)
	}
	return t.Format("2006-01-02 15:04:05")
}

func (w containerWords) over(n ContainerNotice) (title, message string) {
	switch {
	case n.Gone != "":
		title = w.pick("容器 %s 不再以此名运行", "container %s is gone by this name", n.Container)
	case n.Type == ContainerUnhealthy:
		title = w.pick("容器 %s 健康检查已通过", "container %s is healthy again", n.Container)
	case n.Type == ContainerRestarting:
		title = w.pick("容器 %s 不再反复重启", "container %s has stopped restarting", n.Container)
	default:
		title = w.pick("容器 %s 已恢复运行", "container %s is running again", n.Container)
	}
	return title, title
}

func (w containerWords) alarm(n ContainerNotice) (title, message string) {
	var lines []string
	switch n.Type {
	case ContainerUnhealthy:
		title = w.pick("容器 %s 健康检查失败", "container %s is unhealthy", n.Container)
		if says := LogTail([]string{n.Says}); len(says) > 0 {
			lines = append(lines, w.pick("检查输出：%s", "the check says: %s", strings.Join(says, " ")))
		}
	case ContainerStopped:
		title, lines = w.stopped(n)
	case ContainerRestarting:
		title = w.pick("容器 %s 反复重启", "container %s keeps restarting", n.Container)
		lines = append(lines, w.pick("短时间内意外退出 %d 次", "it ended unexpectedly %d times within a short time", n.Deaths))
	case ContainerOOM:
		title = w.pick("容器 %s 因内存不足被系统终止（OOM）", "container %s was killed for want of memory (OOM)", n.Container)
		if n.Death == nil {
			title = w.pick("容器 %s 内存不足，其中有进程被系统终止（OOM）", "container %s is out of memory: a process in it was killed (OOM)", n.Container)
			lines = append(lines, w.pick("被终止的进程数：%d，容器仍在运行", "processes killed: %d; the container still runs", max(n.Processes, 1)))
		}
	default:
		title = w.pick("容器 %s 意外退出，%s", "container %s ended unexpectedly, %s", n.Container, w.exit(n.Death))
	}
	if n.Death != nil {
		lines = append(lines, w.death(n)...)
	}
	return title, strings.Join(append([]string{title}, lines...), "\n")
}

func (w containerWords) stopped(n ContainerNotice) (title string, lines []string) {
	switch {
	case n.Ours:
		title = w.pick("容器 %s 在 Trade Monitor 处置后未再运行", "container %s has not run since Trade Monitor restarted it", n.Container)
	case n.Gone == "deleted":
		title = w.pick("容器 %s 已被删除", "container %s was deleted", n.Container)
	case n.Gone != "":
		title = w.pick("容器 %s 已被改名为 %s", "container %s was renamed to %s", n.Container, n.Gone)
	default:
		title = w.pick("容器 %s 被人为停止", "container %s was stopped by a person", n.Container)
	}
	return title, []string{w.pick("至今未重新启动；Trade Monitor 不会自动启动它", "it was not started again; Trade Monitor does not start it")}
}

// death tells what is known of the end of a run.
func (w containerWords) death(n ContainerNotice) []string {
	d := n.Death
	var lines []string
	add := func(zh, en string, args ...any) { lines = append(lines, w.pick(zh, en, args...)) }
	if !d.At.IsZero() {
		add("退出时间：%s", "ended at: %s", w.clock(d.At))
		if n.Type != ContainerStopped {
			lines = append(lines, w.exit(d))
		}
	}
	if ran, ok := d.ran(); ok {
		add("运行了：%s", "had run for: %s", w.lang.Duration(ran))
	}
	if d.RestartPolicy != "" && d.RestartPolicy != "no" && n.Type != ContainerStopped {
		add("重启策略：%s", "restart policy: %s", d.RestartPolicy)
	}
	if d.Unseen && n.Type != ContainerStopped {
		add("发生在无法观察 Docker 期间，原因不明", "it happened while Docker could not be watched; the reason is not known")
	}
	if text := LogTail(d.Lines); len(text) > 0 && n.Type != ContainerStopped {
		add("──── 最近日志 ────", "──── 最近日志 (last lines) ────")
		lines = append(append(lines, text...), "────────────────")
	}
	return lines
}

func (w containerWords) exit(d *ContainerDeath) string {
	if d == nil || d.At.IsZero() {
		return w.pick("退出码未知", "exit code unknown")
	}
	if signal := d.signal(); signal != "" {
		return w.pick("退出码 %d（%s）", "exit code %d (%s)", d.ExitCode, signal)
	}
	return w.pick("退出码 %d", "exit code %d", d.ExitCode)
}

// ran is how long the run lasted, by the engine's clock.
func (d *ContainerDeath) ran() (time.Duration, bool) {
	if d.StartedAt.Before(time.Unix(0, 0)) || d.At.Before(d.StartedAt) {
		return 0, false
	}
	return d.At.Sub(d.StartedAt), true
}

// signal is the name of the signal that an exit code stands for, or nothing.
func (d *ContainerDeath) signal() string { return signalNames[d.ExitCode-128] }

// signalNames are those of Linux on the architectures that containers run on.
var signalNames = map[int]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
	9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
	16: "SIGSTKFLT", 24: "SIGXCPU", 25: "SIGXFSZ", 26: "SIGVTALRM", 27: "SIGPROF", 29: "SIGIO", 30: "SIGPWR", 31: "SIGSYS",
}

// LogTail makes the last lines of a log fit to be shown to people, without the
// empty ones: credentials first, so that no cut can leave half of one, and in
// all lines together, since a key goes over many.
func LogTail(lines []string) []string { return maskedLines(lines, maxTail) }

func maskedLines(lines []string, most int) []string {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(clipBytes(line, maxTailRead) + "\n")
	}
	var shown []string
	for line := range strings.Lines(MaskSecrets(text.String())) {
		if line = oneLine(line); line != "" {
			shown = append(shown, clip(line, maxTailLine))
		}
	}
	return shown[max(len(shown)-most, 0):]
}

// metadata is the same for programs.
func (n ContainerNotice) metadata(w containerWords) json.RawMessage {
	fields := map[string]any{"container": n.Container}
	if n.Processes > 0 {
		fields["oomProcesses"] = n.Processes
	}
	if n.Deaths > 0 {
		fields["deaths"] = n.Deaths
	}
	if n.Type == ContainerStopped && !n.Resolved {
		fields["stoppedByUs"] = n.Ours
	}
	if n.Type == ContainerOOM && n.Death == nil && !n.Resolved {
		fields["oomKilled"] = true
	}
	if d := n.Death; d != nil {
		d.fields(fields, w)
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return nil // cannot be: texts, numbers and times
	}
	return raw
}

func (d *ContainerDeath) fields(to map[string]any, w containerWords) {
	to["oomKilled"] = d.OOM
	if d.RestartPolicy != "" {
		to["restartPolicy"] = d.RestartPolicy
	}
	put := func(name string, t time.Time) {
		if t.After(time.Unix(0, 0)) {
			if w.loc != nil {
				t = t.In(w.loc)
			}
			to[name] = t.Format(time.RFC3339Nano)
		}
	}
	put("startedAt", d.StartedAt)
	put("finishedAt", d.At)
	if !d.At.IsZero() {
		to["exitCode"] = d.ExitCode
	}
	if signal := d.signal(); signal != "" {
		to["signal"] = signal
	}
	if ran, ok := d.ran(); ok {
		to["ranSeconds"] = float64(ran.Milliseconds()) / 1000
	}
}

// Detail is why the container is in its state, for people; empty when the state
// says it all.
func (r ContainerRecord) Detail(lang Language) string {
	switch {
	case r.Running && r.Paused:
		return lang.Pick("已暂停（docker pause）", "paused (docker pause)")
	case r.Running && !r.RecoverAt.IsZero():
		return lang.Pick("已在运行，稳定后算恢复", "running; over when it stays so")
	case r.Gone == "deleted":
		return lang.Pick("容器已被删除", "the container was deleted")
	case r.Gone != "":
		return lang.Pick("容器已改名为 ", "the container was renamed to ") + r.Gone
	case r.Pending == DoubtMissing:
		return lang.Pick("未在运行，等待 Docker 启动它", "not running; Docker may be about to start it")
	case !r.Running && r.Known && r.Ended == nil:
		return lang.Pick("从未启动", "never started")
	case !r.Running && r.Ended != nil && !r.Ordered:
		return containerWords{lang, nil}.exit(r.Ended)
	}
	return ""
}
