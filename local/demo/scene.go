package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"trade-monitor/local/demo/engine"
	"trade-monitor/local/demo/script"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// scene is everything that can be seen at one moment: what the engine says of
// the container, what the service printed, what the group shows, and what is on
// record.
type scene struct {
	at       time.Time
	service  engine.State
	log      string
	messages []message
	refused  int             // requests that the robot turned down
	alerts   []httpapi.Story // on record, oldest first
	watches  []httpapi.Watch
}

// look takes in a scene: what follows from something is looked at before it, so
// that it is never seen alone.
func (s *stage) look(ctx context.Context) (scene, error) {
	sc := scene{at: time.Now()}
	var err error
	if sc.alerts, err = s.alerts(ctx); err == nil {
		err = s.lookAtGroup(ctx, &sc)
	}
	if err == nil {
		err = s.lookAtWatches(ctx, &sc)
	}
	if err == nil {
		sc.log, err = s.engine.Logs(ctx, s.of(asyncService))
	}
	if err == nil {
		sc.service, err = s.engine.Inspect(ctx, s.of(asyncService))
	}
	return sc, err
}

func (s *stage) lookAtGroup(ctx context.Context, sc *scene) error {
	var shown struct {
		Groups []struct {
			Attempts int       `json:"attempts"`
			Messages []message `json:"messages"`
		} `json:"groups"`
	}
	err := s.get(ctx, s.page+"/messages.json", &shown)
	for _, group := range shown.Groups {
		sc.messages = append(sc.messages, group.Messages...)
		sc.refused += group.Attempts - len(group.Messages)
	}
	return err
}

func (s *stage) lookAtWatches(ctx context.Context, sc *scene) error {
	var list struct {
		Data []httpapi.Watch `json:"data"`
	}
	err := s.get(ctx, s.api+"/api/watches", &list)
	sc.watches = list.Data
	return err
}

// starts counts how often the service began, by its own word.
func (sc scene) starts() int { return strings.Count(sc.log, script.Started) }

// syncs counts the ticker's syncs since the service's last start.
func (sc scene) syncs() int {
	return strings.Count(sc.log[max(0, strings.LastIndex(sc.log, script.Started)):], script.Synced)
}

// watch gives the watch of a kind; nil: there is none yet.
func (sc scene) watch(kind alerting.WatchKind) *httpapi.Watch {
	i := slices.IndexFunc(sc.watches, func(w httpapi.Watch) bool { return w.Kind == kind })
	if i < 0 {
		return nil
	}
	return &sc.watches[i]
}

// stateOf is how the watch of a kind is, as people read it.
func (sc scene) stateOf(kind alerting.WatchKind) string {
	if w := sc.watch(kind); w != nil {
		return string(w.State)
	}
	return "—"
}

// allUp tells whether all three watches are there and see nothing wrong.
func (sc scene) allUp() bool {
	return len(sc.watches) == 3 && !slices.ContainsFunc(sc.watches, func(w httpapi.Watch) bool { return w.State != alerting.WatchUp })
}

// alert gives the first alert of a type; nil: there is none.
func (sc scene) alert(alertType string) *httpapi.Story {
	i := slices.IndexFunc(sc.alerts, func(a httpapi.Story) bool { return a.AlertType == alertType })
	if i < 0 {
		return nil
	}
	return &sc.alerts[i]
}

// remedy is what was done about an alert: a repeated event may have left a
// refusal beside it. nil: nothing.
func remedy(a *httpapi.Story) *httpapi.Remediation {
	if a == nil {
		return nil
	}
	i := slices.IndexFunc(a.Remediations, func(r httpapi.Remediation) bool { return !r.OrderedAt.IsZero() })
	if i < 0 {
		return nil
	}
	return &a.Remediations[i]
}

// told tells whether everything that is owed to the group has been said.
func told(a *httpapi.Story) bool {
	return len(a.Notifications) > 0 && !slices.ContainsFunc(a.Notifications, func(n httpapi.Notification) bool { return n.Status == "PENDING" })
}

// alarmed tells whether there is an alert of a type, and the group knows.
func (sc scene) alarmed(alertType string) bool {
	a := sc.alert(alertType)
	return a != nil && told(a)
}

// resolved tells whether the alert of a type is over, and the group knows.
func (sc scene) resolved(alertType string) bool {
	return sc.alarmed(alertType) && sc.alert(alertType).Status == string(alerting.Resolved)
}

// settled tells whether besides nothing is left to be done or proven about it.
func (sc scene) settled(alertType string) bool {
	r := remedy(sc.alert(alertType))
	return sc.resolved(alertType) && r != nil && !r.EndedAt.IsZero()
}
