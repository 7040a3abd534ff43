// Package contract holds tests to openapi.yaml: every request that succeeded
// and every answer is validated against it. Tests import it, programs never.
package contract

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"trade-monitor/shared/httpapi"
)

// Contract is openapi.yaml, loaded.
type Contract struct {
	doc    *openapi3.T
	router routers.Router
}

var load = sync.OnceValues(func() (*Contract, error) { return parse(httpapi.OpenAPI) })

func parse(document []byte) (*Contract, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("load openapi.yaml: %w", err)
	}
	if !doc.IsOpenAPI31OrLater() {
		return nil, fmt.Errorf("openapi.yaml is version %s, not 3.1", doc.OpenAPI)
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("validate openapi.yaml: %w", err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("route openapi.yaml: %w", err)
	}
	return &Contract{doc: doc, router: router}, nil
}

// Load gives the contract, or fails the test when the document itself is wrong.
func Load(t testing.TB) *Contract {
	t.Helper()
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Operations lists "METHOD /path" of every operation with one of the tags (of
// all operations without any tag given), sorted.
func (c *Contract) Operations(tags ...string) []string {
	var list []string
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if len(tags) == 0 || slices.ContainsFunc(op.Tags, func(tag string) bool { return slices.Contains(tags, tag) }) {
				list = append(list, method+" "+path)
			}
		}
	}
	slices.Sort(list)
	return list
}

// Routes writes routes as Operations does, to compare them.
func Routes(routes ...httpapi.Route) []string {
	var list []string
	for _, r := range routes {
		list = append(list, r.Method+" "+r.Pattern)
	}
	slices.Sort(list)
	return list
}

// CheckExchange validates one exchange: the answer always; the request when it
// was answered with success, since a refused one may be wrong on purpose.
func (c *Contract) CheckExchange(req *http.Request, reqBody []byte, resp *http.Response, respBody []byte) error {
	ctx := context.Background()
	plain := req.Clone(ctx)
	plain.Body = io.NopCloser(bytes.NewReader(reqBody))
	plain.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	route, params, err := c.router.FindRoute(plain)
	if err != nil {
		return c.checkUnrouted(req, resp, respBody, err)
	}
	options := &openapi3filter.Options{
		IncludeResponseStatus: true,
		MultiError:            true,
		SkipSettingDefaults:   true,
		AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
	}
	input := &openapi3filter.RequestValidationInput{Request: plain, PathParams: params, Route: route, Options: options}
	if resp.StatusCode < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
			return fmt.Errorf("request %s %s: %w", req.Method, req.URL.Path, err)
		}
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header, Options: options,
	}
	if err := openapi3filter.ValidateResponse(ctx, answer.SetBodyBytes(respBody)); err != nil {
		return fmt.Errorf("answer %d to %s %s: %w\n%s", resp.StatusCode, req.Method, req.URL.Path, err, respBody)
	}
	return nil
}

// checkUnrouted: what the contract does not know is answered with a 404, a
// known path with another method with a 405; both in the shape of an error.
func (c *Contract) checkUnrouted(req *http.Request, resp *http.Response, body []byte, cause error) error {
	if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusMethodNotAllowed {
		return fmt.Errorf("%s %s is not in openapi.yaml (%w) and was answered with %d", req.Method, req.URL.Path, cause, resp.StatusCode)
	}
	if req.Method == http.MethodHead {
		return nil
	}
	var value any
	if err := decodeJSON(body, &value); err != nil {
		return fmt.Errorf("answer %d to %s %s: %w", resp.StatusCode, req.Method, req.URL.Path, err)
	}
	schema := c.doc.Components.Schemas["Error"].Value
	if err := schema.VisitJSON(value, openapi3.EnableJSONSchema2020()); err != nil {
		return fmt.Errorf("answer %d to %s %s: %w", resp.StatusCode, req.Method, req.URL.Path, err)
	}
	return nil
}
