package httpapi_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

type slowReader struct {
	text string
	wait time.Duration
}

func (s slowReader) Read(p []byte) (int, error) {
	time.Sleep(s.wait)
	return copy(p, s.text), io.EOF
}

// reading decodes into a Posted and keeps it.
func reading(into *alerting.Posted) httpapi.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := httpapi.ReadJSON(r, into); err != nil {
			return err
		}
		return ok(w, r)
	}
}

func TestBodiesThatAreRefused(t *testing.T) {
	cases := map[string]struct {
		body, contentType string
		status            int
		fields            []string // of the details
	}{
		"empty":                {"", "application/json", 400, []string{"body"}},
		"blank":                {" \n", "application/json", 400, []string{"body"}},
		"not JSON":             {"{", "application/json", 400, []string{"body"}},
		"trailing garbage":     {"{} {}", "application/json", 400, []string{"body"}},
		"raw NUL":              {"{\"title\":\"a\x00b\"}", "application/json", 400, []string{"body"}},
		"an array":             {"[1]", "application/json", 400, []string{"body"}},
		"a string":             {`"x"`, "application/json", 400, []string{"body"}},
		"wrong types":          {`{"title":5,"message":["x"],"severity":"ERROR"}`, "application/json", 400, []string{"message", "title"}},
		"nested too deep":      {`{"metadata":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`, "application/json", 400, []string{"body"}},
		"what curl -d sends":   {`{"title":"x"}`, "application/x-www-form-urlencoded", 415, nil},
		"text":                 {`{"title":"x"}`, "text/plain;charset=UTF-8", 415, nil},
		"nonsense header":      {`{"title":"x"}`, "json;;", 415, nil},
		"one byte over 64 KiB": {`{"title":"` + strings.Repeat("x", httpapi.MaxBody-11) + `"}`, "application/json", 413, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/x", strings.NewReader(tc.body))
			r.Header.Set("Content-Type", tc.contentType)
			w := call(t, reading(new(alerting.Posted)), httpapi.Options{}, r)
			assert.Equal(t, tc.status, w.Code)
			var fields []string
			for _, d := range problemOf(t, w).Details {
				fields = append(fields, d.Field)
			}
			assert.Equal(t, tc.fields, fields)
		})
	}
}

func TestBodiesThatAreTaken(t *testing.T) {
	cases := map[string]struct{ body, contentType string }{
		"plain":              {`{"title":"x"}`, "application/json"},
		"with a charset":     {`{"title":"x"}`, "application/json; charset=utf-8"},
		"any case":           {`{"title":"x"}`, "Application/JSON"},
		"a JSON dialect":     {`{"title":"x"}`, "application/cloudevents+json"},
		"no type at all":     {`{"title":"x"}`, ""},
		"broken parameters":  {`{"title":"x"}`, "application/json; charset"},
		"unknown fields":     {`{"title":"x","colour":"red","deep":{"a":[1]}}`, "application/json"},
		"equal keys":         {`{"title":"a","title":"x"}`, "application/json"},
		"byte order mark":    {"\uFEFF" + `{"title":"x"}`, "application/json"},
		"brackets in a text": {`{"title":"x","message":"` + strings.Repeat(`[{\"`, 500) + `"}`, "application/json"},
		"exactly 64 KiB":     {`{"title":"x"}` + strings.Repeat(" ", httpapi.MaxBody-13), "application/json"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/x", strings.NewReader(tc.body))
			r.Header.Set("Content-Type", tc.contentType)
			var posted alerting.Posted
			w := call(t, reading(&posted), httpapi.Options{}, r)
			require.Equal(t, 200, w.Code, w.Body.String())
			assert.Equal(t, "x", posted.Title)
		})
	}
}

func TestOfEqualKeysTheLastOneCountsWhateverTheOthersWere(t *testing.T) {
	var posted alerting.Posted
	w := call(t, reading(&posted), httpapi.Options{}, post(`{"title":7,"title":[],"title":"x"}`))
	require.Equal(t, 200, w.Code, w.Body.String())
	assert.Equal(t, "x", posted.Title)
	w = call(t, reading(&posted), httpapi.Options{}, post(`{"title":"x","title":7}`))
	assert.Equal(t, "title", problemOf(t, w).Details[0].Field)
}

