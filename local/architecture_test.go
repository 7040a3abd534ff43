package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The folders are the architecture: which may import which is said here, once,
// and whatever is not said is refused. The files are parsed in this process: a
// test that asked `go list` would be served stale from the test cache.

// arrows says what of ours a package, and what lies below it, may import. Test
// files, test kits and mains are exempt; other rules bind them.
var arrows = map[string][]string{
	"functions":        {"shared/alerting", "shared/httpapi"},
	"functions/alerts": {"shared/alerting", "shared/httpapi", "shared/console"},
	"shared/alerting":  {},
	"shared/audit":     {"shared/alerting"},
	"shared/config":    {"shared/alerting"},
	"shared/console":   {},
	"shared/delivery":  {"shared/alerting"},
	"shared/docker":    {"shared/alerting"},
	// It goes by docker's list of calls and labels; docker knows nothing of it.
	"shared/docker/socketproxy": {"shared/alerting", "shared/docker"},
	"shared/httpapi":            {"shared/alerting"},
	"shared/lambdahttp":         {"shared/httpapi"},
	"shared/remedy":             {"shared/alerting"},
	"shared/store":              {"shared/alerting"},
	"shared/store/mysql":        {"shared/alerting", "shared/store"},
	"shared/store/sqlite":       {"shared/alerting", "shared/store"},
	"shared/watch":              {"shared/alerting"},
	"shared/watchdog":           {},
	"shared/wecom":              {"shared/alerting"},
}

// standardOnly are the packages that import the standard library and nothing
// else: the domain, and what other services embed.
var standardOnly = []string{"shared/alerting", "shared/watchdog"}

// kits are test kits whose name does not end in "test".
var kits = []string{"shared/httpapi/contract"}

// rule is what a violation breaks, and how to mend it.
type rule struct{ says, mend string }

var (
	ruleRoot = rule{
		"no .go file in the repository root: `sam build` would take it for the handler",
		"move it to local/ or to a package of shared/",
	}
	ruleLoose = rule{
		"no .go file directly in shared/ or functions/: each folder there is one package with one job",
		"move it into the package whose job it does",
	}
	ruleUnknown = rule{
		"every package has its place and its arrows in DESIGN §1",
		"put it into a package that exists, or decide what the new one may import and add it to `arrows`",
	}
	ruleStandard = rule{
		"alerting and watchdog import the standard library only",
		"pass in what it needs, or move the code to an adapter",
	}
	ruleArrow = rule{
		"imports point one way: functions → alerting, httpapi; adapters → alerting; mains wire them",
		"declare the interface you need here, and let a main pass the implementation in",
	}
	ruleFunctions = rule{
		"functions never import each other",
		"move what they share to shared/alerting (decisions) or shared/httpapi (HTTP)",
	}
	ruleLocalOnly = rule{
		"store/sqlite, docker and local/* are linked in local/ only: they do not belong in a Lambda zip",
		"use store/mysql in a Lambda; wire Docker and SQLite in local/",
	}
	ruleDocker = rule{
		"github.com/docker/docker is imported in shared/docker only, and not in its socketproxy, so that the day the client changes one package changes",
		"add what you need to shared/docker, in our own words",
	}
	ruleSQLite = rule{
		"modernc.org/sqlite is imported in shared/store/sqlite only",
		"open the database by shared/store/sqlite",
	}
	ruleTestify = rule{
		"testify is for tests and test kits",
		"return an error instead",
	}
	ruleKit = rule{
		"test kits are imported by tests, by other kits and by the tools below local/, never by what is shipped",
		"move what the program needs out of the kit",
	}
)

// violation is one import, or one file, against a rule.
type violation struct {
	file, imported string
	rule           rule
}

func (v violation) String() string {
	what := v.file
	if v.imported != "" {
		what += " imports " + v.imported
	}
	return fmt.Sprintf("%s\n\trule: %s\n\tmend: %s", what, v.rule.says, v.rule.mend)
}

// place is where a file stands in the architecture.
type place struct {
	dir   string // "." is the root
	owner string // the key of arrows that governs it; empty for mains and unknown folders
	test  bool   // a _test.go file
	kit   bool   // of a test kit
	main  bool   // of a main: exempt from the arrows
	tool  bool   // of a main that is not shipped: local/demo, local/bench
}

func placeOf(file string) place {
	p := placeOfPackage(path.Dir(file))
	p.test = strings.HasSuffix(file, "_test.go")
	return p
}

func placeOfPackage(dir string) place {
	parts := strings.Split(dir, "/")
	p := place{dir: dir, kit: isKit(dir)}
	switch {
	case parts[0] == "local":
		p.main, p.tool = true, len(parts) > 1
	case parts[0] == "functions" && len(parts) > 2 && parts[2] == "lambda":
		p.main = true
	case parts[0] == "functions" && len(parts) > 1:
		p.owner = strings.Join(parts[:2], "/")
	case parts[0] == "shared":
		p.owner = longestOwner(dir)
	}
	return p
}

func isKit(dir string) bool {
	for _, kit := range kits {
		if within(dir, kit) {
			return true
		}
	}
	return slices.ContainsFunc(strings.Split(dir, "/"), func(part string) bool { return strings.HasSuffix(part, "test") })
}

