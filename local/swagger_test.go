package main

import (
	"context"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/httpapi"
)

// browser is a Chromium of the test's own, with what its pages did.
type browser struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	loaded   []string // addresses
	problems []string // exceptions, and what the console calls an error
}

func openBrowser(t testing.TB) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	require.NoError(t, err, "scripts/test-setup.sh installs it")
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true),
		chromedp.WindowSize(1200, 1600))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancelTime := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancelTime)
	b := &browser{t: t}
	b.ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Listen(b.ctx, b.watch))
	return b
}

func (b *browser) watch(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.loaded = append(b.loaded, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork { // an answer of 401 is no fault of the page
			b.problems = append(b.problems, e.Entry.Text)
		}
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, actions...))
}

// text is what people read in an element.
func (b *browser) text(element chromedp.CSS) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Text(element))
	require.NoError(b.t, err)
	return text
}

func (b *browser) count(expression string) int {
	b.t.Helper()
	n, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](expression))
	require.NoError(b.t, err)
	return n
}

const (
	notifyBlock   chromedp.CSS = "#operations-notify-notify"
	executeButton              = notifyBlock + " button.execute"
	liveAnswer                 = notifyBlock + " .live-responses-table .response"
)

// tryNotify sends the example of the contract by the page's own form, and gives
// the status that the page shows.
func (b *browser) tryNotify() string {
	b.t.Helper()
	b.do(chromedp.Click(executeButton), chromedp.WaitVisible(liveAnswer+" .response-col_status"))
	return strings.Fields(b.text(liveAnswer + " .response-col_status"))[0]
}

func (b *browser) openSwagger(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url), chromedp.Click(notifyBlock+" .opblock-summary-control"), chromedp.WaitVisible(executeButton))
}

func TestSwaggerUIShowsTheContractAndTriesItOut(t *testing.T) {
	s := launch(t, "REMEDIATION_MODE=off")
	b := openBrowser(t)
	b.openSwagger(s.url) // the bare address leads there
	require.Contains(t, b.text(".info .title"), "Trade Monitor")
	require.Equal(t, strings.Count(string(httpapi.OpenAPI), "operationId:"), b.count(`document.querySelectorAll('.opblock').length`), "every operation is shown")

	require.Equal(t, "200", b.tryNotify())
	require.Contains(t, b.text(liveAnswer+" .response-col_description"), `"alertId": 1`)
	require.EqualValues(t, 1, s.get("/api/alerts?alertType=TICKER_SYNC_TIMEOUT").number("total"), "it was really posted")

	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(t, b.problems, "the policy of the page forbids nothing that it needs")
	for _, url := range b.loaded {
		require.True(t, strings.HasPrefix(url, s.url+"/") || strings.HasPrefix(url, "data:"), "nothing from elsewhere: %s", url)
	}
	require.Contains(t, b.loaded, s.url+"/openapi.yaml")
}

func TestSwaggerUISendsTheTokenThatItIsGiven(t *testing.T) {
	s := launch(t, "REMEDIATION_MODE=off", "API_TOKENS=ops:all:canary-token")
	b := openBrowser(t)
	b.openSwagger(s.url + "/swagger-ui.html")
	require.Equal(t, "401", b.tryNotify())

	b.do(chromedp.Click(chromedp.CSS(".auth-wrapper .authorize")),
		chromedp.SendKeys(chromedp.CSS(".auth-container input"), "canary-token"),
		chromedp.Click(chromedp.CSS(".auth-btn-wrapper .authorize")),
		chromedp.Click(chromedp.CSS(".auth-btn-wrapper .btn-done")),
		chromedp.Click(notifyBlock+" .btn-clear"))
	require.Equal(t, "200", b.tryNotify())
	require.EqualValues(t, 1, s.as("canary-token").get("/api/alerts").number("total"))
	require.Equal(t, http.StatusUnauthorized, s.get("/api/alerts").status)
	require.Zero(t, b.count(`localStorage.length + sessionStorage.length`), "the token is not stored")
}
