package wecomtest

import (
	"slices"
	"strings"
	"time"
)

// TB is the part of testing.TB that expectations need. It is declared here so
// that the demonstration's program does not link the testing package.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// glance is how often an expectation looks.
const glance = 5 * time.Millisecond

// ExpectWithin waits at most d for the robot's next message, in the order in
// which they were shown, and wants every one of the words in it. No message,
// and another message, fail the test.
func (r *Robots) ExpectWithin(t TB, d time.Duration, key string, words ...string) Received {
	t.Helper()
	m, came := r.next(key, d)
	if !came {
		t.Fatalf("robot %s: no message within %v, wanted one with %q", key, d, words)
		return Received{}
	}
	for _, word := range words {
		if !strings.Contains(m.Content, word) {
			t.Errorf("robot %s: the next message lacks %q (wanted %q):\n%s", key, word, words, m.Content)
		}
	}
	return m
}

// ExpectCallWithin is ExpectWithin for a text message that calls just these people
// by their mobile numbers; "@all" is everybody.
func (r *Robots) ExpectCallWithin(t TB, d time.Duration, key string, people []string, words ...string) Received {
	t.Helper()
	m := r.ExpectWithin(t, d, key, words...)
	if m.Type != "text" || !slices.Equal(m.Mobiles, people) {
		t.Errorf("robot %s: the next message is %s and calls %q, wanted a text that calls %q:\n%s", key, m.Type, m.Mobiles, people, m.Content)
	}
	return m
}

// ExpectNoMore waits for all of d and fails on any message that no
// ExpectWithin has taken.
func (r *Robots) ExpectNoMore(t TB, key string, d time.Duration) {
	t.Helper()
	if m, came := r.next(key, d); came {
		t.Errorf("robot %s: an extra message:\n%s", key, m.Content)
	}
}

// next takes the first message that has not been taken, waiting at most d.
func (r *Robots) next(key string, d time.Duration) (m Received, came bool) {
	for deadline := time.Now().Add(d); ; {
		r.with(key, func(b *robot) {
			if came = b.read < len(b.messages); came {
				m = b.messages[b.read]
				b.read++
			}
		})
		left := time.Until(deadline)
		if came || left <= 0 {
			return m, came
		}
		time.Sleep(min(glance, left))
	}
}
