package main

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheViewIsNarrowed(t *testing.T) {
	for given, want := range map[string]string{
		"":                                     `{"label":{"a=b":true}}`,
		`{"label":["c=d"]}`:                    `{"label":{"c=d":true,"a=b":true}}`,
		`{"label":{"c=d":true}}`:               `{"label":{"a=b":true,"c=d":true}}`,
		`{"type":{"container":true}}`:          `{"label":{"a=b":true},"type":{"container":true}}`,
		`{"label":["c=d"],"name":["service"]}`: `{"label":{"c=d":true,"a=b":true},"name":{"service":true}}`,
	} {
		query, err := url.ParseQuery(narrowed(url.Values{"filters": {given}, "all": {"1"}}, "a=b"))
		require.NoError(t, err)
		assert.JSONEq(t, want, query.Get("filters"), given)
		assert.Equal(t, "1", query.Get("all"), "the rest of the question stays")
	}
}
