// Command view shows Trade Monitor that part of the Docker Engine that belongs to
// the demonstration. Trade Monitor hears the whole engine and cares for every
// container with its labels, which on somebody's machine may be real ones: in the
// demonstration it must neither tell of them nor touch them.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"trade-monitor/local/demo/script"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Getenv)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "view:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string) error {
	server := &http.Server{
		Addr:              net.JoinHostPort("", strconv.Itoa(script.ViewPort)),
		Handler:           view(script.ViewSocket, getenv(script.ViewLabel)),
		ReadHeaderTimeout: 10 * time.Second,
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// view passes everything on, but has the engine list, and tell of, only what
// carries the label. Streams pass line by line.
func view(socket, label string) http.Handler {
	return &httputil.ReverseProxy{
		FlushInterval: -1,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		}},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker"
			if path := r.Out.URL.Path; strings.HasSuffix(path, "/containers/json") || strings.HasSuffix(path, "/events") {
				r.Out.URL.RawQuery = narrowed(r.Out.URL.Query(), label)
			}
		},
	}
}

// narrowed adds the label to a question's filters.
func narrowed(query url.Values, label string) string {
	filters := read(query.Get("filters"))
	if filters["label"] == nil {
		filters["label"] = map[string]bool{}
	}
	filters["label"][label] = true
	raw, err := json.Marshal(filters)
	if err != nil {
		return query.Encode() // cannot be: texts and true
	}
	query.Set("filters", string(raw))
	return query.Encode()
}

// read takes filters in both forms that the API knows, which cannot be mixed:
// the values as the keys of an object, and as a list.
func read(text string) map[string]map[string]bool {
	filters := map[string]map[string]bool{}
	if json.Unmarshal([]byte(text), &filters) == nil {
		return filters
	}
	var lists map[string][]string
	_ = json.Unmarshal([]byte(text), &lists) // there may be none
	filters = map[string]map[string]bool{}
	for name, values := range lists {
		filters[name] = map[string]bool{}
		for _, value := range values {
			filters[name][value] = true
		}
	}
	return filters
}
