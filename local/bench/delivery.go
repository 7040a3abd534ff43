package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/store/sqlite"
	"trade-monitor/shared/wecom"
	"trade-monitor/shared/wecom/wecomtest"
)

// How fast messages leave when the robot's limit does not hold them up. The
// program is the one that ships and has no switch for it: the budget is what is
// on record of the robot's slots, so a trigger in the database of this
// measurement frees each slot when its message is answered, and the simulated
// robot takes as many as come. Words are CRITICAL, which go singly; each costs
// what it always costs: a claim and a settling, both committed, and a request.

const (
	freeSlotsSQLite = "CREATE TRIGGER bench_no_limit AFTER UPDATE OF slot_until ON alert_messages WHEN NEW.slot_until > 0 " +
		"BEGIN UPDATE alert_messages SET slot_until = 0 WHERE id = NEW.id; END"
	freeSlotsMariaDB = "CREATE TRIGGER bench_no_limit BEFORE UPDATE ON alert_messages FOR EACH ROW SET NEW.slot_until = 0"
)

// crowd is how many robots are told of the same alerts, each at its own pace.
const crowd = 20

func measureDelivery(ctx context.Context, b *bench) error {
	b.robots.Limit(0)
	defer b.robots.Limit(20)
	bare, err := b.barePosts(ctx)
	if err != nil {
		return err
	}
	b.add(figure{name: "每秒发送，只有客户端 (messages a second, the client alone)", value: bare, unit: " /s", note: fmt.Sprintf("%d messages to one robot, one after the other, nothing recorded", b.words)})
	for _, robots := range []int{1, crowd} {
		if err := b.deliverSQLite(ctx, robots, bare); err != nil {
			return err
		}
	}
	if err := b.deliverMariaDB(ctx, bare); err != nil {
		return err
	}
	return b.measureWaiting(ctx)
}

// barePosts is how many messages of the usual length the program's own client
// posts in a second, when it does nothing else.
func (b *bench) barePosts(ctx context.Context) (perSecond float64, err error) {
	client := wecom.New(wecom.Options{AllowedHosts: []string{b.robots.host}})
	webhook := alerting.Secret(b.robots.webhook("bare"))
	event := guideEvent("BENCH", "service-1")
	content := wecom.RenderOptions{Language: alerting.Chinese, Location: time.UTC}.Word(alerting.Brief{
		Alert: alerting.Alert{ID: 1, Type: event.EventType, Service: event.ServiceName, Severity: alerting.Critical, Title: event.Title, Message: event.Message, Status: alerting.Open, Occurrences: 1},
	})
	begun := time.Now()
	for range b.words {
		if v := client.Send(ctx, webhook, alerting.Post{Format: alerting.Markdown, Content: content}); v.Status != alerting.Accepted {
			return 0, fmt.Errorf("a bare message was not taken: %s", v.Error)
		}
	}
	return float64(b.words) / time.Since(begun).Seconds(), nil
}

func (b *bench) deliverSQLite(ctx context.Context, robots int, bare float64) error {
	dir := filepath.Join(b.dir, fmt.Sprintf("delivery-%d", robots))
	policy := quietPolicy()
	db, err := sqlite.Open(ctx, sqlite.Options{Dir: filepath.Join(dir, "data"), Policy: policy})
	if err != nil {
		return err
	}
	raw, err := sql.Open("sqlite", filepath.Join(dir, "data", "trade-monitor.db"))
	if err != nil {
		return err
	}
	defer raw.Close()
	keys, err := b.audience(ctx, raw, fmt.Sprintf("sqlite-%d", robots), robots)
	if err != nil {
		return err
	}
	if _, err := raw.ExecContext(ctx, freeSlotsSQLite); err != nil {
		return fmt.Errorf("free the slots: %w", err)
	}
	if err := record(ctx, db.Store, b.words/robots, alerting.Critical); err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	return b.delivered(ctx, dir, keys, embedded, bare)
}

