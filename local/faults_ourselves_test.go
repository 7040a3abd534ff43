package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/httpapi/contract"
)

// becomeContainer runs the program in a container of the machine's engine, whose
// name is on the list: the target is ourselves. It shares the machine's network,
// so that the robots can be reached, and therefore its host name: what is left
// to know itself by are its control groups and its mounts.
func (w *faultWorld) becomeContainer() {
	w.t.Helper()
	socket := strings.TrimPrefix(w.proxy.Host, "unix://")
	name := "tmtest-ourselves-" + filepath.Base(filepath.Dir(socket))
	w.target = w.run(dockertest.Spec{
		ExactName: name, Image: w.engine.Image(w.t, "trade-monitor/local"), Network: "host",
		Binds: []string{filepath.Dir(socket) + ":/engine"},
		Env: []string{
			"PORT=0", "DATA_DIR=/data", "LOG_DIR=/logs", "DOCKER_HOST=unix:///engine/" + filepath.Base(socket), "REMEDIATION_CONTAINERS=" + name,
			"ASYNC_MONITOR_LOG_PATTERN=off", "WECHAT_WEBHOOK_URL=" + w.robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS=" + w.robots.Host,
		},
	})
	s := &runningService{t: w.t, output: &output{}}
	s.client = &http.Client{Timeout: 10 * time.Second, Transport: contract.Load(w.t).Transport(w.t, nil)}
	await(w.t, 20*time.Second, "it listens", func() bool {
		s.url = listening.FindString(w.target.Logs())
		return s.url != ""
	})
	w.runningService = s
	await(w.t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	require.Empty(w.t, w.recorder.all(""))
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("the program printed:\n%s", w.target.Logs())
		}
	})
}
