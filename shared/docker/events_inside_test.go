package docker

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

func TestAnEventInOurWords(t *testing.T) {
	at := time.Unix(5, 7).UTC()
	message := func(action string, attributes map[string]string) events.Message {
		attributes["name"] = "async-service"
		return events.Message{Type: events.ContainerEventType, Action: events.Action(action), TimeNano: at.UnixNano(), Actor: events.Actor{ID: "id", Attributes: attributes}}
	}
	plain := alerting.ContainerEvent{At: at, ID: "id", Name: "async-service"}
	with := func(change func(*alerting.ContainerEvent)) alerting.ContainerEvent {
		ev := plain
		change(&ev)
		return ev
	}
	for name, c := range map[string]struct {
		message events.Message
		want    alerting.ContainerEvent
	}{
		"die":       {message("die", map[string]string{"exitCode": "137"}), with(func(e *alerting.ContainerEvent) { e.Action, e.ExitCode = "die", 137 })},
		"kill":      {message("kill", map[string]string{"signal": "15"}), with(func(e *alerting.ContainerEvent) { e.Action, e.Signal = "kill", 15 })},
		"unhealthy": {message("health_status: unhealthy", map[string]string{}), with(func(e *alerting.ContainerEvent) { e.Action, e.Health = "health_status", alerting.Unhealthy })},
		"rename":    {message("rename", map[string]string{"oldName": "/old"}), with(func(e *alerting.ContainerEvent) { e.Action, e.OldName = "rename", "old" })},
		"watched":   {message("start", map[string]string{WatchLabel: "true"}), with(func(e *alerting.ContainerEvent) { e.Action, e.Watched = "start", true })},
	} {
		got, known := containerEvent(c.message)
		assert.True(t, known, name)
		assert.Equal(t, c.want, got, name)
	}
	for _, action := range []string{"exec_create: /service health", "exec_start: x", "exec_die", "attach", "commit", "resize", "top", "update", ""} {
		_, known := containerEvent(message(action, map[string]string{}))
		assert.False(t, known, action)
	}
	network := message("destroy", map[string]string{})
	network.Type = events.NetworkEventType
	_, known := containerEvent(network)
	assert.False(t, known, "of a network")
}

func TestAQueueHasAnEnd(t *testing.T) {
	q := newQueue()
	messages, errs := make(chan events.Message), make(chan error)
	ended := make(chan error, 1)
	go func() {
		err := drain(messages, errs, q)
		q.end(err)
		ended <- err
	}()
	for range maxQueue + 1 {
		messages <- event(1, events.ActionStart, "ours")
	}
	require.ErrorContains(t, <-ended, "more events than can be kept", "who is that late has to look for himself")
	n := 0
	require.Error(t, q.each(t.Context(), func(alerting.ContainerEvent) { n++ }))
	assert.Equal(t, maxQueue, n, "what was kept comes first")
}
