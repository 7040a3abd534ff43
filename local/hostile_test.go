package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// Promises 5 and 10: what a stranger writes in an event reaches no container
// that policy does not name, and neither breaks nor decorates what people read.
func TestAHostileEventIsHarmless(t *testing.T) {
	engine := dockertest.PrivateEngine(t)
	victim := engine.Run(t, dockertest.Spec{Name: "victim"})
	allowed := engine.Run(t, dockertest.Spec{Name: "allowed"})
	before := victim.State()
	robots := wecomtest.Start(t)
	robots.Limit(0)
	s := launch(t, "REMEDIATION_CONTAINERS="+allowed.Name, "DOCKER_HOST="+engine.Host,
		"WECHAT_WEBHOOK_URL="+robots.Webhook("group"), "WECHAT_ALLOWED_HOSTS="+robots.Host)

	for name, service := range map[string]string{
		"another container":       victim.Name,
		"its id":                  victim.ID,
		"a prefix of its id":      victim.ID[:12],
		"the allowed one's id":    allowed.ID,
		"with a slash":            "/" + victim.Name,
		"a path":                  "../" + victim.Name,
		"a path in the API":       victim.Name + "/../../containers/" + victim.Name,
		"an option":               "--all",
		"a query":                 victim.Name + "?force=1",
		"SQL":                     "x'; UPDATE alert_records SET status='RESOLVED'; --",
		"a different case":        strings.ToUpper(allowed.Name),
		"with a zero-width space": allowed.Name[:3] + "\u200b" + "x" + allowed.Name[3:],
	} {
		t.Run("service "+name, func(t *testing.T) {
			r := s.notify(ticker(service))
			require.Less(t, r.status, 500, r.text)
			if r.status == http.StatusOK {
				require.Equal(t, "SKIPPED", r.object("remediation")["status"], r.text)
				require.Contains(t, []any{"not_allowed", "bad_target"}, r.object("remediation")["reasonCode"])
			}
		})
	}
	t.Run("words are plain characters", func(t *testing.T) { hostileWords(t, s, robots) })
	t.Run("bodies", func(t *testing.T) { hostileBodies(t, s) })
	t.Run("handle by hand", func(t *testing.T) {
		id := s.notify(ticker(victim.Name)).number("alertId")
		r := s.post(fmt.Sprintf("/api/alerts/%d/handle", id), "{}")
		require.Equal(t, http.StatusConflict, r.status, r.text)
	})
	time.Sleep(2 * time.Second) // long enough for a restart that must not come
	require.Equal(t, before, victim.State(), "the victim was not touched")
}

func hostileWords(t *testing.T, s *runningService, robots *wecomtest.Server) {
	hostile := ticker("svc-words")
	hostile.EventType = "CUSTOM_TYPE"
	hostile.Title = "<@all> [click](http://evil.example) <font color=\"info\">ok</font> \x00 \u202e"
	hostile.Message = "<script>alert(1)</script>\n# 已恢复\n> quote\n**bold** `code` '; DROP TABLE alert_records; --"
	hostile.Metadata = map[string]any{"<@all>": "[x](http://evil.example)", "n\n处置": "已恢复"}
	r := s.notify(hostile)
	require.Equal(t, http.StatusOK, r.status, r.text)
	var said string
	await(t, 10*time.Second, "the message", func() bool {
		for _, m := range robots.Messages(robots.Key("group")) {
			if strings.Contains(m.Content, "svc-words") {
				said = m.Content
			}
		}
		return said != ""
	})
	for _, forbidden := range []string{"<@", "](", "<script", "<font color=\"info\">ok", "\x00", "\u202e", "\n# ", "**bold**", "`code`"} {
		require.NotContains(t, said, forbidden)
	}
	require.NotContains(t, said, "\n处置：已恢复", "no line of ours can be forged")
	list := s.get("/api/alerts?serviceName=svc-words")
	require.EqualValues(t, 1, list.number("total"))
}

func hostileBodies(t *testing.T, s *runningService) {
	valid := ticker("svc-body").json()
	for name, test := range map[string]struct {
		contentType, body string
		status            int
	}{
		"1 MB title":            {"application/json", strings.Replace(valid, "Ticker同步", strings.Repeat("x", 1<<20), 1), http.StatusRequestEntityTooLarge},
		"a form":                {"application/x-www-form-urlencoded", valid, http.StatusUnsupportedMediaType},
		"no JSON":               {"application/json", "hello", http.StatusBadRequest},
		"an array":              {"application/json", "[" + valid + "]", http.StatusBadRequest},
		"nothing":               {"application/json", " ", http.StatusBadRequest},
		"two documents":         {"application/json", valid + valid, http.StatusBadRequest},
		"deep metadata":         {"application/json", `{"eventType":"A","serviceName":"s","severity":"ERROR","title":"t","message":"m","metadata":` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000) + "}", http.StatusBadRequest},
		"metadata is no object": {"application/json", strings.Replace(valid, `{"lastSyncTime"`, `[{"lastSyncTime"`, 1), http.StatusBadRequest},
		"everything missing":    {"application/json", "{}", http.StatusBadRequest},
		"invalid UTF-8":         {"application/json", strings.Replace(valid, "Ticker同步", "\xff\xfe", 1), http.StatusOK},
		"NUL":                   {"application/json", strings.Replace(valid, "Ticker同步", `\u0000a`, 1), http.StatusOK},
		"unknown severity":      {"application/json", strings.Replace(valid, `"ERROR"`, `"apocalyptic"`, 1), http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := s.do(http.MethodPost, "/api/events/notify", test.contentType, test.body)
			require.NoError(t, err)
			require.Equal(t, test.status, r.status, r.text)
			require.Equal(t, test.status == http.StatusOK, r.fields["success"])
		})
	}
	missing := s.post("/api/events/notify", "{}")
	for _, field := range []string{"eventType", "serviceName", "severity", "title", "message"} {
		require.Contains(t, missing.text, field, "every problem is named at once")
	}
	for path, status := range map[string]int{
		"/api/alerts?page=0":        http.StatusBadRequest,
		"/api/alerts?page=x":        http.StatusBadRequest,
		"/api/alerts?pageSize=201":  http.StatusBadRequest,
		"/api/alerts/99999":         http.StatusNotFound,
		"/api/alerts?cursor=%00%ff": http.StatusBadRequest,
	} {
		require.Equal(t, status, s.get(path).status, path)
	}
	r, err := s.do(http.MethodDelete, "/api/events/notify", "", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusMethodNotAllowed, r.status)
	require.Equal(t, "POST", r.header.Get("Allow"))
}
