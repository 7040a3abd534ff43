package socketproxy

import (
	"encoding/json"
	"regexp"

	"trade-monitor/shared/docker"
)

// parameters say what the value of a parameter may be. Which call takes which
// parameter is in docker.Calls.
var parameters = map[string]func(string) bool{
	"all": yes, "follow": yes, "stderr": yes, "stdout": yes, "timestamps": yes,
	"since":   instant.MatchString,
	"until":   instant.MatchString,
	"tail":    count.MatchString,
	"filters": ourFilters,
}

var (
	instant = regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,9})?$`)
	count   = regexp.MustCompile(`^(all|[0-9]{1,9})$`)
	action  = regexp.MustCompile(`^[a-z_]{1,40}$`)
)

func yes(value string) bool { return value == "1" }

// ourFilters tells whether filters are such as we use: a filter by somebody
// else's label would tell what that label holds.
func ourFilters(value string) bool {
	var filters map[string]map[string]bool
	if json.Unmarshal([]byte(value), &filters) != nil {
		return false
	}
	for name, values := range filters {
		for one := range values {
			if !ourFilter(name, one) {
				return false
			}
		}
	}
	return true
}

func ourFilter(name, value string) bool {
	switch name {
	case "type":
		return value == "container"
	case "event":
		return action.MatchString(value)
	case "label":
		return value == docker.Label+"=true" || value == docker.WatchLabel+"=true"
	}
	return false
}
