package socketproxy

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func lines(text string) []string {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func TestARefusalIsToldOncePerKindWithTheCallAndWhy(t *testing.T) {
	s := newStub(t)
	p := s.proxied(t)
	for range 5 {
		p.do(t, http.MethodPost, "/containers/stranger/restart")
		p.do(t, http.MethodPost, "/v1.41/containers/"+strangeID+"/restart")
		p.do(t, http.MethodPost, "/containers/create?name=secret-of-the-query")
		p.do(t, http.MethodPost, "/containers/allowed/restart?t=secret-of-the-query")
		p.do(t, http.MethodGet, "/containers/gone/json") // no news
	}
	told := lines(p.log.String())
	require.Len(t, told, 3, "%s", p.log)
	assert.Contains(t, told[0], `call="POST /containers/{id}/restart"`)
	assert.Contains(t, told[0], "container=stranger")
	assert.Contains(t, told[0], "REMEDIATION_CONTAINERS")
	assert.Contains(t, told[0], "from=127.0.0.1:")
	assert.Contains(t, told[1], `call="POST /containers/create"`)
	assert.Contains(t, told[2], `call="POST /containers/{id}/restart"`)
	assert.NotContains(t, p.log.String(), "secret-of-the-query")
}

func TestWhatIsLetThroughAndActsIsToldEachTime(t *testing.T) {
	p := newStub(t).proxied(t)
	for range 2 {
		p.do(t, http.MethodPost, "/containers/allowed/restart")
		p.do(t, http.MethodGet, "/containers/allowed/json")
	}
	told := lines(p.log.String())
	require.Len(t, told, 2)
	assert.Contains(t, told[0], `call="POST /containers/{id}/restart" container=allowed id=`+allowedID)
}

func TestAFloodOfRefusalsIsAFewLines(t *testing.T) {
	log, now := &logged{}, time.Now()
	told := newTold(slog.New(slog.NewTextHandler(log, nil)), func() time.Time { return now })
	flood := func() {
		for n := range 3 * maxKinds {
			told.tell(httptest.NewRequest(http.MethodGet, fmt.Sprintf("/%d/x", n), http.NoBody), refused("unlisted", "no"))
		}
	}
	flood()
	flood()
	require.Len(t, lines(log.String()), maxKinds+1)
	assert.LessOrEqual(t, len(told.kinds), maxKinds+1)
	now = now.Add(tellAgain)
	told.tell(httptest.NewRequest(http.MethodGet, "/0/x", http.NoBody), refused("unlisted", "no"))
	all := lines(log.String())
	assert.Contains(t, all[len(all)-1], "notTold=1", "what was not told is counted")
	told.tell(httptest.NewRequest(http.MethodGet, "/new/x", http.NoBody), refused("unlisted", "no"))
	assert.Len(t, lines(log.String()), len(all)+1, "there is room again")
}

func TestATextOfAStrangerIsOneLineOfTheLog(t *testing.T) {
	p := newStub(t).proxied(t)
	p.do(t, http.MethodGet, "/x%0atime=now%20level=INFO%20msg=forged")
	p.do(t, http.MethodGet, "/"+strings.Repeat("long", 1000))
	told := lines(p.log.String())
	require.Len(t, told, 2)
	assert.NotContains(t, told[0], "\ntime=now")
	assert.Less(t, len(told[1]), 1000)
}
