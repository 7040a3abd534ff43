package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/httpapi/contract"
)

// readmes are the two that say everything, in their languages.
var readmes = []string{"README.md", "README.zh-CN.md"}

// fromRoot reads a file of the repository.
func fromRoot(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", path))
	require.NoError(t, err)
	return string(text)
}

var environmentName = regexp.MustCompile("`env:\"([A-Z0-9_]+)(?:,default=([^\"]*))?\"`")

func TestBothReadmesNameEverySettingWithItsDefault(t *testing.T) {
	settings := environmentName.FindAllStringSubmatch(fromRoot(t, "shared/config/config.go"), -1)
	require.NotEmpty(t, settings, "the environment struct was found")
	for _, readme := range readmes {
		text := fromRoot(t, readme)
		for _, s := range settings {
			name, byDefault := s[1], s[2]
			require.Contains(t, text, "`"+name+"`", "%s must say what %s is for", readme, name)
			row := regexp.MustCompile("(?m)^\\| `" + name + "` \\| (.*?) ?\\|").FindStringSubmatch(text)
			if row != nil && byDefault != "" {
				require.Equal(t, byDefault, row[1], "%s: the default of %s", readme, name)
			}
		}
	}
}

func TestBothReadmesListEveryEndpoint(t *testing.T) {
	operations := contract.Load(t).Operations()
	require.NotEmpty(t, operations)
	for _, readme := range readmes {
		text := fromRoot(t, readme)
		for _, operation := range operations {
			require.Contains(t, text, "| `"+operation+"` |", "%s lists the endpoints of openapi.yaml", readme)
		}
	}
}

func TestBothReadmesListEveryMetricAndCommand(t *testing.T) {
	metrics := ourMetrics(t)
	for _, readme := range readmes {
		text := fromRoot(t, readme)
		for metric := range metrics {
			require.Contains(t, text, "| `"+metric+"` |", readme)
		}
		for _, c := range commands {
			require.Contains(t, text, "`"+c.name+"`", readme)
		}
	}
}

// The examples are in both languages' pages; they must not drift apart.
func TestBothReadmesShowTheSameExamples(t *testing.T) {
	example := regexp.MustCompile("(?s)```(?:json|python|java|go|sql|text)\n.*?```")
	english := example.FindAllString(fromRoot(t, readmes[0]), -1)
	require.NotEmpty(t, english)
	require.Equal(t, english, example.FindAllString(fromRoot(t, readmes[1]), -1))
}

var (
	markdownLink = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)
	quotedPath   = regexp.MustCompile("`((?:shared|functions|local|scripts|docs)/[A-Za-z0-9_./-]+)`")
)

// A page that points to a file which moved is worse than none.
func TestEveryPageLinksToWhatIsThere(t *testing.T) {
	pages := append([]string{"CHANGELOG.md", "CONTRIBUTING.md"}, readmes...)
	err := filepath.WalkDir("../docs", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			pages = append(pages, strings.TrimPrefix(filepath.ToSlash(path), "../"))
		}
		return err
	})
	require.NoError(t, err)
	for _, page := range pages {
		text := fromRoot(t, page)
		for _, link := range markdownLink.FindAllStringSubmatch(text, -1) {
			requireThere(t, page, filepath.Join("..", filepath.Dir(page), link[1]))
		}
		for _, path := range quotedPath.FindAllStringSubmatch(text, -1) {
			requireThere(t, page, filepath.Join("..", path[1]))
		}
	}
}

var (
	timeRule  = regexp.MustCompile("(?m)^\\| .* \\| `(shared/[a-z]+)` \\| (`Test.*`) \\|$")
	namedTest = regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
)

// Of every rule that goes by time CONTRIBUTING.md names a test, which is there,
// in a package that has bubbles.
func TestTheRulesThatGoByTimeHaveTheirTests(t *testing.T) {
	rows := timeRule.FindAllStringSubmatch(fromRoot(t, "CONTRIBUTING.md"), -1)
	require.Greater(t, len(rows), 15)
	for _, row := range rows {
		files, err := filepath.Glob(filepath.Join("..", row[1], "*_test.go"))
		require.NoError(t, err)
		var text strings.Builder
		bubbles := false
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			text.Write(source)
			bubbles = bubbles || strings.Contains(string(source), `"testing/synctest"`)
		}
		require.True(t, bubbles, "%s has no bubbles", row[1])
		for _, test := range namedTest.FindAllStringSubmatch(row[2], -1) {
			require.Contains(t, text.String(), "\nfunc "+test[1]+"(t *testing.T)", "CONTRIBUTING.md names it")
		}
	}
}

func requireThere(t *testing.T, page, path string) {
	t.Helper()
	_, err := os.Stat(path)
	require.NoError(t, err, "%s points to it", page)
}
