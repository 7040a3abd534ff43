package main

import (
	"context"
	"fmt"
	"runtime/debug"
)

func printVersion(_ context.Context, a app) error {
	_, err := fmt.Fprintln(a.stdout, "trade-monitor", version())
	return err
}

// version is the module's version, or the commit that was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}