func (b *bench) deliverMariaDB(ctx context.Context, bare float64) error {
	if _, err := findMariaDB(); err != nil {
		b.say("没有 mariadbd，跳过 (no mariadbd here: not measured)")
		return nil
	}
	server, err := startMariaDB(ctx, filepath.Join(b.dir, "delivery-mariadb"))
	if err != nil {
		return err
	}
	defer server.stop()
	quiet := slog.New(slog.DiscardHandler)
	options := mysql.Options{Host: "127.0.0.1", Port: server.port, User: mariaUser, Password: mariaPassword, Database: mariaDatabase, Policy: quietPolicy(), Log: quiet}
	raw, err := mysql.OpenDB(options)
	if err != nil {
		return err
	}
	defer raw.Close()
	if err := mysql.Migrate(ctx, raw, quiet); err != nil {
		return err
	}
	keys, err := b.audience(ctx, raw, "mariadb", 1)
	if err != nil {
		return err
	}
	if _, err := raw.ExecContext(ctx, freeSlotsMariaDB); err != nil {
		return fmt.Errorf("free the slots: %w", err)
	}
	db, err := mysql.Open(options)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := record(ctx, db, b.words, alerting.Critical); err != nil {
		return err
	}
	return b.delivered(ctx, filepath.Join(b.dir, "delivery-of-mariadb"), keys, "MariaDB", bare, server.settings()...)
}

// quietPolicy is what the words are recorded by: nothing is restarted.
func quietPolicy() func() alerting.Policy {
	policy := alerting.DefaultPolicy()
	policy.Mode = alerting.Off
	return func() alerting.Policy { return policy }
}

// audience adds groups, each with a robot of its own, and gives the robots' keys.
func (b *bench) audience(ctx context.Context, raw *sql.DB, name string, robots int) (keys []string, err error) {
	for i := range robots {
		one := fmt.Sprintf("delivery-%s-%d", name, i)
		keys = append(keys, b.robots.Key(one))
		if _, err := raw.ExecContext(ctx, "INSERT INTO wechat_groups (group_name, webhook_url) VALUES (?, ?)", one, b.robots.webhook(one)); err != nil {
			return nil, fmt.Errorf("insert a group: %w", err)
		}
	}
	return keys, nil
}

// delivered starts the program on what waits, and times it from the first
// message to the last.
func (b *bench) delivered(ctx context.Context, dir string, keys []string, engine string, bare float64, settings ...string) (err error) {
	s, err := b.serve(ctx, dir, "", settings...)
	if err != nil {
		return err
	}
	defer s.kill() // nothing of it is needed, and it may have words left when we failed
	each := b.words / len(keys)
	total := each * len(keys)
	var all []wecomtest.Received
	for deadline := time.Now().Add(deliveryWait); len(all) < total; {
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d words reached their robots within %s", len(all), total, deliveryWait)
		}
		all = all[:0]
		for _, key := range keys {
			all = append(all, b.robots.Messages(key)...)
		}
	}
	first, last := all[0].At, all[0].At
	for _, m := range all {
		if m.At.Before(first) {
			first = m.At
		}
		if m.At.After(last) {
			last = m.At
		}
	}
	perSecond := float64(total-1) / last.Sub(first).Seconds()
	name := "每秒送达，不限速，一个机器人 (deliveries a second, no limit, one robot), " + engine
	if len(keys) > 1 {
		name = fmt.Sprintf("每秒送达，不限速，%d 个机器人 (%d robots at once), %s", len(keys), len(keys), engine)
	}
	b.add(figure{name: name, value: perSecond, unit: " /s", note: fmt.Sprintf("%d words, each claimed, sent and settled on record; %.2f of the client alone", total, perSecond/bare)})
	return nil
}

// deliveryWait is how long the words may take in all.
const deliveryWait = 2 * time.Minute

