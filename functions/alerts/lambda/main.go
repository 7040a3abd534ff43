// Command lambda answers for the alerts function on AWS Lambda.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"os"
	_ "time/tzdata" // the runtime image has no time zones

	"trade-monitor/functions/alerts"
	"trade-monitor/shared/config"
	"trade-monitor/shared/delivery"
	"trade-monitor/shared/httpapi"
	"trade-monitor/shared/lambdahttp"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/wecom"
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
	my, how := cfg.MySQL, wecom.RenderOptions{Language: cfg.Language, Location: cfg.Location}
	db, err := mysql.Open(mysql.Options{Host: my.Host, Port: my.Port, User: my.User, Password: my.Password,
		Database: my.Database, TLS: my.TLS, Location: cfg.Location, Policy: policy, Log: log})
	client := wecom.New(wecom.Options{AllowedHosts: cfg.AllowedHosts})
	trier := delivery.NewTrier(db, client, delivery.TrierOptions{Owner: rand.Text(), Fallback: cfg.Fallback, Render: wecom.Trials(how, "AWS Lambda"), Log: log})
	robots := alerts.Robots{Check: client.Check, Try: trier.Try, Explain: wecom.Explain}
	f := alerts.New(db, alerts.Options{Language: cfg.Language, Location: cfg.Location, Robots: robots})
	auth, refused := httpapi.NewAuth(cfg.Tokens, cfg.Anonymous)
	return httpapi.Mount(httpapi.Options{Log: log, Auth: auth}, f.Routes()...), errors.Join(err, refused)
}