func longestOwner(dir string) string {
	owner := ""
	for candidate := range arrows {
		if within(dir, candidate) && len(candidate) > len(owner) {
			owner = candidate
		}
	}
	return owner
}

// within tells whether a path is a folder or lies below it.
func within(dir, folder string) bool {
	return dir == folder || strings.HasPrefix(dir, folder+"/")
}

// violations checks a module, given as its files with what each imports.
func violations(module string, files map[string][]string) []violation {
	var found []violation
	for _, file := range slices.Sorted(maps.Keys(files)) {
		from := placeOf(file)
		if broken := misplaced(from); broken != nil {
			found = append(found, violation{file: file, rule: *broken})
			continue
		}
		for _, imported := range files[file] {
			if broken := brokenBy(module, from, imported); broken != nil {
				found = append(found, violation{file, imported, *broken})
			}
		}
	}
	return found
}

func misplaced(p place) *rule {
	switch {
	case p.dir == ".":
		return &ruleRoot
	case p.dir == "shared" || p.dir == "functions":
		return &ruleLoose
	case p.owner == "" && !p.main && !p.kit:
		return &ruleUnknown
	}
	return nil
}

func brokenBy(module string, from place, imported string) *rule {
	if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
		return brokenByOurs(from, placeOfPackage(ours))
	}
	inTests := from.test || from.kit
	switch {
	case within(imported, "github.com/docker/docker") && (!within(from.dir, "shared/docker") || within(from.dir, "shared/docker/socketproxy")):
		return &ruleDocker
	case within(imported, "modernc.org/sqlite") && !within(from.dir, "shared/store/sqlite"):
		return &ruleSQLite
	case within(imported, "github.com/stretchr/testify") && !inTests:
		return &ruleTestify
	case slices.Contains(standardOnly, from.owner) && !inTests && !standard(imported):
		return &ruleStandard
	}
	return nil
}

// standard tells an import path of the standard library: it has no dot in its
// first part.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

func brokenByOurs(from, to place) *rule {
	function := strings.HasPrefix(from.owner, "functions/")
	local := within(from.dir, "local")
	switch {
	case function && strings.HasPrefix(to.dir, "functions/") && !within(to.dir, from.owner):
		return &ruleFunctions
	case from.test || from.kit:
		return nil
	case to.kit && !from.tool:
		return &ruleKit
	case local:
		return nil
	case slices.Contains(standardOnly, from.owner) && !within(to.dir, from.owner):
		return &ruleStandard
	case from.main && (within(to.dir, "local") || within(to.owner, "shared/docker") || to.owner == "shared/store/sqlite"):
		return &ruleLocalOnly
	case from.main, within(to.dir, from.owner) && to.owner == from.owner:
		return nil
	case !slices.ContainsFunc(allowed(from.owner), func(target string) bool { return to.owner == target }):
		return &ruleArrow
	}
	return nil
}

func allowed(owner string) []string {
	if targets, ok := arrows[owner]; ok {
		return targets
	}
	return arrows[path.Dir(owner)]
}

// source is what the tests below read of a Go file.
type source struct {
	imports    []string
	documented bool // has a package comment
}

// parseModule reads all Go files of the module around the working directory.
func parseModule(t *testing.T) (module string, files map[string]source) {
	t.Helper()
	root, err := os.Getwd()
	require.NoError(t, err)
	for !exists(filepath.Join(root, "go.mod")) {
		require.NotEqual(t, filepath.Dir(root), root, "no go.mod above the test")
		root = filepath.Dir(root)
	}
	files = map[string]source{}
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && skipped(d.Name()):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return fmt.Errorf("parse %s: %w", name, err)
		}
		relative, err := filepath.Rel(root, name)
		files[filepath.ToSlash(relative)] = sourceOf(file)
		return err
	}))
	return moduleName(t, root), files
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// skipped are the folders that the go command does not build either.
func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "vendor"
}

func moduleName(t *testing.T, root string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	for line := range strings.Lines(string(content)) {
		if name, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(name)
		}
	}
	t.Fatal("go.mod names no module")
	return ""
}

func sourceOf(file *ast.File) source {
	s := source{documented: strings.TrimSpace(file.Doc.Text()) != ""}
	for _, spec := range file.Imports {
		s.imports = append(s.imports, strings.Trim(spec.Path.Value, "\"`"))
	}
	return s
}

// undocumented are the packages without a package comment. A folder that holds
// tests only is none.
func undocumented(files map[string]source) []string {
	documented := map[string]bool{}
	for file, s := range files {
		if !strings.HasSuffix(file, "_test.go") {
			documented[path.Dir(file)] = documented[path.Dir(file)] || s.documented
		}
	}
	var missing []string
	for dir, has := range documented {
		if !has {
			missing = append(missing, dir)
		}
	}
	return slices.Sorted(slices.Values(missing))
}

func TestImportsPointOneWay(t *testing.T) {
	module, parsed := parseModule(t)
	require.NotEmpty(t, parsed["shared/alerting/alert.go"].imports, "the test must see the sources")
	files := map[string][]string{}
	for file, s := range parsed {
		files[file] = s.imports
	}
	for _, v := range violations(module, files) {
		t.Error(v)
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	_, files := parseModule(t)
	for _, dir := range undocumented(files) {
		t.Errorf("%s has no package comment\n\trule: every package says what it is for\n\tmend: write `// Package …` above the package clause of one of its files", dir)
	}
}
