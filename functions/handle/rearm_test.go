package handle_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/alerting"
)

func (m *memory) Rearm(_ context.Context, container, by string) (alerting.Rearmed, error) {
	m.asked = append(m.asked, "rearm "+container+" by "+by)
	return alerting.Rearmed{Container: container, By: by, At: noon, Alerts: []int64{7, 9}}, m.err
}

func (m *memory) ReleaseBrake(_ context.Context, host, by string) (alerting.Rearmed, error) {
	m.asked = append(m.asked, "release "+host+" by "+by)
	return alerting.Rearmed{Host: alerting.Host{ID: host, Name: "one"}, By: by, At: noon}, m.err
}

func TestRearmAndReleaseSayWhatIsDecidedAgain(t *testing.T) {
	store := &memory{}
	status, body := post(t, store, "/api/remediation/containers/async/rearm", `{"by":"张三"}`)
	assert.Equal(t, 200, status)
	assert.JSONEq(t, `{"success":true,"message":"熔断已复位，受阻的告警立即重新判断","data":{"container":"async","by":"张三","at":"2026-02-25T12:00:00.000+08:00","alerts":[7,9]}}`, body)
	status, body = post(t, store, "/api/remediation/brakes/ABCD:1%2Fone/release", "", "Authorization", "Bearer s")
	assert.Equal(t, 200, status)
	assert.JSONEq(t, `{"success":true,"message":"刹车已解除，暂缓的告警立即重新判断","data":{"host":"ABCD:1/one","hostName":"one","by":"oncall","at":"2026-02-25T12:00:00.000+08:00","alerts":[]}}`, body)
	assert.Equal(t, []string{"rearm async by 张三", "release ABCD:1/one by oncall"}, store.asked)
}

func TestRearmAndReleaseRefuse(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"not on record": {alerting.ErrNotFound, 404, "not_found"},
		"no brake":      {&alerting.RefusedError{Reason: alerting.Reason{Code: "brake_off", Detail: "one"}}, 409, "主机 one 的刹车没有生效"},
		"two of a name": {&alerting.RefusedError{Reason: alerting.Reason{Code: "which_host", Detail: "one"}}, 409, "which_host"},
		"database off":  {alerting.ErrUnavailable, 503, "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/api/remediation/containers/async/rearm", "/api/remediation/brakes/one/release"} {
				status, body := post(t, &memory{err: tc.err}, path, "")
				assert.Equal(t, tc.status, status)
				assert.Contains(t, body, tc.says)
			}
		})
	}
}

func TestHostileNamesReachNoStore(t *testing.T) {
	long := strings.Repeat("x", 3_000)
	for path, want := range map[string]int{
		"/api/remediation/containers/a%2Fb/rearm":               400,
		"/api/remediation/containers/..%2F..%2Fetc/rearm":       400,
		"/api/remediation/containers/a/b/rearm":                 404,
		"/api/remediation/containers/%00x/rearm":                400,
		"/api/remediation/containers/%ff%fe/rearm":              400,
		"/api/remediation/containers/a%0Ab/rearm":               400,
		"/api/remediation/containers/%3C@all%3E/rearm":          400,
		"/api/remediation/containers/容器/rearm":                  400,
		"/api/remediation/containers/" + long + "/rearm":        400,
		"/api/remediation/containers/x'%20OR%20'1'='1/rearm":    400,
		"/api/remediation/brakes/%ff%fe/release":                400,
		"/api/remediation/brakes/" + long + "/release":          400,
		"/api/remediation/brakes/a/b/release":                   404,
		"/api/remediation/containers/async/rearm?by=%3C@all%3E": 200,
	} {
		store := &memory{}
		status, body := post(t, store, path, "")
		assert.Equal(t, want, status, "%s: %s", path, body)
		if want != 200 {
			assert.Empty(t, store.asked, path)
		}
	}
	store := &memory{}
	status, _ := post(t, store, "/api/remediation/containers/async/rearm", `{"by":"<@all>"}`)
	assert.Equal(t, 400, status)
	assert.Empty(t, store.asked)
}
