// Command lambda delivers, judges heartbeats, re-checks, escalates, and ends
// remediations that no runner takes, on a schedule on AWS Lambda.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"time"
	_ "time/tzdata" // the runtime image has no time zones

	"trade-monitor/shared/config"
	"trade-monitor/shared/delivery"
	"trade-monitor/shared/lambdahttp"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/watch"
	"trade-monitor/shared/wecom"
)

func main() { lambdahttp.StartScheduled(setup) }

func setup(log *slog.Logger) (lambdahttp.Pass, error) {
	cfg, err := config.Load(context.Background(), os.LookupEnv)
	if err == nil && !cfg.MySQL.Configured() {
		err = errors.New("MYSQL_HOST is needed on Lambda")
	}
	if err != nil {
		return nil, err
	}
	policy, err := cfg.FixedPolicy()
	if err != nil {
		return nil, err
	}
	my := cfg.MySQL
	db, err := mysql.Open(mysql.Options{Host: my.Host, Port: my.Port, User: my.User, Password: my.Password,
		Database: my.Database, TLS: my.TLS, Location: cfg.Location, Policy: policy, Log: log})
	how := wecom.RenderOptions{Language: cfg.Language, Location: cfg.Location, PublicURL: cfg.PublicURL, Token: cfg.OperateByToken()}
	loop := delivery.New(db, wecom.New(wecom.Options{AllowedHosts: cfg.AllowedHosts}), delivery.Options{Owner: rand.Text(), Fallback: cfg.Fallback, Render: how, Log: log, Patience: 16 * time.Second})
	beats := watch.NewHeartbeats(db, db, watch.HeartbeatsOptions{Language: cfg.Language, Location: cfg.Location, Log: log, Tolerance: 150 * time.Second})
	judge := func(ctx context.Context) error { _, err := beats.RunOnce(ctx); return err } // first: a robot that hangs must not keep it
	again := func(ctx context.Context) error { _, err := db.Recheck(ctx); return err }    // what a silence kept back and goes on is owed when it ends
	steps := delivery.NewEscalator(db, delivery.EscalatorOptions{Log: log})
	climb := func(ctx context.Context) error { _, err := steps.RunOnce(ctx); return err } // what nobody acknowledged in time
	expire := func(ctx context.Context) error { _, err := db.ExpireRemediations(ctx); return err }
	return lambdahttp.InTurn(judge, again, climb, expire, func(ctx context.Context) error { _, err := loop.RunOnce(ctx); return err }), err
}
