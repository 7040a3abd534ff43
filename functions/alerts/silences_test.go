package alerts_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/functions/alerts"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
	"trade-monitor/shared/httpapi/contract"
)

// silent keeps silences as the store does, at noon.
type silent struct {
	*memory
	list    alerting.Silences
	all     bool
	refused error
}

func (s *silent) Silences(_ context.Context, all bool) (alerting.Silences, time.Time, error) {
	s.all = all
	return s.list, noon, s.err
}

func (s *silent) Silence(_ context.Context, id int64) (alerting.Silence, time.Time, error) {
	for _, one := range s.list {
		if one.ID == id {
			return one, noon, s.err
		}
	}
	return alerting.Silence{}, noon, alerting.ErrNotFound
}

func (s *silent) CreateSilence(_ context.Context, draft func(time.Time) (alerting.Silence, error)) (alerting.Silence, error) {
	made, err := draft(noon)
	if err == nil {
		err = s.refused
	}
	made.ID = int64(len(s.list)) + 1
	if err == nil {
		s.list = append(s.list, made)
	}
	return made, err
}

func (s *silent) EndSilence(ctx context.Context, id int64, by string) (alerting.Silence, error) {
	one, _, err := s.Silence(ctx, id)
	return one.End(by, noon), err
}

// ask is a request with a token or without; every exchange is held to the
// contract.
func (s *silent) ask(t *testing.T, token, method, path, body string) (int, string) {
	t.Helper()
	f := alerts.New(s, alerts.Options{Language: alerting.Chinese, Location: shanghai})
	auth, err := httpapi.NewAuth([]httpapi.Token{{Name: "ops", Scopes: []string{"read", "operate"}, Secret: "canary-ops"}, {Name: "eyes", Scopes: []string{"read"}, Secret: "canary-eyes"}}, []string{"read", "operate"})
	require.NoError(t, err)
	base, client := contract.Serve(t, httpapi.Mount(httpapi.Options{Log: slog.New(slog.DiscardHandler), Auth: auth}, f.Routes()...))
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(answer)
}

func TestASilenceIsMadeShownAndEnded(t *testing.T) {
	s := &silent{memory: &memory{}}
	status, body := s.ask(t, "canary-ops", "POST", "/api/silences", `{"serviceName":"order-*","severity":"warn","duration":"2h","comment":"上线","holdRemediation":true}`)
	require.Equal(t, 200, status, body)
	const shown = `{"id":1,"state":"ACTIVE","alertType":null,"serviceName":"order-*","severity":"WARNING","startsAt":"2026-02-25T12:00:00.000+08:00","endsAt":"2026-02-25T14:00:00.000+08:00",
		"author":"ops","comment":"上线","holdRemediation":true,"createdAt":"2026-02-25T12:00:00.000+08:00","endedBy":null}`
	assert.JSONEq(t, `{"success":true,"message":"静默已创建","data":`+shown+`}`, body)

	_, body = s.ask(t, "canary-eyes", "GET", "/api/silences/1", "")
	assert.JSONEq(t, `{"success":true,"data":`+shown+`}`, body)
	_, body = s.ask(t, "canary-eyes", "GET", "/api/silences", "")
	assert.JSONEq(t, `{"success":true,"data":[`+shown+`]}`, body)
	assert.False(t, s.all)
	_, _ = s.ask(t, "", "GET", "/api/silences?all=true", "")
	assert.True(t, s.all)

	_, body = s.ask(t, "canary-ops", "DELETE", "/api/silences/1", `{"by":"王五"}`)
	assert.Contains(t, body, `"state":"EXPIRED"`)
	assert.Contains(t, body, `"endsAt":"2026-02-25T12:00:00.000+08:00"`)
	assert.Contains(t, body, `"endedBy":"王五 (ops)"`)
	status, _ = s.ask(t, "", "DELETE", "/api/silences/9", "")
	assert.Equal(t, 404, status)
	status, _ = s.ask(t, "", "GET", "/api/silences/9", "")
	assert.Equal(t, 404, status)
}

func TestTheAuthorOfASilenceIsTheTokens(t *testing.T) {
	for _, c := range []struct{ token, author, want string }{
		{"canary-ops", "", "ops"}, {"canary-ops", "李四", "李四 (ops)"}, {"", "李四", "李四"},
	} {
		s := &silent{memory: &memory{}}
		status, body := s.ask(t, c.token, "POST", "/api/silences", `{"alertType":"A","duration":"1h","comment":"c","author":"`+c.author+`"}`)
		require.Equal(t, 200, status, body)
		assert.Equal(t, c.want, s.list[0].Author)
	}
	s := &silent{memory: &memory{}}
	status, body := s.ask(t, "", "POST", "/api/silences", `{"alertType":"A","duration":"1h","comment":"c"}`)
	assert.Equal(t, 400, status)
	assert.Contains(t, body, `"field":"author"`)
	status, _ = s.ask(t, "canary-eyes", "POST", "/api/silences", `{"alertType":"A","duration":"1h","comment":"c"}`)
	assert.Equal(t, 403, status)
	status, _ = s.ask(t, "canary-eyes", "DELETE", "/api/silences/1", "")
	assert.Equal(t, 403, status)
}

func TestTheTimesOfASilenceAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2026-02-25T06:00:00Z": noon.Add(2 * time.Hour), "2026-02-25T14:00:00+08:00": noon.Add(2 * time.Hour),
		"2026-02-25 14:00": noon.Add(2 * time.Hour), " 2026-02-25T14:00:00 ": noon.Add(2 * time.Hour),
	} {
		s := &silent{memory: &memory{}}
		status, body := s.ask(t, "", "POST", "/api/silences", `{"alertType":"A","startsAt":"2026-02-25 13:00:00","endsAt":"`+text+`","comment":"c","author":"li"}`)
		require.Equal(t, 200, status, body)
		assert.True(t, want.Equal(s.list[0].EndsAt), text)
		assert.True(t, noon.Add(time.Hour).Equal(s.list[0].StartsAt), text)
		assert.Contains(t, body, `"state":"PENDING"`)
	}
}

func TestEveryProblemOfASilenceIsNamedAtOnce(t *testing.T) {
	for body, want := range map[string][]string{
		`{}`: {"serviceName", "endsAt", "author", "comment"},
		`{"serviceName":"a*b","severity":"purple","startsAt":"soon","endsAt":"2026-02-26","duration":"-1h","author":"<@all>","comment":"` + strings.Repeat("长", 301) + `"}`: {
			"startsAt", "endsAt", "duration", "author", "severity", "serviceName", "comment"},
		`{"serviceName":7,"duration":3600,"holdRemediation":"yes"}`:                                             {"duration", "holdRemediation", "serviceName"},
		`{"alertType":"A","endsAt":"2026-02-25T13:00:00+08:00","duration":"1h","author":"li","comment":"c"}`:    {"duration"},
		`{"alertType":"A","endsAt":"9999-12-31T23:59:59Z","author":"li","comment":"c"}`:                         {"endsAt"},
		`{"alertType":"A","duration":"2562047h","author":"li","comment":"c"}`:                                   {"duration"},
		`{"alertType":"A","endsAt":"2026-02-25T11:00:00+08:00","author":"li","comment":"c"}`:                    {"endsAt"},
		`{"alertType":"\u0000\u200b","duration":"1h","author":"li","comment":"\u0000"}`:                         {"serviceName", "comment"},
		`{"alertType":"A","startsAt":"9999-01-01T00:00:00Z","duration":"2562047h","author":"li","comment":"c"}`: {"startsAt"},
	} {
		s := &silent{memory: &memory{}}
		status, answer := s.ask(t, "", "POST", "/api/silences", body)
		assert.Equal(t, 400, status, body)
		var problems struct{ Details []httpapi.Detail }
		require.NoError(t, json.Unmarshal([]byte(answer), &problems))
		var fields []string
		for _, d := range problems.Details {
			fields = append(fields, d.Field)
		}
		assert.Equal(t, want, fields, body)
		assert.Empty(t, s.list)
	}
}

func TestOddRequestsForSilences(t *testing.T) {
	s := &silent{memory: &memory{}, refused: &alerting.RefusedError{Reason: alerting.Reason{Code: "too_many_silences", Detail: "500"}}}
	const fine = `{"alertType":"A","duration":"1h","author":"li","comment":"c"}`
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/api/silences", fine, 409},
		{"POST", "/api/silences", "", 400},
		{"POST", "/api/silences", "[" + fine + "]", 400},
		{"POST", "/api/silences", fine[:20], 400},
		{"POST", "/api/silences", `{"comment":"` + strings.Repeat("x", 64<<10) + `"}`, 413},
		{"PUT", "/api/silences", fine, 405},
		{"POST", "/api/silences/1", fine, 405},
		{"GET", "/api/silences?all=yes", "", 400},
		{"GET", "/api/silences?all=%00", "", 400},
		{"GET", "/api/silences/0", "", 400},
		{"GET", "/api/silences/1;drop", "", 400},
		{"GET", "/api/silences/9223372036854775808", "", 400},
		{"DELETE", "/api/silences/-1", "", 400},
		{"DELETE", "/api/silences/1", `{"by":"<@all>"}`, 400},
	} {
		status, body := s.ask(t, "", c.method, c.path, c.body)
		assert.Equal(t, c.want, status, "%s %s: %s", c.method, c.path, body)
	}
	s.err = alerting.ErrUnavailable
	status, _ := s.ask(t, "", "GET", "/api/silences", "")
	assert.Equal(t, 503, status)
}
