package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// The least share of the bare server's requests per second, and the goal after
// it.
const (
	wantDistinct, goalDistinct   = 0.12, 0.3
	wantRepeating, goalRepeating = 0.25, 0.4
)

// embedded is the engine that the targets are for: the one that serves without
// any setting.
const embedded = "SQLite"

// intake measures one database: the program over it, beside the bare server.
type intake struct {
	*bench
	engine     string
	bare, ours *process
	service    *service
	runs       int // of distinct load: each has services of its own
	accepted   int64
	unsure     int64 // events that may be recorded beyond those: in flight when a run ended
}

func measureSQLite(ctx context.Context, b *bench) error {
	return b.intake(ctx, embedded, func(i *intake) error {
		most, err := i.ours.memory("VmHWM")
		i.add(figure{name: "负载下内存峰值 (memory, most under this load), SQLite", value: most, unit: " MiB"})
		return err
	})
}

func measureMariaDB(ctx context.Context, b *bench) error {
	if _, err := findMariaDB(); err != nil {
		b.say("没有 mariadbd，跳过 (no mariadbd here: not measured)")
		return nil
	}
	db, err := startMariaDB(ctx, filepath.Join(b.dir, "mariadb"))
	if err != nil {
		return err
	}
	defer db.stop()
	return b.intake(ctx, "MariaDB", func(*intake) error { return nil }, db.settings()...)
}

// intake loads a fresh program of these settings; after looks at it when it has
// been under load.
func (b *bench) intake(ctx context.Context, engine string, after func(*intake) error, settings ...string) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	bare, err := start(ctx, exec.Command(self, bareWord))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	s, err := b.serve(ctx, filepath.Join(b.dir, "intake-"+engine), b.robots.webhook("bench-"+engine), settings...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()

	i := &intake{bench: b, engine: engine, bare: bare, ours: s.process, service: s}
	if err := i.mustOwe(ctx); err != nil {
		return err
	}
	if err := i.load(ctx, "不同告警 (durable notify, distinct alerts)", wantDistinct, goalDistinct, i.distinctLoad, i.alerts); err != nil {
		return err
	}
	if err := i.load(ctx, "同一告警重复 (durable notify, one repeating alert)", wantRepeating, goalRepeating, repeating, i.occurrences); err != nil {
		return err
	}
	return errors.Join(i.reconcile(ctx), after(i))
}

// mustOwe makes sure that an alert owes a word to a robot: taking events that
// concern nobody would be cheaper.
func (i *intake) mustOwe(ctx context.Context) error {
	a, err := i.service.notify(ctx, guideEvent("TICKER_SYNC_TIMEOUT", "service-first"))
	if err != nil {
		return err
	}
	if len(a.Notification.Groups) == 0 {
		return errors.New("an alert owes no word to any robot: this would measure less than the real work")
	}
	i.accepted++
	return nil
}

func (i *intake) distinctLoad() load {
	i.runs++
	return distinct(i.runs)
}

// alerts counts the alerts on record.
func (i *intake) alerts(ctx context.Context) (int64, error) {
	p, err := i.service.list(ctx, url.Values{"pageSize": {"1"}})
	return p.Total, err
}

// occurrences counts the events of the repeating alert.
func (i *intake) occurrences(ctx context.Context) (n int64, err error) {
	p, err := i.service.list(ctx, url.Values{"serviceName": {"aifuturetrade-async-service"}})
	for _, alert := range p.Data {
		n += alert.Occurrences
	}
	return n, err
}

// load runs bare and ours in turn, so that what else the machine does meets
// both, and adds the median of the rounds' ratios. count is how many events of
// this load are on record.
func (i *intake) load(ctx context.Context, name string, want, goal float64, next func() load, count func(context.Context) (int64, error)) error {
	var ratios, perSecond, bares []float64
	var p50s, p99s []int64
	for round := range i.rounds {
		yardstick, err := i.wrk(ctx, i.bare.url, next(), i.bareSeconds)
		if err != nil {
			return fmt.Errorf("bare server: %w", err)
		}
		o, err := i.counted(ctx, next(), count)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", name, i.engine, err)
		}
		i.say("%s, %s, %d/%d: %.0f/s, bare %.0f/s", name, i.engine, round+1, i.rounds, o.perSecond(), yardstick.perSecond())
		ratios = append(ratios, o.perSecond()/yardstick.perSecond())
		perSecond, bares = append(perSecond, o.perSecond()), append(bares, yardstick.perSecond())
		p50s, p99s = append(p50s, o.P50), append(p99s, o.P99)
	}
	var wanted *target // of the database that is there without any setting; a server's figure is shown
	if i.engine == embedded {
		wanted = atLeast(want)
	}
	i.add(figure{
		name: name + ", " + i.engine, value: quantile(ratios, .5), target: wanted,
		note: fmt.Sprintf("%.0f/s of %.0f/s; rounds %.2f–%.2f; p50 %.1f ms, p99 %.1f ms; later goal %g", quantile(perSecond, .5), quantile(bares, .5),
			quantile(ratios, 0), quantile(ratios, 1), float64(quantile(p50s, .5))/1000, float64(quantile(p99s, .5))/1000, goal),
	})
	return nil
}

// counted is one run of load on ours. What the record gained must be what wrk
// was answered, give or take what was in flight when wrk hung up.
func (i *intake) counted(ctx context.Context, l load, count func(context.Context) (int64, error)) (outcome, error) {
	before, err := count(ctx)
	if err != nil {
		return outcome{}, err
	}
	o, err := i.wrk(ctx, i.ours.url, l, i.seconds)
	if err != nil {
		return outcome{}, err
	}
	after, err := settled(ctx, count)
	if err != nil {
		return outcome{}, err
	}
	inFlight := int64(i.connections)
	i.accepted += o.Requests
	i.unsure += inFlight
	return o, within("events of this round on record", after-before, o.Requests, o.Requests+inFlight)
}

// settled counts until what was in flight is on record too.
func settled(ctx context.Context, count func(context.Context) (int64, error)) (int64, error) {
	for last := int64(-1); ; {
		n, err := count(ctx)
		if err != nil || n == last {
			return n, err
		}
		last = n
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// reconcile walks the whole record: Σ occurrences are the events accepted.
func (i *intake) reconcile(ctx context.Context) error {
	alerts, events, err := i.service.recorded(ctx)
	if err != nil {
		return err
	}
	total, err := i.alerts(ctx)
	if err != nil {
		return err
	}
	return errors.Join(
		within("alerts on record, beside the total", alerts, total, total),
		within("occurrences on record", events, i.accepted, i.accepted+i.unsure))
}

func within(what string, n, least, most int64) error {
	if n < least || n > most {
		return fmt.Errorf("%s: %d, wanted %d to %d", what, n, least, most)
	}
	return nil
}
