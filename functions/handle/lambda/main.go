// Command lambda answers POST /api/alerts/{id}/handle, /acknowledge and /resolve on AWS Lambda.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	_ "time/tzdata" // the runtime image has no time zones

	"trade-monitor/functions/handle"
	"trade-monitor/shared/config"
	"trade-monitor/shared/httpapi"
	"trade-monitor/shared/lambdahttp"
	"trade-monitor/shared/store/mysql"
)

func main() { lambdahttp.Start(setup) }

func setup(log *slog.Logger) (http.Handler, error) {
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
	db, err := mysql.Open(mysql.Options{
		Host: cfg.MySQL.Host, Port: cfg.MySQL.Port, User: cfg.MySQL.User, Password: cfg.MySQL.Password,
		Database: cfg.MySQL.Database, TLS: cfg.MySQL.TLS, Location: cfg.Location, Policy: policy, Log: log,
	})
	auth, refused := httpapi.NewAuth(cfg.Tokens, cfg.Anonymous)
	f := handle.New(db, handle.Options{Language: cfg.Language, Location: cfg.Location})
	return httpapi.Mount(httpapi.Options{Log: log, Auth: auth}, f.Routes()...), errors.Join(err, refused)
}
