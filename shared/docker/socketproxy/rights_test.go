package socketproxy

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
)

func TestWhoMayBeTouchedAndWhoMayBeRead(t *testing.T) {
	policy := alerting.DefaultPolicy()
	policy.Containers, policy.Logs = []string{"listed"}, []alerting.LogRule{{Container: "followed"}}
	act, read := call{Call: docker.Call{Method: "POST", Path: "/containers/{id}/restart", Acts: true}}, call{Call: docker.Call{Method: "GET", Path: "/containers/{id}/logs"}}
	for name, c := range map[string]struct {
		subject          subject
		mayAct, mayWatch bool
	}{
		"on the list":                 {subject{name: "listed"}, true, true},
		"labelled":                    {subject{name: "x", restart: true}, true, true},
		"watched by label":            {subject{name: "x", watch: true}, false, true},
		"its log is watched":          {subject{name: "followed"}, false, true},
		"a stranger":                  {subject{name: "x"}, false, false},
		"begins like a listed one":    {subject{name: "listed2"}, false, false},
		"in another case":             {subject{name: "Listed"}, false, false},
		"without a name":              {subject{}, false, false},
		"ourselves, on the list":      {subject{name: "listed", ours: true}, false, true},
		"ourselves, labelled":         {subject{name: "x", restart: true, ours: true}, false, true},
		"ourselves, on no list":       {subject{name: "x", ours: true}, false, false},
		"on the list in a dry run":    {subject{name: "listed"}, true, true},
		"watched and on the list too": {subject{name: "listed", watch: true}, true, true},
	} {
		acts, reads := c.subject.admits(act, policy), c.subject.admits(read, policy)
		assert.Equal(t, c.mayAct, acts == nil, "%s: act: %v", name, acts)
		assert.Equal(t, c.mayWatch, reads == nil, "%s: read: %v", name, reads)
		for _, err := range []error{acts, reads} {
			if err != nil {
				assert.Equal(t, http.StatusForbidden, err.(*refusal).status)
				assert.Equal(t, c.subject.name, err.(*refusal).container)
			}
		}
	}
}

func TestOnlyWhatThePolicyAsksForIsDone(t *testing.T) {
	usual := alerting.DefaultPolicy()
	usual.Containers = []string{"listed"}
	stops, ladder, never := usual, usual, alerting.Policy{Containers: usual.Containers}
	stops.Default.Manual = alerting.Stop
	ladder.Rules = map[string]alerting.Rule{"X": {Ladder: []alerting.Action{alerting.Restart, alerting.Stop, alerting.Escalate}}}
	for _, c := range []struct {
		action string
		policy alerting.Policy
		may    bool
	}{
		{"restart", usual, true}, {"start", usual, true}, {"stop", usual, false}, {"stop", stops, true}, {"stop", ladder, true},
		{"start", ladder, false}, {"restart", never, false}, {"escalate", usual, false}, {"kill", stops, false},
	} {
		err := subject{name: "listed"}.admits(call{Call: docker.Call{Method: "POST", Path: "/containers/{id}/" + c.action, Acts: true}}, c.policy)
		assert.Equal(t, c.may, err == nil, "%s: %v", c.action, err)
	}
}

// The container that was named is the one that is looked at, and the one that is
// looked at is the one that is touched.
func TestACallReachesExactlyTheContainerThatWasNamed(t *testing.T) {
	s := newStub(t)
	p := s.proxied(t)
	for _, c := range []struct {
		method, uri string
		status      int
		reaches     string
	}{
		{"POST", "/containers/allowed/restart", 204, "POST /containers/" + allowedID + "/restart"},
		{"POST", "/v1.41/containers/" + allowedID + "/start", 204, "POST /v1.41/containers/" + allowedID + "/start"},
		{"POST", "/containers/" + allowedID[:63] + "/restart", 404, ""},
		{"POST", "/containers/aaa/restart", 404, ""},
		{"POST", "/containers/missing/restart", 404, ""},
		{"POST", "/containers/stranger/restart", 403, ""},
		{"POST", "/containers/" + strangeID + "/start", 403, ""},
		{"POST", "/containers/watched/restart", 403, ""},
		{"POST", "/containers/own/restart", 403, ""},
		{"POST", "/containers/allowed/stop", 403, ""},
		{"GET", "/containers/allowed/logs?stdout=1&tail=10", 200, "GET /containers/" + allowedID + "/logs?stdout=1&tail=10"},
		{"GET", "/v1.51/containers/watched/logs?follow=1&stderr=1&since=17.000000001", 200, "GET /v1.51/containers/" + watchedID + "/logs?follow=1&since=17.000000001&stderr=1"},
		{"GET", "/containers/stranger/logs?stdout=1", 403, ""},
		{"GET", "/containers/bb/logs?stdout=1", 404, ""},
		{"GET", "/containers/stranger/json", 403, ""},
		{"GET", "/containers/watched/json", 200, ""},
	} {
		status, body := p.do(t, c.method, c.uri)
		assert.Equal(t, c.status, status, "%s %s: %s", c.method, c.uri, body)
		reached := s.reached()
		if c.reaches == "" {
			assert.Empty(t, reached, c.uri)
		} else {
			assert.Equal(t, []string{c.reaches}, reached)
		}
		if status >= 400 {
			assert.Regexp(t, `^{"message":".+"}\n$`, body)
		}
	}
}

// The monitor runs from the image that the proxy runs from.
func TestNeitherTheProxyNorTheMonitorIsTouched(t *testing.T) {
	s := newStub(t)
	s.handle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/containers/monitor/json" {
			return false
		}
		_, _ = w.Write([]byte(`{"Id":"` + allowedID + `","Name":"/monitor","Image":"sha256:own","Config":{"Labels":{"trade-monitor.restart":"true"}}}`))
		return true
	}
	p := s.proxied(t)
	for _, name := range []string{"own", "monitor"} {
		status, body := p.do(t, http.MethodPost, "/containers/"+name+"/restart")
		assert.Equal(t, http.StatusForbidden, status)
		assert.Contains(t, body, "never touched")
	}
	assert.Empty(t, s.reached())
	status, _ := p.do(t, http.MethodGet, "/containers/monitor/json")
	assert.Equal(t, http.StatusOK, status, "but it may be looked at")
}

func TestWhenWeCannotTellWhoWeAreNobodyIsTouched(t *testing.T) {
	s := newStub(t)
	s.handle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/containers/json" {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"message":"no"}`))
		}
		return r.URL.Path == "/containers/json"
	}
	status, body := s.proxied(t).do(t, http.MethodPost, "/containers/allowed/restart")
	require.Equal(t, http.StatusInternalServerError, status)
	require.JSONEq(t, `{"message":"no"}`, body)
	require.Empty(t, s.reached())
}

func TestAnIdThatIsNoneIsNotPassedOn(t *testing.T) {
	for _, id := range []string{"", "allowed", "../../info", allowedID + "/../../info"} {
		s := newStub(t)
		s.answering("/containers/allowed/json", `{"Id":"`+id+`","Name":"/allowed"}`)
		status, _ := s.proxied(t).do(t, http.MethodPost, "/containers/allowed/restart")
		assert.Equal(t, http.StatusNotFound, status, id)
		assert.Empty(t, s.reached())
	}
}
