package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

func printVersion(_ context.Context, a app) error {
	count, of := publicRoots()
	_, err := fmt.Fprintf(a.stdout, "trade-monitor %s\n内置公共根证书 (embedded public roots): %d, %s\n", version(), count, of.Format(time.DateOnly))
	return err
}

// release is what a build without a repository around it is told by the linker.
var release string

// version is the release, the module's version, or the commit that was built.
func version() string {
	if release != "" {
		return release
	}
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
