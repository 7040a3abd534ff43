package console_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/console"
)

func serve() http.Handler {
	mux := http.NewServeMux()
	for path, page := range console.Pages() {
		mux.Handle("GET "+path, page)
	}
	return mux
}

func get(t *testing.T, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	serve().ServeHTTP(w, r)
	return w
}

var loaded = regexp.MustCompile(`(?:src|href)="([^"]+)"`)

func TestThePageLoadsOnlyWhatIsServedBesideIt(t *testing.T) {
	page := get(t, console.SwaggerPath)
	require.Equal(t, http.StatusOK, page.Code)
	assert.Equal(t, "text/html; charset=utf-8", page.Header().Get("Content-Type"))
	assert.NotContains(t, page.Body.String(), "<script>", "the policy forbids scripts in the page")
	files := loaded.FindAllStringSubmatch(page.Body.String(), -1)
	require.Len(t, files, 7)
	for _, file := range files {
		name := file[1]
		if name == "openapi.yaml" {
			continue // served by the API
		}
		assert.NotContains(t, name, ":", "nothing from elsewhere")
		answer := get(t, "/"+name)
		assert.Equal(t, http.StatusOK, answer.Code, name)
		assert.NotZero(t, answer.Body.Len(), name)
	}
}

func TestThePolicyAllowsOurOwnFilesAndServerOnly(t *testing.T) {
	policy := get(t, console.SwaggerPath).Header().Get("Content-Security-Policy")
	assert.Contains(t, policy, "default-src 'none'")
	assert.Contains(t, policy, "script-src 'self';")
	for _, forbidden := range []string{"unsafe-", "http:", "https:", "*"} {
		assert.NotContains(t, policy, forbidden)
	}
}

func TestTheLibraryIsSentCompressedAndOnce(t *testing.T) {
	first := get(t, "/swagger-ui/swagger-ui-bundle.js", "Accept-Encoding", "gzip")
	require.Equal(t, http.StatusOK, first.Code)
	assert.Equal(t, "gzip", first.Header().Get("Content-Encoding"))
	assert.Contains(t, first.Header().Get("Content-Type"), "javascript", "nosniff: the type must be right")
	tag := first.Header().Get("ETag")
	require.NotEmpty(t, tag)
	again := get(t, "/swagger-ui/swagger-ui-bundle.js", "Accept-Encoding", "gzip", "If-None-Match", tag)
	assert.Equal(t, http.StatusNotModified, again.Code)
}

func TestHomeLeadsToThePage(t *testing.T) {
	w := get(t, "/")
	assert.Equal(t, http.StatusFound, w.Code)
	assert.Equal(t, "./swagger-ui.html", w.Header().Get("Location"), "relative, for a proxy that takes a prefix away")
}

func TestWhatIsNoPageIsNotServed(t *testing.T) {
	for _, path := range []string{"/swagger-ui/", "/swagger-ui/../console.go", "/swagger-ui/swagger-ui-bundle.js.gz", "/swagger-ui/oauth2-redirect.html", "/else"} {
		assert.NotEqual(t, http.StatusOK, get(t, path).Code, path)
	}
}
