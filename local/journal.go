package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"

	"trade-monitor/shared/alerting"
)

// journal writes alert.log: one readable line for each thing that happened to
// an alert, and for each test message. It never makes a commit wait: lines are gathered and written by a
// goroutine of its own.
type journal struct {
	out      io.WriteCloser
	language alerting.Language
	location *time.Location
	log      *slog.Logger

	mu      sync.Mutex
	waiting []alerting.Happening
	tests   []alerting.Trial
	closed  bool
	wake    chan struct{}
	done    chan struct{}
}

// Sizes of alert.log: it is rotated at 20 MB, and 5 old files are kept.
const (
	journalMegabytes = 20
	journalBackups   = 5
)

func openJournal(dir string, language alerting.Language, location *time.Location, log *slog.Logger) *journal {
	j := &journal{
		out:      &lumberjack.Logger{Filename: filepath.Join(dir, "alert.log"), MaxSize: journalMegabytes, MaxBackups: journalBackups},
		language: language, location: location, log: log,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go j.write()
	return j
}

// note takes what a commit did over.
func (j *journal) note(happened []alerting.Happening) {
	if len(happened) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return // a commit that outlived the stop; its trail is in the database
	}
	j.waiting = append(j.waiting, happened...)
	j.rouse()
}

// tried takes a test message over, with who asked for it.
func (j *journal) tried(t alerting.Trial) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed {
		j.tests = append(j.tests, t)
		j.rouse()
	}
}

func (j *journal) rouse() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Close writes what waits and closes the file.
func (j *journal) Close() error {
	j.mu.Lock()
	j.closed = true
	close(j.wake)
	j.mu.Unlock()
	<-j.done
	return j.out.Close()
}

func (j *journal) write() {
	defer close(j.done)
	failed := false
	for open := true; open; {
		_, open = <-j.wake
		j.mu.Lock()
		happened, tests := j.waiting, j.tests
		j.waiting, j.tests = nil, nil
		j.mu.Unlock()
		var lines bytes.Buffer
		for _, h := range happened {
			lines.WriteString(j.line(h))
		}
		for _, t := range tests {
			lines.WriteString(j.test(t))
		}
		if lines.Len() == 0 {
			continue
		}
		_, err := j.out.Write(lines.Bytes())
		if err != nil && !failed {
			j.log.Error("alert.log 无法写入 (cannot be written)", "error", err)
		}
		failed = err != nil
	}
}

// line is one line: when, which alert, what it is about, and what happened.
func (j *journal) line(h alerting.Happening) string {
	a, d := h.Alert, h.Decision
	text := fmt.Sprintf("%s #%d %s %s %s %s | %s | %s",
		d.LastAt.In(j.location).Format(journalTime), a.ID, a.Status, a.Severity, a.Type, a.Service, a.Title, d.Text(j.language))
	return strings.ReplaceAll(text, "\n", " ") + "\n"
}

const journalTime = "2006-01-02 15:04:05.000"

func (j *journal) test(t alerting.Trial) string {
	pick := j.language.Pick
	text := fmt.Sprintf("%s %s %s (id %d) | %s | %s %s",
		t.At.In(j.location).Format(journalTime), pick("测试消息", "test message"), t.Group.Name, t.Group.ID,
		pick("发起：", "asked for by: ")+t.By, t.Verdict.Status, t.Verdict.Summary())
	return strings.ReplaceAll(text, "\n", " ") + "\n"
}
