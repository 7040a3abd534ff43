// Package httpapi is the edge between HTTP and the domain: it decodes requests,
// writes answers, maps errors to statuses in one place, knows callers and their
// scopes, and holds the contract (openapi.yaml) that all functions keep.
package httpapi

import _ "embed"

// OpenAPI is the contract, OpenAPI 3.1 in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte
