package main

import (
	"maps"
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
var fixed = []string{"PORT", "LISTEN_HOST", "DATA_DIR", "LOG_DIR", "DOCKER_HOST", "PROXY_LISTEN", "PROXY_CALLERS"}

// composeService is what the tests read of a compose file.
type composeService struct {
	Environment map[string]string
	Build       struct{ Args map[string]string }
}

func composeServices(t *testing.T, file string) map[string]composeService {
	t.Helper()
	var compose struct{ Services map[string]composeService }
	require.NoError(t, yaml.Unmarshal([]byte(repositoryFile(t, file)), &compose))
	return compose.Services
}

// The compose file lists the settings one by one, so that .env may be absent;
// a name that is missing there would be ignored without a word.
func TestTheComposeFilePassesEverySettingOn(t *testing.T) {
	service := composeServices(t, "docker-compose.yml")["trade-monitor"]

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

// The hardened deployment takes the same settings; only the way to Docker is
// another, and the proxy knows the lists and no secret.
func TestTheHardenedComposeFileTakesTheSameSettings(t *testing.T) {
	usual := composeServices(t, "docker-compose.yml")["trade-monitor"]
	hardened := composeServices(t, "docker-compose.hardened.yml")
	want := maps.Clone(usual.Environment)
	delete(want, runAsName) // it is never root
	want["DOCKER_HOST"] = "tcp://docker-proxy:2375"
	assert.Equal(t, want, hardened["trade-monitor"].Environment)
	assert.Equal(t, usual.Build.Args, hardened["trade-monitor"].Build.Args)

	proxy := hardened["docker-proxy"]
	assert.Equal(t, hardened["trade-monitor"].Build, proxy.Build, "it is the same image")
	assert.Equal(t, "trade-monitor", proxy.Environment["PROXY_CALLERS"])
	delete(proxy.Environment, "PROXY_CALLERS")
	for name, value := range proxy.Environment {
		assert.Equal(t, usual.Environment[name], value, "%s says the same to both", name)
		assert.NotRegexp(t, "WECHAT|MYSQL|TOKEN|PROXY", name, "the proxy needs no secret")
	}
	for _, name := range []string{"REMEDIATION_CONTAINERS", "POLICY_FILE", "ASYNC_MONITOR_CONTAINER", "ASYNC_MONITOR_LOG_PATTERN"} {
		assert.Contains(t, proxy.Environment, name, "it shapes whom the proxy lets touch or read")
	}
	assert.Contains(t, repositoryFile(t, "Dockerfile"), "PROXY_LISTEN=0.0.0.0:2375", "where the service looks for it")
}

func repositoryFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", name))
	require.NoError(t, err)
	return string(content)
}
