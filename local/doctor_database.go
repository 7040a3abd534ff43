package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"trade-monitor/local/doctor"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
	"trade-monitor/shared/store"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/store/sqlite"
)

// opened is the database as doctor sees it: never changed, and read beside a
// service that holds it.
type opened struct {
	*store.Store
	raw    *sql.DB // MySQL alone
	server string  // what the server calls itself
	err    error   // why it cannot be asked; then nothing else is there
	fresh  bool    // an embedded database that was not made yet
}

func openForReading(ctx context.Context, cfg config.Config) *opened {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	o := setup{policy: cfg.Policy, log: slog.New(slog.DiscardHandler)}
	if !cfg.MySQL.Configured() {
		db, err := sqlite.Inspect(sqlite.Options{Dir: cfg.DataDir, Location: cfg.Location, Policy: o.policy, Log: o.log})
		if errors.Is(err, fs.ErrNotExist) {
			return &opened{err: err, fresh: true}
		}
		return usable(ctx, &opened{Store: db, err: err})
	}
	raw, err := mysql.OpenDB(mysqlOptions(cfg, o))
	if err != nil {
		return &opened{err: err}
	}
	d := &opened{raw: raw}
	if d.server, d.err = mysql.CheckServer(ctx, raw); d.err != nil {
		return d
	}
	d.Store, d.err = mysql.Open(mysqlOptions(cfg, o))
	return usable(ctx, d)
}

func usable(ctx context.Context, d *opened) *opened {
	if d.err == nil {
		d.err = d.CheckSchema(ctx)
	}
	return d
}

func (d *opened) close() {
	if d.Store != nil {
		_ = d.Store.Close()
	}
	if d.raw != nil {
		_ = d.raw.Close()
	}
}

func (e *examination) database(ctx context.Context) []doctor.Finding {
	where := databaseInForce(e.cfg)
	d := e.open
	switch {
	case d.fresh:
		return []doctor.Finding{doctor.Good("%s: 尚未创建，启动时自动创建 (not made yet; the start makes it)", where)}
	case d.err == nil:
		return e.writable(ctx, where)
	case errors.Is(d.err, alerting.ErrSchema):
		return []doctor.Finding{failed("运行 trade-monitor init-db（或 scripts/init_db.sh），或直接启动服务 (run trade-monitor init-db or scripts/init_db.sh, or just start the service)",
			"%s: 表缺失或版本旧 (tables are missing or old)", where)}
	}
	what, mend := databaseTrouble(d.err)
	return []doctor.Finding{failed(mend, "%s: %s: %v", where, what, d.err)}
}

func (e *examination) writable(ctx context.Context, where string) []doctor.Finding {
	if e.open.raw == nil {
		return []doctor.Finding{doctor.Good("%s", where)}
	}
	if err := e.open.MayWrite(ctx); err != nil {
		return []doctor.Finding{failed("授予 SELECT, INSERT, UPDATE, DELETE 权限，并检查磁盘空间和只读模式 (grant these rights; check the disk and read-only mode)", "%s: 无法写入 (cannot be written to): %v", where, err)}
	}
	return []doctor.Finding{doctor.Good("%s (%s)", where, e.open.server)}
}

// How far the clocks may differ: leases and budgets go by the database's, and
// what people read by both.
const (
	clockOdd   = 2 * time.Second
	clockWrong = 30 * time.Second
)

func (e *examination) clock(ctx context.Context) []doctor.Finding {
	if e.open.raw == nil {
		return []doctor.Finding{doctor.Good("内置数据库使用本机时钟 (the embedded database goes by this clock)")}
	}
	if e.open.err != nil {
		return unknown(e.open.err)
	}
	asked := time.Now()
	theirs, err := e.open.Clock(ctx)
	if err != nil {
		return unknown(err)
	}
	apart := theirs.Sub(asked.Add(time.Since(asked) / 2)).Abs().Round(100 * time.Millisecond)
	mend := "在两台机器上启用 NTP (systemd-timesyncd 或 chrony) (enable NTP on both machines)"
	switch what := fmt.Sprintf("本机与数据库的时钟相差 %s (this clock and the database's differ by this)", apart); {
	case apart > clockWrong:
		return []doctor.Finding{failed(mend, "%s", what)}
	case apart > clockOdd:
		return []doctor.Finding{warned(mend, "%s", what)}
	}
	return []doctor.Finding{doctor.Good("与数据库相差 %s (apart from the database's)", apart)}
}

// overdueAfter is when something that waits needs a person to look.
const (
	overdueAfter = 2 * time.Minute
	stuckAfter   = 15 * time.Minute
)

func (e *examination) queues(ctx context.Context) []doctor.Finding {
	if e.open.err != nil {
		return unknown(e.open.err)
	}
	overdue, err := e.open.Overdue(ctx, overdueAfter)
	if err != nil {
		return unknown(err)
	}
	var findings []doctor.Finding
	for _, o := range overdue {
		why := "服务没有运行 (the service does not run)?"
		if !o.Reason.IsZero() {
			why = o.Reason.Text(alerting.Chinese, time.Now())
		}
		findings = append(findings, failed(fmt.Sprintf("运行 trade-monitor wechat-test %d 查看原因；修复后自动补发 (run it to see why; what waits is sent once it is mended)", o.GroupID),
			"群“%s”有 %d 条通知未送达，最早 %s (words for this group wait): %s", o.GroupName, o.Count, o.Since.In(e.cfg.Location).Format(time.DateTime), why))
	}
	stuck, err := e.open.StuckRemediations(ctx, stuckAfter)
	if err == nil && stuck > 0 {
		findings = append(findings, failed("检查 Docker 一项，并查看日志 (see the check of Docker, and the log)", "%d 个处置超过 %s 没有结束 (remediations do not end)", stuck, stuckAfter))
	}
	return orFine(findings, "无积压 (nothing is overdue)")
}
