package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store/sqlite"
)

// perRobot is how many messages one robot gets in this measurement: well below
// the 20 a minute that the program allows itself, so that nothing is paced.
const perRobot = 10

// measureLatency reads the memory of an idle program, and then how long a word
// takes from the answer of notify to the robot, one alert at a time.
func measureLatency(ctx context.Context, b *bench) (err error) {
	dir := filepath.Join(b.dir, "latency")
	keys, err := b.groups(ctx, filepath.Join(dir, "data"), (b.samples+perRobot-1)/perRobot)
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, dir, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := b.idleMemory(ctx, s); err != nil {
		return err
	}
	b.robots.Limit(0)
	defer b.robots.Limit(20)

	var answered, posted []float64
	for n := range b.samples {
		if err := sleep(ctx, b.gap); err != nil {
			return err
		}
		w, err := b.word(ctx, s, n, keys[n%len(keys)])
		if err != nil {
			return err
		}
		answered = append(answered, max(0, milliseconds(w.arrived.Sub(w.answered))))
		posted = append(posted, milliseconds(w.arrived.Sub(w.posted)))
	}
	b.add(
		figure{name: "受理到机器人 p50 (accepted → at the robot, idle)", value: quantile(answered, .5), unit: " ms", target: atMost(10), note: fmt.Sprintf("%d alerts", b.samples)},
		figure{name: "受理到机器人 p99", value: quantile(answered, .99), unit: " ms"},
		figure{name: "发出请求到机器人 p50 (posted → at the robot)", value: quantile(posted, .5), unit: " ms"},
	)
	return nil
}

func (b *bench) idleMemory(ctx context.Context, s *service) error {
	if err := sleep(ctx, b.idle); err != nil {
		return err
	}
	rss, err := s.memory("VmRSS")
	b.add(figure{name: "空闲内存 (memory when idle), SQLite", value: rss, unit: " MiB", target: atMost(40), note: fmt.Sprintf("RSS %s after the start", b.idle)})
	return err
}

// groups makes a database with n groups, each with a robot and an alert type
// of its own, and returns the robots' keys. They are written as the guide tells
// people to: by SQL.
func (b *bench) groups(ctx context.Context, dir string, n int) (keys []string, err error) {
	db, err := sqlite.Open(ctx, sqlite.Options{Dir: dir, Policy: alerting.DefaultPolicy})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	raw, err := sql.Open("sqlite", filepath.Join(dir, "trade-monitor.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, raw.Close()) }()
	for i := range n {
		name := fmt.Sprintf("latency-%d", i)
		keys = append(keys, b.robots.Key(name))
		_, err := raw.ExecContext(ctx, "INSERT INTO wechat_groups (group_name, webhook_url, alert_types) VALUES (?, ?, ?)", name, b.robots.webhook(name), latencyType(i))
		if err != nil {
			return nil, fmt.Errorf("insert a group: %w", err)
		}
	}
	return keys, nil
}

func latencyType(robot int) string { return fmt.Sprintf("BENCH_%d", robot) }

// journey is the way of one word.
type journey struct{ posted, answered, arrived time.Time }

// word posts a new alert for the robot and waits for its message.
func (b *bench) word(ctx context.Context, s *service, n int, key string) (w journey, err error) {
	const limit = 5 * time.Second
	had := len(b.robots.Messages(key))
	ev := guideEvent(latencyType(n%((b.samples+perRobot-1)/perRobot)), fmt.Sprintf("service-%d", n))
	w.posted = time.Now()
	if _, err := s.notify(ctx, ev); err != nil {
		return w, err
	}
	w.answered = time.Now()
	for time.Since(w.answered) < limit {
		if messages := b.robots.Messages(key); len(messages) > had {
			w.arrived = messages[had].At
			return w, nil
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return w, err
		}
	}
	return w, fmt.Errorf("the word about alert %d did not reach its robot within %s", n, limit)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
