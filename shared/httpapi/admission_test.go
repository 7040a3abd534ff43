package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var alice, bob, carol = client{token: "alice"}, client{address: "192.0.2.1"}, client{address: "192.0.2.2"}

// enterAll tries n times at once and gives what came of it when all that wait
// have given up.
func enterAll(t *testing.T, a *Admission, c client, n int) (in []*share, refused int) {
	t.Helper()
	var (
		mu   sync.Mutex
		done sync.WaitGroup
	)
	for range n {
		done.Go(func() {
			s, err := a.enter(t.Context(), c)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				refused++
				return
			}
			in = append(in, s)
		})
	}
	done.Wait()
	return in, refused
}

func TestAFloodLeavesPlacesForEverybodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(120, 1000, time.Second)
		flood, refused := enterAll(t, a, alice, 500)
		assert.Len(t, flood, 60, "alone: half of the places")
		assert.Equal(t, 440, refused)
		begun := time.Now()
		in, refused := enterAll(t, a, bob, 30)
		assert.Len(t, in, 30, "as many as are free then")
		assert.Zero(t, refused)
		assert.Zero(t, time.Since(begun), "and nobody waited")
		in, _ = enterAll(t, a, carol, 15)
		assert.Len(t, in, 15)
	})
}

func TestWhoIsRefusedIsToldWhenToTryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(2, 2, time.Second)
		_, err := a.enter(t.Context(), alice)
		require.NoError(t, err)
		begun := time.Now()
		_, err = a.enter(t.Context(), alice)
		var answer *Error
		require.ErrorAs(t, err, &answer)
		assert.Equal(t, http.StatusTooManyRequests, answer.Status)
		assert.Equal(t, [2]string{"Retry-After", "1"}, answer.Header)
		assert.Equal(t, time.Second, time.Since(begun), "not before a moment's wait")
	})
}

func TestPlacesGoFirstToWhoHoldsLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(6, 100, time.Second)
		_, _ = enterAll(t, a, alice, 3)
		modest, _ := enterAll(t, a, bob, 2)
		var order []string
		join := func(name string, c client) {
			go func() {
				if _, err := a.enter(t.Context(), c); err == nil {
					order = append(order, name)
				}
			}()
			synctest.Wait()
		}
		join("alice", alice)
		join("bob", bob)
		assert.Empty(t, order, "one place is free, and kept for whoever comes next")
		a.leave(modest[0])
		synctest.Wait()
		assert.Equal(t, []string{"bob"}, order, "alice was first in line, and holds more")
		join("carol", carol)
		assert.Equal(t, []string{"bob", "carol"}, order)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Empty(t, a.waiting)
	})
}

func TestACallerThatLeavesGivesItsSeatBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(2, 10, time.Hour)
		held, err := a.enter(t.Context(), alice)
		require.NoError(t, err)
		ctx, leaves := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { _, err := a.enter(ctx, alice); done <- err }()
		synctest.Wait()
		leaves()
		require.ErrorIs(t, <-done, context.Canceled)
		assert.Equal(t, 10, a.room)
		a.leave(held)
		assert.Equal(t, 2, a.free)
		assert.Empty(t, a.clients, "nothing is kept about clients that are gone")
	})
}

func TestNobodyCanTakeEverySeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(1, 10, time.Second)
		_, err := a.enter(t.Context(), alice)
		require.NoError(t, err)
		for range 100 {
			go func() { _, _ = a.enter(t.Context(), alice) }()
		}
		synctest.Wait()
		assert.Equal(t, 5, a.room, "half of the seats are left")
	})
}

// However requests come and go, no place is lost or given twice.
func TestPlacesAddUp(t *testing.T) {
	a := newAdmission(8, 16, time.Millisecond)
	var done sync.WaitGroup
	for _, c := range []client{alice, bob, carol} {
		for range 20 {
			done.Go(func() {
				for range 200 {
					s, err := a.enter(t.Context(), c)
					if err == nil {
						time.Sleep(10 * time.Microsecond)
						a.leave(s)
					} else if answer := (*Error)(nil); !errors.As(err, &answer) {
						t.Error(err)
					}
				}
			})
		}
	}
	done.Wait()
	assert.Equal(t, 8, a.free)
	assert.Equal(t, 16, a.room)
	assert.Empty(t, a.clients)
	assert.Empty(t, a.waiting)
}

// The whole way: a slow handler, one client with far more requests than places,
// and another that is answered at once; probes from the flood's own address
// pass too.
func TestTheOneThatFloodsIsTheOneThatIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(w http.ResponseWriter, _ *http.Request) error {
			time.Sleep(5 * time.Second)
			return WriteData(w, nil)
		}
		api := Mount(Options{Admission: newAdmission(6, 8, time.Second), Log: slog.New(slog.DiscardHandler)},
			Route{Method: "GET", Pattern: "/x", Scope: Read, Handler: slow},
			Route{Method: "GET", Pattern: "/healthz", Scope: Public, Handler: func(w http.ResponseWriter, _ *http.Request) error { return WriteData(w, nil) }})
		ask := func(path, from string) int {
			r := httptest.NewRequest("GET", path, nil)
			r.RemoteAddr = from
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			return w.Code
		}
		var mu sync.Mutex
		statuses := map[int]int{}
		for range 50 {
			go func() {
				status := ask("/x", "[2001:db8::1]:1")
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			}()
		}
		synctest.Wait()
		begun := time.Now()
		assert.Equal(t, 200, ask("/healthz", "[2001:db8::1]:2"))
		assert.Zero(t, time.Since(begun))
		assert.Equal(t, 200, ask("/x", "192.0.2.7:1"))
		assert.Equal(t, 5*time.Second, time.Since(begun), "as long as its own work takes")
		synctest.Wait()
		assert.Equal(t, map[int]int{200: 3, 429: 47}, statuses)
	})
}

func TestWhoCountsAsOneClient(t *testing.T) {
	e := &endpoint{api: &api{}}
	from := func(remote, caller string, scope Scope) client {
		r := httptest.NewRequest("GET", "/x", nil)
		r.RemoteAddr = remote
		return e.clientOf(r, caller, scope)
	}
	assert.Equal(t, from("192.0.2.1:1", Anonymous, Read), from("192.0.2.1:2", Anonymous, Notify))
	assert.NotEqual(t, from("192.0.2.1:1", Anonymous, Read), from("192.0.2.2:1", Anonymous, Read))
	assert.NotEqual(t, from("192.0.2.1:1", Anonymous, Read), from("192.0.2.1:1", Anonymous, Public))
	assert.Equal(t, from("192.0.2.1:1", "ops", Read), from("192.0.2.2:1", "ops", Read), "a token, wherever it comes from")
	assert.Equal(t, from("[2001:db8::1]:1", Anonymous, Read), from("[2001:db8::ffff:2]:1", Anonymous, Read), "one network of IPv6")
	assert.NotEqual(t, from("[2001:db8:0:1::1]:1", Anonymous, Read), from("[2001:db8:0:2::1]:1", Anonymous, Read))
}
