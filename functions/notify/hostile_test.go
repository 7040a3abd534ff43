package notify_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/functions/notify"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
	"trade-monitor/shared/httpapi/contract"
)

// with is the guide's event with one field replaced by raw JSON.
func with(field, value string) string {
	var event map[string]json.RawMessage
	if err := json.Unmarshal([]byte(guideEvent), &event); err != nil {
		panic(err)
	}
	delete(event, field)
	raw, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{%q:%s,%s`, field, value, raw[1:])
}

func TestHostileEventsAreRefusedClearly(t *testing.T) {
	cases := map[string]struct {
		body   string
		status int
		says   string
	}{
		"1 MB title":         {with("title", `"`+strings.Repeat("长", 350_000)+`"`), 413, "64 KiB"},
		"raw NUL":            {with("title", "\"a\x00b\""), 400, "JSON"},
		"deep nesting":       {with("metadata", strings.Repeat(`{"a":`, 5000)+"1"+strings.Repeat("}", 5000)), 400, "64"},
		"metadata an array":  {with("metadata", `[1,2]`), 400, "metadata"},
		"metadata a string":  {with("metadata", `"x"`), 400, "metadata"},
		"number as title":    {with("title", `42`), 400, "title"},
		"object as message":  {with("message", `{"$gt":""}`), 400, "message"},
		"unknown status":     {with("status", `"GONE"`), 400, "status"},
		"only invisible":     {with("title", `"\u200b\u202e \u0000"`), 400, "title"},
		"service name of 1k": {with("serviceName", `"`+strings.Repeat("a", 1000)+`"`), 400, "serviceName"},
		"not an object":      {`[]`, 400, "body"},
		"null":               {`null`, 400, "eventType"},
		"nothing":            {``, 400, "body"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			store := &memory{receipt: told()}
			status, answer := serve(t, store, alerting.Chinese).post(tc.body)
			assert.Equal(t, tc.status, status)
			assert.Contains(t, answer, tc.says)
			assert.Empty(t, store.events, "nothing half-done")
		})
	}
}

func TestUntidyEventsAreTakenHarmlessly(t *testing.T) {
	cases := map[string]string{
		"invalid UTF-8":       with("title", "\"a\xff\xfeb\""),
		"NUL in metadata":     with("metadata", `{"k\u0000":"\u0000"}`),
		"invalid in metadata": with("metadata", "{\"k\":\"\xff\"}"),
		"lone surrogate":      with("message", `"\ud800"`),
		"mention and script":  with("title", `"<@all><script>alert(1)</script>"`),
		"SQL":                 with("serviceName", `"'; DROP TABLE alert_records; --"`),
		"another's path":      with("serviceName", `"../../etc/passwd"`),
		"severity in any way": with("severity", `" warn "`),
		"unknown severity":    with("severity", `"purple"`),
		"long title":          with("title", `"`+strings.Repeat("长", 5000)+`"`),
		"equal keys":          with("title", `"first"`)[:len(with("title", `"first"`))-1] + `,"title":"last"}`,
	}
	for name, body := range cases {
		t.Run(name, func(t *testing.T) {
			store := &memory{receipt: told()}
			status, answer := serve(t, store, alerting.Chinese).post(body)
			require.Equal(t, 200, status, answer)
			require.Len(t, store.events, 1)
			ev := store.events[0]
			for _, text := range []string{ev.Type, ev.Service, ev.Title, ev.Message, string(ev.Metadata)} {
				assert.True(t, utf8.ValidString(text))
				assert.NotContains(t, text, "\x00")
			}
			assert.LessOrEqual(t, utf8.RuneCountInString(ev.Title), alerting.MaxTitle)
		})
	}
}

func TestWrongTypesAndMissingFieldsAreNamedTogether(t *testing.T) {
	_, answer := serve(t, &memory{}, alerting.Chinese).post(`{"title":1,"message":"m","severity":"ERROR","metadata":3}`)
	var body struct{ Details []httpapi.Detail }
	require.NoError(t, json.Unmarshal([]byte(answer), &body))
	var fields []string
	for _, d := range body.Details {
		fields = append(fields, d.Field)
	}
	assert.Equal(t, []string{"title", "eventType", "serviceName", "metadata"}, fields)
}

func TestOtherWaysOfAskingAreRefused(t *testing.T) {
	c := serve(t, &memory{}, alerting.Chinese)
	status, answer := c.post(guideEvent, "Content-Type", "application/x-www-form-urlencoded")
	assert.Equal(t, 415, status)
	assert.Contains(t, answer, "Content-Type: application/json")

	resp, err := c.Get(c.url + "/api/events/notify")
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, 405, resp.StatusCode)
	assert.Equal(t, "POST", resp.Header.Get("Allow"))
}

func TestTheIdempotencyKeyBelongsToCallerPathAndBody(t *testing.T) {
	auth, err := httpapi.NewAuth([]httpapi.Token{
		{Name: "a", Scopes: []string{"notify"}, Secret: "1"}, {Name: "b", Scopes: []string{"notify"}, Secret: "2"},
	}, nil)
	require.NoError(t, err)
	store := &memory{receipt: told()}
	f := notify.New(store, notify.Options{Language: alerting.Chinese})
	url, hc := contract.Serve(t, httpapi.Mount(httpapi.Options{Auth: auth, Log: slog.New(slog.DiscardHandler)}, f.Routes()...))
	c := client{t, url, hc}

	c.post(guideEvent, "Authorization", "Bearer 1", "Idempotency-Key", "k")
	c.post(guideEvent, "Authorization", "Bearer 1", "Idempotency-Key", "k")
	c.post(with("title", `"other"`), "Authorization", "Bearer 1", "Idempotency-Key", "k")
	c.post(guideEvent, "Authorization", "Bearer 2", "Idempotency-Key", "k")
	c.post(guideEvent, "Authorization", "Bearer 1", "Idempotency-Key", "l")
	require.Len(t, store.idems, 5)
	first, same, body, caller, key := store.idems[0], store.idems[1], store.idems[2], store.idems[3], store.idems[4]
	assert.Equal(t, first, same)
	assert.Equal(t, first.Key, body.Key)
	assert.NotEqual(t, first.Body, body.Body)
	assert.NotEqual(t, first.Key, caller.Key)
	assert.NotEqual(t, first.Key, key.Key)
	assert.Regexp(t, `^[0-9a-f]{64}$`, first.Key)
}

func TestOddIdempotencyKeysAreRefused(t *testing.T) {
	for _, key := range []string{strings.Repeat("k", 256), "a\tb", "号"} {
		store := &memory{receipt: told()}
		status, answer := serve(t, store, alerting.Chinese).post(guideEvent, "Idempotency-Key", key)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, answer, "Idempotency-Key")
		assert.Empty(t, store.events)
	}
	status, _ := serve(t, &memory{receipt: told()}, alerting.Chinese).post(guideEvent, "Idempotency-Key", strings.Repeat("k", 255))
	assert.Equal(t, 200, status)
}
