package lambdahttp_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"trade-monitor/functions/alerts"
	"trade-monitor/functions/handle"
	"trade-monitor/functions/notify"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
	"trade-monitor/shared/httpapi"
	"trade-monitor/shared/httpapi/contract"
	"trade-monitor/shared/lambdahttp"
)

const root = "../.."

// template is what these tests read of template.yaml. Intrinsic functions
// (!Ref, !Sub) read as their argument.
type template struct {
	text       string
	Parameters map[string]struct {
		Default any  `yaml:"Default"`
		NoEcho  bool `yaml:"NoEcho"`
	} `yaml:"Parameters"`
	Globals struct {
		Function function `yaml:"Function"`
	} `yaml:"Globals"`
	Resources map[string]struct {
		Type       string            `yaml:"Type"`
		Metadata   map[string]string `yaml:"Metadata"`
		Properties yaml.Node         `yaml:"Properties"`
	} `yaml:"Resources"`
}

type function struct {
	CodeURI       string   `yaml:"CodeUri"`
	Handler       string   `yaml:"Handler"`
	Runtime       string   `yaml:"Runtime"`
	Architectures []string `yaml:"Architectures"`
	Timeout       int      `yaml:"Timeout"`
	Policies      any      `yaml:"Policies"`
	Environment   struct {
		Variables map[string]yaml.Node `yaml:"Variables"`
	} `yaml:"Environment"`
	Events map[string]struct {
		Type       string            `yaml:"Type"`
		Properties map[string]string `yaml:"Properties"`
	} `yaml:"Events"`
}

func load(t *testing.T) template {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	require.NoError(t, err)
	var tmpl template
	require.NoError(t, yaml.Unmarshal(text, &tmpl))
	tmpl.text = string(text)
	return tmpl
}

// functions are the Lambda functions by logical id.
func (tmpl template) functions(t *testing.T) map[string]function {
	t.Helper()
	found := map[string]function{}
	for id, resource := range tmpl.Resources {
		if resource.Type == "AWS::Serverless::Function" {
			var f function
			require.NoError(t, resource.Properties.Decode(&f))
			found[id] = f
		}
	}
	return found
}

func (f function) routes() []httpapi.Route {
	var routes []httpapi.Route
	for _, event := range f.Events {
		if event.Type == "HttpApi" {
			routes = append(routes, httpapi.Route{Method: event.Properties["Method"], Pattern: event.Properties["Path"]})
		}
	}
	return routes
}

func TestTheGatewayRoutesWhatTheFunctionsAnswer(t *testing.T) {
	want := map[string][]httpapi.Route{
		"NotifyFunction":  notify.New(nil, notify.Options{}).Routes(),
		"AlertsFunction":  alerts.New(nil, alerts.Options{}).Routes(),
		"HandleFunction":  handle.New(nil, handle.Options{}).Routes(),
		"DeliverFunction": nil,
	}
	functions := load(t).functions(t)
	require.Len(t, functions, len(want))
	for id, routes := range want {
		assert.Equal(t, contract.Routes(routes...), contract.Routes(functions[id].routes()...), id)
	}
}

func TestDeliveryIsOnTheClock(t *testing.T) {
	tmpl := load(t)
	deliver := tmpl.functions(t)["DeliverFunction"]
	require.Contains(t, deliver.Events, "Tick")
	assert.Equal(t, "Schedule", deliver.Events["Tick"].Type)
	assert.Equal(t, "rate(1 minute)", deliver.Events["Tick"].Properties["Schedule"])
	assert.Greater(t, time.Duration(deliver.Timeout)*time.Second, 2*lambdahttp.Margin, "most of a pass is for work")
	assert.NotRegexp(t, `rate\(1 \w+s\)`, tmpl.text, "EventBridge refuses `rate(1 minutes)`, cfn-lint does not")
	for id, f := range tmpl.functions(t) {
		types := map[string]bool{}
		for _, event := range f.Events {
			types[event.Type] = true
		}
		assert.Len(t, types, 1, "%s: one kind of trigger per function", id)
	}
}

func TestFunctionsRunAsTheyAreBuilt(t *testing.T) {
	tmpl := load(t)
	g := tmpl.Globals.Function
	assert.Equal(t, "provided.al2023", g.Runtime)
	assert.Equal(t, "bootstrap", g.Handler)
	assert.Equal(t, []string{"arm64"}, g.Architectures)
	assert.Equal(t, ".", g.CodeURI, "the functions share code, and `sam build --cached` looks at CodeUri only")
	assert.LessOrEqual(t, g.Timeout, 30, "an HTTP API waits 30 s")
	for id, f := range tmpl.functions(t) {
		assert.Equal(t, "makefile", tmpl.Resources[id].Metadata["BuildMethod"], id)
		assert.Empty(t, f.Runtime+f.CodeURI+f.Handler, "%s: only Globals say how it runs", id)
		assert.Nil(t, f.Policies, "%s: logs and the network is all it needs", id)
	}
}

// The commands that `sam build` calls, as make itself reads them.
func TestTheMakefileBuildsEachFunction(t *testing.T) {
	for id := range load(t).functions(t) {
		out, err := exec.Command("make", "-n", "-C", root, "build-"+id, "ARTIFACTS_DIR=/artifacts").CombinedOutput()
		require.NoError(t, err, "%s", out)
		room := strings.ToLower(strings.TrimSuffix(id, "Function"))
		command := strings.Join(strings.Fields(strings.ReplaceAll(string(out), "\\\n", " ")), " ")
		for _, part := range []string{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "-tags lambda.norpc", "-trimpath", "/artifacts/bootstrap", "./functions/" + room + "/lambda"} {
			assert.Contains(t, command, part)
		}
	}
}

