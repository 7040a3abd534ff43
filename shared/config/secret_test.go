package config_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joho/godotenv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/config"
)

const canary = "c4n4ry-1d5ecre7"

// exampleNames are the names that .env.example explains.
func exampleNames(t *testing.T) map[string]string {
	t.Helper()
	values, err := godotenv.Read(filepath.Join("..", "..", ".env.example"))
	require.NoError(t, err)
	return values
}

func TestTheExampleNamesEveryNameAndLoads(t *testing.T) {
	asked := map[string]bool{}
	_, err := config.Load(context.Background(), func(name string) (string, bool) {
		asked[name] = true
		return "", false
	})
	require.NoError(t, err)
	example := exampleNames(t)
	for name := range asked {
		assert.Contains(t, example, name, ".env.example must explain every name")
	}
	for name := range example {
		assert.True(t, asked[name], ".env.example explains %s, which nothing reads", name)
	}

	shown := load(t, example)
	defaults := load(t, env{"WECHAT_WEBHOOK_URL": example["WECHAT_WEBHOOK_URL"], "TRADE_MONITOR_URL": example["TRADE_MONITOR_URL"]})
	assert.Equal(t, defaults, shown, "the example shows the defaults")
}

func TestNoSecretIsPrintedByAConfig(t *testing.T) {
	cfg := load(t, env{
		"MYSQL_HOST": "db", "MYSQL_USER": "u", "MYSQL_DATABASE": "d", "MYSQL_PASSWORD": canary,
		"WECHAT_WEBHOOK_URL": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + canary,
		"API_TOKENS":         "a:read:" + canary + "1,b:all:" + canary + "2",
		"HTTPS_PROXY":        "http://user:" + canary + "@proxy:3128",
	})
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("start", "config", cfg)
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "config", cfg)
	asJSON, err := json.Marshal(cfg)
	require.NoError(t, err)
	for _, printed := range []string{
		fmt.Sprintf("%v", cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg), fmt.Sprintf("%+v", &cfg),
		fmt.Sprintf("%+v", cfg.Policy()), log.String(), string(asJSON),
	} {
		assert.NotContains(t, printed, canary)
		assert.Contains(t, printed, "***", "the test must look at text that holds the redacted secrets")
	}
}

// TestNoValueIsShownByAnError puts the canary into every name: also into those
// that hold no secret, since that is where secrets are pasted by mistake.
func TestNoValueIsShownByAnError(t *testing.T) {
	bad := []string{
		canary + " \x01*", "https://" + canary + ".example/send?key=" + canary, "http://user:" + canary + "@[", canary + ":" + canary + ":" + canary, "%" + canary + "://(",
	}
	for _, value := range bad {
		e := env{}
		for name := range exampleNames(t) {
			e[name] = value
		}
		_, err := config.Load(context.Background(), e.lookup)
		require.Error(t, err)
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), canary)

		delete(e, "MYSQL_HOST")
		_, err = config.Load(context.Background(), e.lookup)
		require.Error(t, err)
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), canary)
	}
}

func dotEnv(t *testing.T, content string, environment env) (config.Lookup, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return config.DotEnv(path, environment.lookup)
}

func TestDotEnvFillsWhatTheEnvironmentDoesNotSet(t *testing.T) {
	lookup, err := dotEnv(t, "\uFEFF# comment\r\nPORT=1\nexport TZ='UTC' # why\n\nLOG_DIR=\"a\nb\"\nDATA_DIR=\nPOLICY_FILE=x", env{"PORT": "2", "LOG_FORMAT": "json", "POLICY_FILE": ""})
	require.NoError(t, err)
	for name, want := range map[string]string{"PORT": "2", "TZ": "UTC", "LOG_DIR": "a\nb", "DATA_DIR": "", "LOG_FORMAT": "json", "POLICY_FILE": ""} {
		value, set := lookup(name)
		assert.True(t, set, name)
		assert.Equal(t, want, value, name)
	}
	_, set := lookup("MYSQL_HOST")
	assert.False(t, set)
}

func TestAMissingDotEnvIsFine(t *testing.T) {
	lookup, err := config.DotEnv(filepath.Join(t.TempDir(), ".env"), env{"PORT": "2"}.lookup)
	require.NoError(t, err)
	value, set := lookup("PORT")
	assert.True(t, set)
	assert.Equal(t, "2", value)
}

func TestABrokenLineOfDotEnvIsNamedByItsNumberOnly(t *testing.T) {
	for _, c := range []struct {
		name, content, want string
	}{
		{"no assignment", "PORT=1\n" + canary + "\nTZ=UTC\n", "第 2 行"},
		{"no assignment at the end", "PORT=1\n\n# x\n" + canary, "第 4 行"},
		{"no name", "=" + canary, "第 1 行"},
		{"a name with spaces", "A=1\nMY KEY=" + canary + "\n", "第 2 行"},
		{"an open quote", "A=\"x\ny\"\nB='" + canary + "\nC=1\n", "第 3 行"},
		{"rubbish", "A=1\n<" + canary + ">\n", "第 2 行"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := dotEnv(t, c.content, env{})
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
			assert.NotContains(t, err.Error(), canary)
		})
	}
}

func TestADotEnvThatCannotBeReadIsAnError(t *testing.T) {
	_, err := config.DotEnv(t.TempDir(), env{}.lookup)
	assert.Error(t, err)
}
