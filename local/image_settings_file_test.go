//go:build image

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// edit sets names in .env as a person would: in their line where the example
// has one, below it otherwise.
func (d *deployment) edit(t *testing.T, settings map[string]string) {
	t.Helper()
	file := filepath.Join(d.dir, ".env")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for name, value := range settings {
		line := regexp.MustCompile(`(?m)^` + name + `=.*$`)
		if line.Match(text) {
			text = line.ReplaceAllLiteral(text, []byte(name+"="+value))
		} else {
			text = append(text, "\n"+name+"="+value+"\n"...)
		}
	}
	require.NoError(t, os.WriteFile(file, text, 0o600))
}

// asOthers is what the deployment's names are where they must not be those of a
// user on the same machine.
func (d *deployment) asOthers() map[string]string {
	return map[string]string{
		"COMPOSE_PROJECT_NAME": d.name, "PORT": strconv.Itoa(d.port),
		"TRADE_MONITOR_BASE": d.from.base, "GOPROXY": d.from.modules, "TRADE_MONITOR_IMAGE": d.image,
		"TRADE_MONITOR_CONTAINER": d.container, "TRADE_MONITOR_NETWORK": d.name, "REMEDIATION_CONTAINERS": d.standIn(),
	}
}
