package socketproxy

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
)

// inspectPath is the one call that we answer ourselves, from our own look at the
// container.
const inspectPath = "/containers/{id}/json"

// call is a request that is one of docker.Calls.
type call struct {
	docker.Call
	version   string // "/v1.41", or empty
	container string // what stands for {id}; empty: it names none
	query     url.Values
}

func (c call) name() string { return c.Method + " " + c.Path }

// path is what the engine is asked for.
func (c call) path() string { return c.version + strings.Replace(c.Path, "{id}", c.container, 1) }

// action is what an acting call does, which the end of its path names.
func (c call) action() alerting.Action {
	return alerting.Action(c.Path[strings.LastIndexByte(c.Path, '/')+1:])
}

// The caller's path has to be exactly of this form, with nothing escaped in it:
// then nobody behind us can read another path out of it. Versions before 1.24
// are refused: there, a start takes a configuration along.
const (
	versionForm   = `(/v1\.(?:2[4-9]|[3-9][0-9]))?`
	containerForm = `([a-zA-Z0-9][a-zA-Z0-9_.-]{0,127})`
)

type form struct {
	call    docker.Call
	pattern *regexp.Regexp
}

var forms = formsOf(docker.Calls)

func formsOf(calls []docker.Call) []form {
	var all []form
	for _, c := range calls {
		path := strings.Replace(regexp.QuoteMeta(c.Path), `\{id\}`, containerForm, 1)
		all = append(all, form{c, regexp.MustCompile(`^` + versionForm + path + `$`)})
	}
	return all
}

// recognise tells which call a request is, or why it is none.
func recognise(r *http.Request) (call, error) {
	c, ok := matching(r.Method, r.URL.EscapedPath())
	if !ok {
		return call{}, refused("unlisted", "不是 Trade Monitor 会用到的调用 (not one of the calls that Trade Monitor makes)")
	}
	if r.ContentLength != 0 {
		return call{}, c.refused("body", "不接受请求体 (a body is not taken)")
	}
	if r.Header.Get("Upgrade") != "" {
		return call{}, c.refused("upgrade", "不接受协议升级 (the protocol is not changed)")
	}
	if r.Header.Get("Origin") != "" {
		return call{}, c.refused("browser", "不接受浏览器的请求 (a web page does not call)")
	}
	return c.withQuery(r.URL.RawQuery)
}

func matching(method, path string) (call, bool) {
	for _, f := range forms {
		if f.call.Method != method {
			continue
		}
		if found := f.pattern.FindStringSubmatch(path); found != nil {
			c := call{Call: f.call, version: found[1]}
			if len(found) > 2 {
				c.container = found[2]
			}
			return c, true
		}
	}
	return call{}, false
}

// withQuery takes the parameters over, each at most once and in a form that we
// use ourselves.
func (c call) withQuery(raw string) (call, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return call{}, c.refused("query", "参数无法解析 (the parameters cannot be read)")
	}
	for name, values := range query {
		form, known := parameters[name]
		if !known || !slices.Contains(c.Query, name) {
			return call{}, c.refused("query", "参数 %q 不被接受 (this parameter is not taken)", shortened(name, 40))
		}
		if len(values) != 1 || !form(values[0]) {
			return call{}, c.refused("query", "参数 %s 的值不被接受 (this value is not taken)", name)
		}
	}
	c.query = query
	return c, nil
}

// refused is a refusal of this very call.
func (c call) refused(kind, format string, args ...any) *refusal {
	no := refused(kind, format, args...)
	no.call = c.name()
	return no
}

// shortened is a stranger's text at a length that can be shown.
func shortened(text string, limit int) string {
	if len(text) > limit {
		return strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
