package docker

// Call is one call of the Engine's API that this package makes.
type Call struct {
	Method string
	Path   string   // after the version; {id} is a container's id or name
	Query  []string // the names of its parameters
	Why    string
	// Acts: it changes something. All else only looks.
	Acts bool
}

// Calls are all calls of the Engine's API that this package makes: what a socket
// proxy has to let through, and no more; shared/docker/socketproxy goes by it. A
// test fails when another one is made, or with another parameter.
var Calls = []Call{
	{Method: "HEAD", Path: "/_ping", Why: "whether the engine answers, and in which version; before the first call, and in health and doctor"},
	{Method: "GET", Path: "/_ping", Why: "the same, where HEAD is refused"},
	{Method: "GET", Path: "/info", Why: "the engine's clock and id; may be refused: our clock has to do then, and hosts have no id"},
	{Method: "GET", Path: "/events", Query: []string{"filters", "since", "until"}, Why: "what happens to containers, and whether a restart was ordered already"},
	{Method: "GET", Path: "/containers/json", Query: []string{"all", "filters"}, Why: "which containers there are, and their labels"},
	{Method: "GET", Path: "/containers/{id}/json", Why: "how a container is: before and after a restart, and for its watch"},
	{Method: "GET", Path: "/containers/{id}/logs", Query: []string{"follow", "since", "stderr", "stdout", "tail", "timestamps"}, Why: "signs of life in a log, and the last lines for people"},
	{Method: "POST", Path: "/containers/{id}/restart", Why: "the remediation RESTART", Acts: true},
	{Method: "POST", Path: "/containers/{id}/start", Why: "the remediation START: a container that is stopped", Acts: true},
	{Method: "POST", Path: "/containers/{id}/stop", Why: "the remediation STOP, which only a policy file can ask for", Acts: true},
}
