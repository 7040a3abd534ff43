package main

import (
	"context"
	"log/slog"
	"os"

	"trade-monitor/functions/alerts"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
	"trade-monitor/shared/delivery"
	"trade-monitor/shared/wecom"
)

// robots is how groups are checked and tried; record is told of every test,
// before is called before each.
func robots(cfg config.Config, db database, client *wecom.Client, owner string, record func(alerting.Trial), before func(context.Context) error, log *slog.Logger) alerts.Robots {
	host, _ := os.Hostname() // unknown: the message leaves it out
	trier := delivery.NewTrier(db, client, delivery.TrierOptions{
		Owner:    owner + ":test",
		Fallback: cfg.Fallback,
		Render:   wecom.Trials(wecom.RenderOptions{Language: cfg.Language, Location: cfg.Location}, host),
		Record:   record,
		Before:   before,
		Log:      log,
	})
	return alerts.Robots{Check: client.Check, Try: trier.Try, Explain: wecom.Explain}
}
