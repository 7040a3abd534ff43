package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// story tells what is new in each scene.
type story struct {
	out    *teller
	name   string // of the container
	now    scene
	begins []time.Time // every StartedAt that was seen
	back   bool        // the ticker has synced since the last of them

	told     map[string]bool // lines that are said once
	messages int             // how many were told
	proven   map[int64]time.Duration

	since   time.Time // when the demonstration did something last
	seconds int       // of waiting since then that were counted
	second  func(n int)
}

func newStory(out *teller, name string) *story {
	return &story{out: out, name: name, told: map[string]bool{}, proven: map[int64]time.Duration{}}
}

// elapsed is how long ago the demonstration did something, when it looked last.
func (t *story) elapsed() time.Duration { return t.now.at.Sub(t.since) }

// once tells whether this is the first time that it is asked about something.
func (t *story) once(what string, of ...any) bool {
	key := fmt.Sprint(append([]any{what}, of...)...)
	again := t.told[key]
	t.told[key] = true
	return !again
}

// follow looks again and again until done, or until limit has passed.
func (t *story) follow(ctx context.Context, look func(context.Context) (scene, error), limit time.Duration, done func() bool) error {
	deadline := time.Now().Add(limit)
	for {
		sc, err := look(ctx)
		if err == nil {
			t.tell(sc)
			if done() {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("故事在 %s 内没有讲完 (the story did not come to its end)", limit), err)
		}
		select {
		case <-time.After(glance):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tell tells what is new. When several things happened between two looks, they
// are told in the order in which one leads to the other.
func (t *story) tell(sc scene) {
	t.now = sc
	began := !slices.ContainsFunc(t.begins, sc.service.StartedAt.Equal)
	if began {
		t.begins, t.back = append(t.begins, sc.service.StartedAt), false
	}
	t.tellWatches()
	t.tellSeconds()
	for i := range sc.alerts {
		t.tellAlert(&sc.alerts[i])
	}
	began = began && len(t.begins) > 1
	t.tellMessages(func(m message) bool { return !began || m.At.Before(sc.service.StartedAt) })
	for i := range sc.alerts {
		t.tellOrder(&sc.alerts[i])
	}
	if began {
		t.tellStart()
	}
	t.tellReturn()
	t.tellMessages(func(message) bool { return true })
	for i := range sc.alerts {
		t.tellProof(&sc.alerts[i])
		t.tellEnd(&sc.alerts[i])
	}
}
