package watchdog_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"trade-monitor/shared/watchdog"
)

// A service starts the watchdog beside its work and reports each success. Here
// the work stalls after the first one, and later moves again.
func Example() {
	tradeMonitor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path)
	}))
	defer tradeMonitor.Close()

	// In a service: options, err := watchdog.FromEnv(os.Getenv)
	posted := make(chan watchdog.Post, 10)
	w, err := watchdog.New(watchdog.Options{
		URL:           tradeMonitor.URL,
		Timeout:       20 * time.Millisecond,
		CheckInterval: time.Hour,
		OnPost:        func(p watchdog.Post) { posted <- p },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	w.Start()
	defer w.Stop()

	w.Progress() // after each successful sync
	stalled := <-posted
	fmt.Println("resolved:", stalled.Resolved, "status:", stalled.Status)

	w.Progress()
	moving := <-posted
	fmt.Println("resolved:", moving.Resolved, "status:", moving.Status)

	// Output:
	// POST /api/events/notify
	// resolved: false status: 200
	// POST /api/events/notify
	// resolved: true status: 200
}