// measureWaiting compares two programs at rest, with as many alerts on record:
// one whose robot is gone, so that a word about each of them waits, and one that
// has nobody to tell.
func (b *bench) measureWaiting(ctx context.Context) error {
	without, diskWithout, err := b.resting(ctx, "")
	if err != nil {
		return err
	}
	with, diskWith, err := b.resting(ctx, b.robots.webhook("gone"))
	if err != nil {
		return err
	}
	n := float64(b.waiting)
	const bytes = 1 << 20
	b.add(
		figure{name: fmt.Sprintf("%d 条通知等待时的内存 (memory with so many words waiting), SQLite", b.waiting), value: with, unit: " MiB", note: fmt.Sprintf("RSS at rest; %.1f MiB with as many alerts and no word", without)},
		figure{name: "每条等待的通知，内存 (memory for each waiting word)", value: max(0, with-without) * bytes / n, unit: " B"},
		figure{name: "每条等待的通知，磁盘 (disk for each waiting word)", value: max(0, diskWith-diskWithout) * bytes / n, unit: " B"},
	)
	return nil
}

// resting gives what a program and its database hold, in MiB. With a webhook,
// words wait for a robot that is tried again in an hour.
func (b *bench) resting(ctx context.Context, webhook string) (memory, disk float64, err error) {
	dir := filepath.Join(b.dir, map[bool]string{true: "waiting", false: "not-waiting"}[webhook != ""])
	data := filepath.Join(dir, "data")
	policy := quietPolicy()()
	policy.Fallback = alerting.Secret(webhook)
	db, err := sqlite.Open(ctx, sqlite.Options{Dir: data, Policy: func() alerting.Policy { return policy }})
	if err != nil {
		return 0, 0, err
	}
	if err := record(ctx, db.Store, b.waiting, alerting.Error); err != nil {
		return 0, 0, err
	}
	if err := db.Close(); err != nil {
		return 0, 0, err
	}
	file := filepath.Join(data, "trade-monitor.db")
	if disk, err = sizeOf(file); err != nil {
		return 0, 0, err
	}
	if webhook != "" {
		if err := restRobot(ctx, file, alerting.RobotID(policy.Fallback)); err != nil {
			return 0, 0, err
		}
	}
	s, err := b.serve(ctx, dir, webhook)
	if err != nil {
		return 0, 0, err
	}
	defer s.kill()
	for range 20 { // the loop looks at what waits with each of them
		if _, err := s.notify(ctx, guideEvent("BENCH", "one-more")); err != nil {
			return 0, 0, err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return 0, 0, err
		}
	}
	if err := sleep(ctx, b.idle); err != nil {
		return 0, 0, err
	}
	if err := s.pending(ctx, webhook != "", b.waiting); err != nil {
		return 0, 0, err
	}
	memory, err = s.memory("VmRSS")
	return memory, disk, err
}

// restRobot lets a robot rest for an hour, as one that is gone does for minutes.
func restRobot(ctx context.Context, file, robot string) error {
	raw, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	defer raw.Close()
	_, err = raw.ExecContext(ctx, "INSERT INTO alert_robots (robot, failures, broken, paused_us, reason_code) VALUES (?, 1, 1, ?, 'robot_robot_gone')",
		robot, time.Now().Add(time.Hour).UnixMicro())
	return err
}

// pending makes sure that the words wait.
func (s *service) pending(ctx context.Context, wanted bool, words int) error {
	text, err := s.text(ctx, "/metrics")
	if err != nil {
		return err
	}
	n := 0
	if line := pendingLine.FindStringSubmatch(text); line != nil {
		if _, err := fmt.Sscan(line[1], &n); err != nil {
			return err
		}
	}
	if !wanted {
		return within("words that wait for nobody", int64(n), 0, 0)
	}
	return within("words that wait", int64(n), int64(words), int64(words)+1)
}

// pendingLine counts numbers such as 100000, which the format writes as 1e+06
// from a million on only.
var pendingLine = regexp.MustCompile(`trade_monitor_notifications_pending\{group="0"\} (\d+)`)

func sizeOf(file string) (mib float64, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / (1 << 20), nil
}

func (s *service) text(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return "", err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}
