package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/delivery"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/store/sqlite"
	"trade-monitor/shared/wecom"
)

// How often a database is looked at that is well. A server may be away without
// any caller noticing; the embedded one costs a flush to the disk each time.
const (
	lookAtServer   = 5 * time.Second
	lookAtEmbedded = time.Minute
)

// newEmergency makes what tells people that the database is away.
func (s *service) newEmergency(policy *admitted, client *wecom.Client, m *metrics) *delivery.Emergency {
	host, _ := os.Hostname() // unknown: the message leaves it out
	idle := lookAtEmbedded
	if s.cfg.MySQL.Configured() {
		idle = lookAtServer
	}
	return delivery.NewEmergency(witness{s}, client, delivery.EmergencyOptions{
		Owner: s.owner, Log: s.log, Idle: idle, Observe: m.emergency,
		Fallback: func() alerting.Secret { return policy.policy().Fallback },
		People:   func() alerting.People { p := policy.policy(); return p.CallsForUs() },
		Notebook: notebook{filepath.Join(s.cfg.LogDir, "emergency.json")},
		Explain:  func(err error) alerting.Reason { return outageCause(err, s.cfg.MySQL.Configured()) },
		Words: wecom.EmergencyWords{
			RenderOptions: wecom.RenderOptions{Language: s.cfg.Language, Location: s.cfg.Location},
			Database:      s.db.Engine(), Process: fmt.Sprintf("%s, PID %d", host, os.Getpid()),
		},
	})
}

// witness is the database, of which nothing bad is said while its tables are
// being made.
type witness struct{ s *service }

func (w witness) Look(ctx context.Context, owner string) (bool, error) {
	first, err := w.s.db.Look(ctx, owner)
	if errors.Is(err, alerting.ErrSchema) && !w.s.loops.started.Load() {
		return true, nil
	}
	return first, err
}

func (w witness) RecordSpoken(ctx context.Context, words []alerting.Spoken, now time.Time) error {
	return w.s.db.RecordSpoken(ctx, words, now)
}

func (w witness) ClaimNotice(ctx context.Context, robot, owner string, lease time.Duration, content string) (*alerting.Claim, error) {
	return w.s.db.ClaimNotice(ctx, robot, owner, lease, content)
}

func (w witness) SettleMessage(ctx context.Context, claim *alerting.Claim, v alerting.Verdict, jitter float64) error {
	return w.s.db.SettleMessage(ctx, claim, v, jitter)
}

// outageCause says of what kind an error is, and nothing of its text, which
// names hosts and users.
func outageCause(err error, server bool) alerting.Reason {
	var network net.Error
	code := "database_readonly"
	switch {
	case mysql.Full(err), sqlite.Full(err):
		code = "database_full"
	case mysql.Hopeless(err):
		code = "database_refuses"
	case errors.Is(err, alerting.ErrSchema):
		code = "database_tables"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		code = "database_hangs"
	case server && mysql.Away(err):
		code = "database_away"
	}
	return alerting.Reason{Code: code}
}

// notebook is a file: what was said of an outage, for the next start.
type notebook struct{ path string }

func (n notebook) Read() (o alerting.DatabaseOutage, err error) {
	text, err := os.ReadFile(n.path)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		return alerting.DatabaseOutage{}, fmt.Errorf("read %s: %w", n.path, err)
	}
	return o, nil
}

// Write replaces the file as a whole: what is there is readable at any instant.
func (n notebook) Write(o alerting.DatabaseOutage) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(n.path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(n.path+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(n.path+".new", n.path)
}

// emergency counts the words that were sent without the database.
func (m *metrics) emergency(v alerting.Verdict) {
	m.emergencies.WithLabelValues(string(v.Status)).Inc()
}

func newEmergencies() *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "trade_monitor_emergency_words_total", Help: "Messages sent without the database, saying that it is away, by what became of them.",
	}, []string{"status"})
	for _, status := range []alerting.MessageStatus{alerting.Accepted, alerting.Refused, alerting.Unknown} {
		c.WithLabelValues(string(status)) // there from the start: increase() must see the first
	}
	return c
}

// observed also lets the database be looked at when a caller was told to try
// again.
func observed(m *metrics, hint func()) func(method, pattern string, status int, took time.Duration) {
	return func(method, pattern string, status int, took time.Duration) {
		if status == http.StatusServiceUnavailable {
			hint()
		}
		m.request(method, pattern, status, took)
	}
}

// databaseAway is the line of /readyz: since when, and whether people know.
func databaseAway(o alerting.DatabaseOutage, robot bool, at *time.Location) string {
	text := "数据库不可达 (the database cannot be reached)"
	if o.Failing.IsZero() {
		return text
	}
	since := o.Failing.In(at).Format(time.DateTime)
	text += "，自 " + since + " 起 (since then)"
	switch {
	case !robot:
		text += "；未配置 WECHAT_WEBHOOK_URL，没有人被告知 (WECHAT_WEBHOOK_URL is not set: nobody is told)"
	case o.Told:
		text += "；已在群里说明 (people were told)"
	}
	return text
}
