package httpapi

import (
	"net/http"
	"strings"
)

// muxOf is where a path is served. http.ServeMux refuses two paths that match
// one request when neither is within the other, as /alerts/{id}/handle and
// /alerts/groups/{id}. Of such two, the one whose literal comes first wins, as
// people read them.
func (a *api) muxOf(pattern string, routes []Route) *http.ServeMux {
	for _, other := range routes {
		if wins(pattern, other.Pattern) {
			return a.literal
		}
	}
	return a.mux
}

// wins tells whether two paths are in each other's way, and the first one goes
// before the second.
func wins(pattern, other string) bool {
	a, b := strings.Split(pattern, "/"), strings.Split(other, "/")
	if len(a) != len(b) {
		return false
	}
	first, second := -1, -1 // where only the one is literal
	for i := range a {
		switch wildA, wildB := wildcard(a[i]), wildcard(b[i]); {
		case wildA && wildB:
		case wildB && first < 0:
			first = i
		case wildA && second < 0:
			second = i
		case !wildA && !wildB && a[i] != b[i]:
			return false
		}
	}
	return first >= 0 && second > first
}

func wildcard(segment string) bool { return strings.HasPrefix(segment, "{") }
