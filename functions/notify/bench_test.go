package notify_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"trade-monitor/functions/notify"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// BenchmarkNotify is what the edge adds to a commit, beside a bare handler that
// decodes the same event.
func BenchmarkNotify(b *testing.B) {
	f := notify.New(instant{}, notify.Options{Language: alerting.Chinese, Location: noon.Location()})
	ours := httpapi.Mount(httpapi.Options{Log: slog.New(slog.DiscardHandler)}, f.Routes()...)
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var posted alerting.Posted
		if err := json.NewDecoder(r.Body).Decode(&posted); err != nil {
			http.Error(w, "bad", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"success": true, "alertId": 1})
	})
	for name, h := range map[string]http.Handler{"ours": ours, "bare": bare} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/api/events/notify", strings.NewReader(guideEvent))
				r.Header.Set("Content-Type", "application/json")
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
