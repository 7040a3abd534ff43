package runtimeapitest

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"trade-monitor/shared/store/storetest"
)

// Main runs the tests of a Lambda entry and then removes what they shared: the
// binary and the database server.
//
//	func TestMain(m *testing.M) { os.Exit(runtimeapitest.Main(m)) }
func Main(m *testing.M) int {
	code := storetest.Main(m)
	if binary, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(binary))
	}
	return code
}

// Build gives the Lambda entry in the test's working directory, compiled as
// `sam build` does, for this machine's processor. It is compiled once.
func Build(t testing.TB) (binary string) {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "trade-monitor-lambda-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "bootstrap")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	cmd.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("go build: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return binary, nil
})

// LocalOnly are the modules that must not be in a Lambda zip: the embedded
// database, the Docker client, Swagger UI, and what only tests need.
var LocalOnly = []string{"modernc.org/sqlite", "github.com/docker/docker", "github.com/getkin/kin-openapi", "github.com/stretchr/testify", "github.com/swaggest/swgui", "github.com/chromedp/chromedp"}

// AssertLinks fails the test when the binary holds a module of LocalOnly. It
// reads what the linker wrote into the binary.
func AssertLinks(t testing.TB, binary string) {
	t.Helper()
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatalf("read %s: %v", binary, err)
	}
	if len(info.Deps) == 0 {
		t.Fatalf("%s names no modules: this check would see nothing", binary)
	}
	for _, module := range info.Deps {
		for _, banned := range LocalOnly {
			if module.Path == banned {
				t.Errorf("%s is linked into the Lambda binary", banned)
			}
		}
	}
}

// Event reads an event of the function's events folder.
func Event(t testing.TB, name string) []byte {
	t.Helper()
	event, err := os.ReadFile(filepath.Join("..", "events", name))
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// Request is an HTTP API event as the gateway sends it.
func Request(t testing.TB, method, path, query, body string, headers map[string]string) []byte {
	t.Helper()
	all := map[string]string{"content-type": "application/json", "host": "api.example.com"}
	for name, value := range headers {
		all[strings.ToLower(name)] = value
	}
	event := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: path, RawQueryString: query, Headers: all, Body: body,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			Stage: "$default", DomainName: "api.example.com",
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: method, Path: path, Protocol: "HTTP/1.1", SourceIP: "203.0.113.7"},
		},
	}
	raw, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// HTTP sends an HTTP API event and reads the answer; an event that the function
// failed on fails the test.
func (f *Function) HTTP(t testing.TB, event []byte) events.APIGatewayV2HTTPResponse {
	t.Helper()
	result := f.Invoke(t, event)
	if result.Error != "" {
		t.Fatalf("function error: %s", result.Error)
	}
	var answer events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(result.Payload, &answer); err != nil {
		t.Fatalf("%v: %s", err, result.Payload)
	}
	if answer.StatusCode < http.StatusOK {
		t.Fatalf("status %d: %s", answer.StatusCode, result.Payload)
	}
	return answer
}
