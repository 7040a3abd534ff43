package docker

// Call is one call of the Engine's API that this package makes.
type Call struct {
	Method string
	Path   string // after the version; {id} is a container's id or name
	Why    string
	// Acts: it changes something. All else only looks.
	Acts bool
}

// Calls are all calls of the Engine's API that this package makes: what a socket
// proxy has to let through, and no more. A test fails when another one is made.
var Calls = []Call{
	{Method: "HEAD", Path: "/_ping", Why: "whether the engine answers, and in which version; before the first call, and in health and doctor"},
	{Method: "GET", Path: "/_ping", Why: "the same, where HEAD is refused"},
	{Method: "GET", Path: "/info", Why: "the engine's clock and id; may be refused: our clock has to do then, and hosts have no id"},
	{Method: "GET", Path: "/events", Why: "what happens to containers, and whether a restart was ordered already"},
	{Method: "GET", Path: "/containers/json", Why: "which containers there are, and their labels"},
	{Method: "GET", Path: "/containers/{id}/json", Why: "how a container is: before and after a restart, and for its watch"},
	{Method: "GET", Path: "/containers/{id}/logs", Why: "signs of life in a log, and the last lines for people"},
	{Method: "POST", Path: "/containers/{id}/restart", Why: "the remediation RESTART", Acts: true},
	{Method: "POST", Path: "/containers/{id}/start", Why: "the remediation START: a container that is stopped", Acts: true},
	{Method: "POST", Path: "/containers/{id}/stop", Why: "the remediation STOP, which only a policy file can ask for", Acts: true},
}
