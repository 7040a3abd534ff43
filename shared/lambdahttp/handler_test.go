package lambdahttp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/lambdahttp"
	"trade-monitor/shared/lambdahttp/runtimeapitest"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// invoke runs the handler on one event.
func invoke(t *testing.T, h http.HandlerFunc, event []byte) events.APIGatewayV2HTTPResponse {
	t.Helper()
	answer, err := lambdahttp.Handler(h, quiet())(t.Context(), event)
	require.NoError(t, err)
	return answer
}

// arrives gives the request that the handler sees.
func arrives(t *testing.T, event []byte) (seen *http.Request, body string) {
	t.Helper()
	invoke(t, func(_ http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		seen, body = r, string(raw)
	}, event)
	require.NotNil(t, seen)
	return seen, body
}

func TestHeadersArriveAsTheyWereSent(t *testing.T) {
	sent := map[string]string{
		"X-Signature": "t=1,v1=abc, v2=d", "Idempotency-Key": "a,b", "Accept": "text/html, */*;q=0.8", "Authorization": "Bearer x,y",
	}
	r, _ := arrives(t, runtimeapitest.Request(t, "POST", "/x", "", "{}", sent))
	for name, value := range sent {
		assert.Equal(t, []string{value}, r.Header.Values(name))
	}
	assert.Equal(t, "203.0.113.7:0", r.RemoteAddr, "an address as net/http gives it")
	assert.Equal(t, "api.example.com", r.Host)
}

func TestPathsAndQueriesArriveAsTheyWereSent(t *testing.T) {
	cases := map[string]struct{ rawPath, query, path, q string }{
		"plain":     {"/api/alerts/7", "q=1", "/api/alerts/7", "1"},
		"decoded":   {"/a b/服务", "q=%E6%9C%8D%25", "/a b/服务", "服%"},
		"stray %":   {"/100%", "", "/100%", ""},
		"half code": {"/a%2", "", "/a%2", ""},
		"? and #":   {"/a?b#c", "q=2", "/a?b#c", "2"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r, _ := arrives(t, runtimeapitest.Request(t, "GET", tc.rawPath, tc.query, "", nil))
			assert.Equal(t, tc.path, r.URL.Path)
			assert.Equal(t, tc.q, r.URL.Query().Get("q"))
		})
	}
}

func TestABinaryBodyIsDecoded(t *testing.T) {
	var event map[string]any
	require.NoError(t, json.Unmarshal(runtimeapitest.Request(t, "POST", "/x", "", base64.StdEncoding.EncodeToString([]byte("a\xffb")), nil), &event))
	event["isBase64Encoded"] = true
	raw, err := json.Marshal(event)
	require.NoError(t, err)
	r, body := arrives(t, raw)
	assert.Equal(t, "a\xffb", body)
	assert.Equal(t, int64(3), r.ContentLength)
}

func TestRequestsThatCannotBeReadAreA400(t *testing.T) {
	never := func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }
	broken := map[string]func(map[string]any){
		"base64": func(e map[string]any) { e["isBase64Encoded"], e["body"] = true, "%%%" },
		"method": func(e map[string]any) {
			e["requestContext"].(map[string]any)["http"].(map[string]any)["method"] = "G T"
		},
		"control": func(e map[string]any) { e["rawQueryString"] = "a=\x01" },
	}
	for name, spoil := range broken {
		t.Run(name, func(t *testing.T) {
			var event map[string]any
			require.NoError(t, json.Unmarshal(runtimeapitest.Request(t, "POST", "/x", "", "", nil), &event))
			spoil(event)
			raw, err := json.Marshal(event)
			require.NoError(t, err)
			answer := invoke(t, never, raw)
			assert.Equal(t, 400, answer.StatusCode)
			assert.True(t, json.Valid([]byte(answer.Body)))
		})
	}
}

func TestEventsOfOtherKindsAreRefused(t *testing.T) {
	never := func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }
	for name, event := range map[string]string{
		"schedule":  `{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`,
		"queue":     `{"Records":[{"messageId":"1","body":"{}"}]}`,
		"REST API":  `{"version":"1.0","resource":"/","path":"/","httpMethod":"GET","headers":{},"requestContext":{"stage":"prod"}}`,
		"no method": `{"version":"2.0","rawPath":"/","requestContext":{"http":{}}}`,
		"empty":     `{}`, "null": `null`, "list": `[]`,
	} {
		_, err := lambdahttp.Handler(http.HandlerFunc(never), quiet())(t.Context(), json.RawMessage(event))
		assert.ErrorIs(t, err, lambdahttp.ErrEvent, name)
	}
}

func TestAnswersFollowTheRulesOfAPlainServer(t *testing.T) {
	get := runtimeapitest.Request(t, "GET", "/", "", "", nil)
	t.Run("nothing written is a 200", func(t *testing.T) {
		assert.Equal(t, 200, invoke(t, func(http.ResponseWriter, *http.Request) {}, get).StatusCode)
	})
	t.Run("the first status wins and late headers do not leak", func(t *testing.T) {
		answer := invoke(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Early", "1")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTeapot)
			w.Header().Set("X-Late", "1")
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte("{}"))
		}, get)
		assert.Equal(t, http.StatusTeapot, answer.StatusCode)
		assert.Equal(t, "1", answer.Headers["X-Early"])
		assert.NotContains(t, answer.Headers, "X-Late")
		assert.Equal(t, "{}", answer.Body)
	})
	t.Run("what is not text is encoded", func(t *testing.T) {
		answer := invoke(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0xff}) }, get)
		assert.True(t, answer.IsBase64Encoded)
		assert.Equal(t, "/w==", answer.Body)
	})
}

func TestAPanicIsA500AndHalfAnAnswerIsNotSent(t *testing.T) {
	answer := invoke(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"success":`))
		panic("secret cause")
	}, runtimeapitest.Request(t, "GET", "/", "", "", nil))
	assert.Equal(t, 500, answer.StatusCode)
	assert.True(t, json.Valid([]byte(answer.Body)), answer.Body)
	assert.NotContains(t, answer.Body, "secret")
}

func TestLambdasDeadlineAndIDReachTheRequest(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: "8476a536"})
	for given, want := range map[string]string{"": "8476a536", "mine": "mine"} {
		h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, has := r.Context().Deadline()
			assert.True(t, has)
			assert.Equal(t, want, r.Header.Get("X-Request-Id"))
		})
		headers := map[string]string{}
		if given != "" {
			headers["X-Request-Id"] = given
		}
		_, err := lambdahttp.Handler(h, quiet())(ctx, runtimeapitest.Request(t, "GET", "/", "", "", headers))
		require.NoError(t, err)
	}
}

const tick = `{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`

func TestAPassEndsBeforeLambdaDoes(t *testing.T) {
	deadline := time.Now().Add(time.Minute)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	called := false
	pass := lambdahttp.Scheduled(func(ctx context.Context) error {
		called = true
		ends, has := ctx.Deadline()
		assert.True(t, has)
		assert.Equal(t, deadline.Add(-lambdahttp.Margin), ends)
		return errors.New("database away")
	})
	assert.EqualError(t, pass(ctx, json.RawMessage(tick)), "database away")
	assert.True(t, called)
}

func TestOnlyATickStartsAPass(t *testing.T) {
	pass := lambdahttp.Scheduled(func(context.Context) error { t.Error("a pass was made"); return nil })
	for _, event := range []string{`{}`, `null`, `[]`, `{"source":"aws.events","detail-type":"Other"}`, `{"version":"2.0","rawPath":"/"}`} {
		assert.ErrorIs(t, pass(t.Context(), json.RawMessage(event)), lambdahttp.ErrEvent)
	}
}

func TestAPassThatFailsKeepsNoOther(t *testing.T) {
	var ran []string
	fails := errors.New("the robot hangs")
	pass := func(name string, err error) lambdahttp.Pass {
		return func(context.Context) error { ran = append(ran, name); return err }
	}
	err := lambdahttp.InTurn(pass("judge", fails), pass("deliver", nil))(t.Context())
	require.ErrorIs(t, err, fails)
	require.Equal(t, []string{"judge", "deliver"}, ran)
	require.NoError(t, lambdahttp.InTurn(pass("judge", nil))(t.Context()))
}