// environment gives a function's variables with sample values where the
// template refers to something.
func (tmpl template) environment(f function) map[string]string {
	samples := map[string]string{
		"MysqlHost": "db.example.com", "MentionMobiles": "13800000000", "mysqlPassword": "p", "apiTokens": "async:notify:canary",
		"wechatWebhookUrl": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=test-robot-key",
	}
	env := map[string]string{}
	for _, variables := range []map[string]yaml.Node{tmpl.Globals.Function.Environment.Variables, f.Environment.Variables} {
		for name, node := range variables {
			value := node.Value
			switch node.Tag {
			case "!Ref":
				value = samples[node.Value]
				if parameter := tmpl.Parameters[node.Value]; value == "" && parameter.Default != nil {
					value = fmt.Sprint(parameter.Default)
				}
			case "!Sub":
				key := value[strings.LastIndex(value, ":")+1:]
				value = samples[strings.TrimRight(key, "}")]
			}
			env[name] = value
		}
	}
	return env
}

func TestTheEnvironmentStartsEachFunctionAndRestartsNothing(t *testing.T) {
	tmpl := load(t)
	mode := tmpl.Globals.Function.Environment.Variables["REMEDIATION_MODE"]
	assert.NotZero(t, mode.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle), "a bare off is false to CloudFormation")
	for id, f := range tmpl.functions(t) {
		env := tmpl.environment(f)
		cfg, err := config.Load(context.Background(), func(name string) (string, bool) { v, ok := env[name]; return v, ok })
		require.NoError(t, err, id)
		assert.Equal(t, alerting.Off, cfg.Mode, "%s: there is no Docker on Lambda", id)
		assert.Equal(t, "db.example.com", cfg.MySQL.Host, id)
		assert.Equal(t, "p", cfg.MySQL.Password.Reveal(), id)
		assert.Equal(t, "Asia/Shanghai", cfg.Location.String(), id)
		assert.Equal(t, []alerting.Mobile{"13800000000"}, cfg.Callees[0].Mobiles, "%s: whoever delivers a word decides whom it calls", id)
		if len(f.routes()) > 0 {
			assert.Len(t, cfg.Tokens, 1, id)
			assert.Empty(t, cfg.Anonymous, "%s: on the internet nobody is let in without a token by default", id)
		}
	}
}

func TestNoSecretIsWrittenDown(t *testing.T) {
	tmpl := load(t)
	for name, p := range tmpl.Parameters {
		assert.NotRegexp(t, `(?i)password|token|webhook|key`, name, "a secret comes from Secrets Manager, not from a parameter")
		assert.False(t, p.NoEcho, "%s: hidden parameters still have plain values", name)
	}
	secret := regexp.MustCompile(`^(MYSQL_PASSWORD|API_TOKENS|WECHAT_WEBHOOK_URL)$`)
	for id, f := range tmpl.functions(t) {
		for _, variables := range []map[string]yaml.Node{tmpl.Globals.Function.Environment.Variables, f.Environment.Variables} {
			for name, node := range variables {
				if secret.MatchString(name) {
					assert.Regexp(t, `^\{\{resolve:secretsmanager:\$\{SecretArn\}:SecretString:\w+\}\}$`, node.Value, "%s of %s", name, id)
				}
			}
		}
	}
}

func TestWhatALinterDoesNotNotice(t *testing.T) {
	tmpl := load(t)
	assert.NotContains(t, tmpl.text, "ApiKeyRequired", "an HTTP API has no API keys: it would be ignored")
	for name := range tmpl.Parameters {
		assert.Regexp(t, `(!Ref |\$\{)`+name+`\b`, tmpl.text, "parameter %s is not used", name)
	}
	var stage struct {
		StageName string `yaml:"StageName"`
	}
	api := tmpl.Resources["Api"].Properties
	require.NoError(t, api.Decode(&stage))
	assert.Equal(t, "$default", stage.StageName, "another stage's name would be prefixed to every path")
}

// The events of `sam local invoke` ask for routes that exist.
func TestTheSampleEventsAreAnswered(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(root, "functions", "*", "events", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	var routes []httpapi.Route
	answered := func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	for _, f := range load(t).functions(t) {
		for _, route := range f.routes() {
			route.Handler = answered
			routes = append(routes, route)
		}
	}
	handler := lambdahttp.Handler(httpapi.Mount(httpapi.Options{Log: quiet()}, routes...), quiet())
	seen := map[string]bool{}
	for _, name := range names {
		event, err := os.ReadFile(name)
		require.NoError(t, err)
		room := filepath.Base(filepath.Dir(filepath.Dir(name)))
		seen[room] = true
		if room == "deliver" {
			pass := lambdahttp.Scheduled(func(context.Context) error { return nil })
			assert.NoError(t, pass(t.Context(), event), name)
			continue
		}
		answer, err := handler(t.Context(), event)
		require.NoError(t, err, name)
		assert.Equal(t, http.StatusNoContent, answer.StatusCode, name)
	}
	rooms := []string{"alerts", "deliver", "handle", "notify"}
	assert.False(t, slices.ContainsFunc(rooms, func(room string) bool { return !seen[room] }), "each room has an event")
}