func TestABodyIsSentAsItIs(t *testing.T) {
	for encoding, status := range map[string]int{"gzip": 415, "br, gzip": 415, "Identity": 200, "": 200} {
		r := post(`{"title":"x"}`)
		r.Header.Set("Content-Encoding", encoding)
		assert.Equal(t, status, call(t, reading(new(alerting.Posted)), httpapi.Options{}, r).Code, encoding)
	}
}

func TestWrongTypesAreNamedInBothLanguagesWithoutTheirValue(t *testing.T) {
	w := call(t, reading(new(alerting.Posted)), httpapi.Options{}, post(`{"title":12345}`))
	p := problemOf(t, w)
	assert.Equal(t, "应为字符串，收到 number (must be a string, got number)", p.Details[0].Message)
	assert.NotContains(t, w.Body.String(), "12345")
}

func TestThe415SaysWhatToSend(t *testing.T) {
	r := post(`{}`)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p := problemOf(t, call(t, reading(new(alerting.Posted)), httpapi.Options{}, r))
	assert.Contains(t, p.Message, `-H "Content-Type: application/json"`)
}

// A client over a real connection reads the 413 instead of a broken pipe, with
// and without a Content-Length.
func TestAMegabyteIsA413OnARealConnection(t *testing.T) {
	server := httptest.NewServer(httpapi.Mount(httpapi.Options{Log: quiet()},
		httpapi.Route{Method: "POST", Pattern: "/x", Handler: reading(new(alerting.Posted))}))
	defer server.Close()
	body := []byte(`{"title":"` + strings.Repeat("x", 1<<20) + `"}`)
	for name, reader := range map[string]io.Reader{"length known": bytes.NewReader(body), "chunked": io.MultiReader(bytes.NewReader(body))} {
		t.Run(name, func(t *testing.T) {
			resp, err := http.Post(server.URL+"/x", "application/json", reader)
			require.NoError(t, err)
			defer resp.Body.Close()
			assert.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
		})
	}
}

func TestABodyThatEndsEarlyIsTheCallersMistake(t *testing.T) {
	r := httptest.NewRequest("POST", "/x", io.MultiReader(strings.NewReader(`{"ti`), brokenReader{}))
	assert.Equal(t, 400, call(t, reading(new(alerting.Posted)), httpapi.Options{}, r).Code)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestTheBodyCanBeReadAgainForItsHash(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) error {
		var posted alerting.Posted
		require.NoError(t, httpapi.ReadJSON(r, &posted))
		body, err := httpapi.Body(r)
		require.NoError(t, err)
		assert.Equal(t, `{"title":"x"}`, string(body))
		return ok(w, r)
	}
	assert.Equal(t, 200, call(t, h, httpapi.Options{}, post(`{"title":"x"}`)).Code)
}

func TestAnOptionalBodyMayBeMissing(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) error {
		if err := httpapi.ReadOptionalJSON(r, new(alerting.Posted)); err != nil {
			return err
		}
		return ok(w, r)
	}
	r := httptest.NewRequest("POST", "/x", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // curl -X POST -d ''
	assert.Equal(t, 200, call(t, h, httpapi.Options{}, r).Code)
	assert.Equal(t, 400, call(t, h, httpapi.Options{}, post(`{`)).Code)
}

func FuzzDecodeNeverFailsWithoutAName(f *testing.F) {
	for _, seed := range []string{`{"title":"x"}`, `{"title":1,"metadata":[]}`, "[", "\"\\", "{\"a\":\"\\u0000\"}", "null", "\uFEFF{}", "{\"\xff\":1}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var posted alerting.Posted
		err := httpapi.Decode(body, &posted)
		var invalid *alerting.InvalidError
		if err != nil {
			require.ErrorAs(t, err, &invalid)
			require.NotEmpty(t, invalid.Problems)
		}
	})
}
