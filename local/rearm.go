package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"trade-monitor/shared/config"
)

// rearmArgs are those of the command that lets remediation go on.
var rearmArgs = []string{"[CONTAINER|--brake]", "[HOST]"}

// held is what /api/remediation says of what is held back.
type held struct {
	Data struct {
		Brakes []struct {
			Host, HostName string
			Engaged        bool
			Until          time.Time
			Containers     []string
		}
		Breakers []struct {
			Container        string
			Restarts, Budget int
			PerSeconds       float64
			Until            *time.Time
		}
	}
}

// rearmCommand re-arms a container's breaker, releases a brake, or lists both.
func rearmCommand(ctx context.Context, a app) error {
	switch {
	case len(a.args) == 0:
		return listHeld(ctx, a)
	case a.args[0] == "--brake":
		return releaseBrake(ctx, a, a.args[1:])
	case strings.HasPrefix(a.args[0], "-") || len(a.args) > 1:
		return usageError{"应为容器名，或 --brake [主机] (a container, or --brake [HOST]): " + strings.Join(a.args, " ")}
	}
	return letGo(ctx, a, "/api/remediation/containers/"+url.PathEscape(a.args[0])+"/rearm")
}

// releaseBrake releases the brake of the host that is named, or the one that
// holds.
func releaseBrake(ctx context.Context, a app, named []string) error {
	host := strings.Join(named, "")
	if len(named) == 0 {
		now, err := whatIsHeld(ctx, a)
		if err != nil {
			return err
		}
		var engaged []string
		for _, b := range now.Data.Brakes {
			if b.Engaged {
				engaged, host = append(engaged, b.HostName+" ("+b.Host+")"), b.Host
			}
		}
		switch len(engaged) {
		case 0:
			return errors.New("没有生效的刹车 (no brake holds)")
		case 1:
		default:
			return usageError{"有多个刹车，请指明主机 (several brakes hold: name the host): " + strings.Join(engaged, ", ")}
		}
	}
	return letGo(ctx, a, "/api/remediation/brakes/"+url.PathEscape(host)+"/release")
}

// letGo asks the service and prints what it says.
func letGo(ctx context.Context, a app, path string) error {
	var done struct {
		Message string
		Data    struct{ Alerts []int64 }
	}
	if err := askService(ctx, a, http.MethodPost, path, config.ScopeOperate, []byte(`{"by":"cli"}`), &done); err != nil {
		var refused *answerError
		if errors.As(err, &refused) && refused.status == http.StatusNotFound {
			return errors.New("没有这个容器的处置记录，或没有这台主机的刹车 (there is no remediation of this container, or no brake of this host, on record)")
		}
		return explained(err)
	}
	_, err := fmt.Fprintf(a.stdout, "%s；告警 (alerts): %v\n", done.Message, done.Data.Alerts)
	return err
}

func whatIsHeld(ctx context.Context, a app) (now held, err error) {
	err = askService(ctx, a, http.MethodGet, "/api/remediation", config.ScopeRead, nil, &now)
	return now, explained(err)
}

func listHeld(ctx context.Context, a app) error {
	now, err := whatIsHeld(ctx, a)
	if err != nil {
		return err
	}
	return printHeld(a.stdout, now, a.cfg.Location)
}

func printHeld(w io.Writer, now held, place *time.Location) error {
	var lines []string
	for _, b := range now.Data.Breakers {
		until := "—"
		if b.Until != nil {
			until = b.Until.In(place).Format(time.DateTime)
		}
		lines = append(lines, fmt.Sprintf("熔断 (breaker) %s: %d/%d, %s；trade-monitor rearm %s", b.Container, b.Restarts, b.Budget, until, b.Container))
	}
	for _, b := range now.Data.Brakes {
		if b.Engaged {
			lines = append(lines, fmt.Sprintf("刹车 (brake) %s: %s, %s；trade-monitor rearm --brake %s",
				b.HostName, strings.Join(b.Containers, " "), b.Until.In(place).Format(time.DateTime), b.Host))
		}
	}
	if len(lines) == 0 {
		lines = []string{"没有熔断，也没有刹车 (no breaker is open and no brake holds)"}
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}
