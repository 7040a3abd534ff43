package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// fixed are the names that mean something else in a container, or nothing.
var fixed = []string{"PORT", "LISTEN_HOST", "DATA_DIR", "LOG_DIR", "DOCKER_HOST"}

// The compose file lists the settings one by one, so that .env may be absent;
// a name that is missing there would be ignored without a word.
func TestTheComposeFilePassesEverySettingOn(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Environment map[string]string
			Build       struct{ Args map[string]string }
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(repositoryFile(t, "docker-compose.yml")), &compose))
	service := compose.Services["trade-monitor"]

	var want []string
	for _, found := range regexp.MustCompile(`(?m)^([A-Z_]+)=`).FindAllStringSubmatch(repositoryFile(t, ".env.example"), -1) {
		if !slices.Contains(fixed, found[1]) {
			want = append(want, found[1])
		}
	}
	require.NotEmpty(t, want)
	var passed []string
	for name, value := range service.Environment {
		if name != runAsName {
			passed = append(passed, name)
		}
		assert.True(t, strings.HasPrefix(value, "${"+name), "%s is passed on under its own name: %s", name, value)
	}
	assert.ElementsMatch(t, want, passed)
	assert.Equal(t, "${REMEDIATION_CONTAINERS-aifuturetrade-async-service}", service.Environment["REMEDIATION_CONTAINERS"], "set to nothing means none")

	base := regexp.MustCompile(`(?m)^ARG BASE=(.+)$`).FindStringSubmatch(repositoryFile(t, "Dockerfile"))
	require.NotNil(t, base)
	assert.Equal(t, "${TRADE_MONITOR_BASE:-"+base[1]+"}", service.Build.Args["BASE"])
}

func repositoryFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", name))
	require.NoError(t, err)
	return string(content)
}
