package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestEachRuleCatchesWhatItForbids holds the checker to made-up files: one that
// nobody broke yet could have stopped working unseen.
func TestEachRuleCatchesWhatItForbids(t *testing.T) {
	const (
		alerting = "m/shared/alerting"
		client   = "github.com/docker/docker/client"
		testify  = "github.com/stretchr/testify/require"
	)
	for _, c := range []struct {
		file, imported string
		want           *rule // nil: allowed
	}{
		// Places.
		{"main.go", "fmt", &ruleRoot}, {"root_test.go", "fmt", &ruleRoot},
		{"shared/util.go", "fmt", &ruleLoose}, {"functions/all.go", "fmt", &ruleLoose},
		{"shared/common/x.go", "fmt", &ruleUnknown}, {"pkg/x.go", "fmt", &ruleUnknown}, {"shared/common/x_test.go", "fmt", &ruleUnknown},
		{"scripts/x.go", "fmt", &ruleUnknown}, {"shared/storage/x.go", "fmt", &ruleUnknown},
		{"local/main.go", "fmt", nil}, {"functions/deliver/lambda/main.go", "fmt", nil}, {"shared/store/storetest/x.go", "fmt", nil},

		// The domain, and what others embed.
		{"shared/alerting/x.go", "encoding/json", nil}, {"shared/alerting/x.go", "golang.org/x/sync/errgroup", &ruleStandard},
		{"shared/alerting/x.go", "m/shared/httpapi", &ruleStandard}, {"shared/alerting/x_test.go", testify, nil}, {"shared/alerting/x_test.go", alerting, nil},
		{"shared/watchdog/x.go", alerting, &ruleStandard}, {"shared/watchdog/x.go", "github.com/google/uuid", &ruleStandard},

		// Functions.
		{"functions/notify/x.go", alerting, nil}, {"functions/notify/x.go", "m/shared/httpapi", nil}, {"functions/notify/sub/x.go", alerting, nil},
		{"functions/notify/x.go", "m/functions/notify/sub", nil},
		{"functions/notify/x.go", "m/shared/console", &ruleArrow}, {"functions/alerts/x.go", "m/shared/console", nil},
		{"functions/notify/x.go", "m/shared/store", &ruleArrow}, {"functions/handle/x.go", "m/shared/store/mysql", &ruleArrow},
		{"functions/handle/x.go", "m/shared/docker", &ruleArrow}, {"functions/handle/x.go", "m/shared/config", &ruleArrow}, {"functions/handle/x.go", "m/local/x", &ruleArrow},
		{"functions/handle/x.go", "m/functions/notify", &ruleFunctions}, {"functions/handle/x_test.go", "m/functions/notify", &ruleFunctions},
		{"functions/handle/x_test.go", "m/shared/store/sqlite", nil},

		// Adapters.
		{"shared/audit/x.go", alerting, nil}, {"shared/audit/x.go", "m/shared/store", &ruleArrow}, {"shared/audit/x_test.go", "m/shared/store/sqlite", nil},
		{"shared/delivery/x.go", alerting, nil}, {"shared/delivery/x.go", "m/shared/wecom", &ruleArrow}, {"shared/delivery/x.go", "m/shared/store", &ruleArrow},
		{"shared/remedy/x.go", "m/shared/docker", &ruleArrow}, {"shared/watch/x.go", "m/shared/docker", &ruleArrow}, {"shared/watch/x.go", "m/shared/watchdog", &ruleArrow},
		{"shared/wecom/x.go", "m/shared/config", &ruleArrow}, {"shared/docker/x.go", "m/shared/remedy", &ruleArrow}, {"shared/config/x.go", "m/shared/httpapi", &ruleArrow},
		{"shared/docker/socketproxy/x.go", "m/shared/docker", nil}, {"shared/docker/socketproxy/x.go", alerting, nil}, {"shared/docker/socketproxy/x.go", client, &ruleDocker},
		{"shared/docker/socketproxy/x.go", "m/shared/config", &ruleArrow}, {"shared/docker/x.go", "m/shared/docker/socketproxy", &ruleArrow}, {"local/main.go", "m/shared/docker/socketproxy", nil},
		{"shared/store/x.go", "m/shared/store/mysql", &ruleArrow}, {"shared/store/mysql/x.go", "m/shared/store", nil}, {"shared/store/mysql/x.go", alerting, nil},
		{"shared/store/mysql/x.go", "m/shared/store/sqlite", &ruleArrow}, {"shared/store/sqlite/x.go", "m/shared/store", nil},
		{"shared/store/x.go", "m/functions/notify", &ruleArrow}, {"shared/httpapi/x.go", "m/shared/store", &ruleArrow},
		{"shared/lambdahttp/x.go", "m/shared/httpapi", nil}, {"shared/lambdahttp/x.go", alerting, &ruleArrow}, {"shared/console/x.go", alerting, &ruleArrow},
		{"shared/delivery/x_test.go", "m/shared/store/sqlite", nil}, {"shared/delivery/x_test.go", "m/shared/wecom/wecomtest", nil},

		// Mains.
		{"local/main.go", "m/shared/docker", nil}, {"local/main.go", "m/shared/store/sqlite", nil}, {"local/main.go", "m/functions/notify", nil},
		{"functions/notify/lambda/main.go", "m/functions/notify", nil}, {"functions/notify/lambda/main.go", "m/shared/store/mysql", nil},
		{"functions/notify/lambda/main.go", "m/shared/store/sqlite", &ruleLocalOnly}, {"functions/deliver/lambda/main.go", "m/shared/docker", &ruleLocalOnly},
		{"functions/deliver/lambda/main.go", "m/local/x", &ruleLocalOnly}, {"functions/deliver/lambda/main.go", "m/shared/docker/socketproxy", &ruleLocalOnly},

		// Libraries with one home.
		{"shared/docker/x.go", client, nil}, {"shared/docker/dockertest/x.go", client, nil}, {"shared/docker/x_test.go", client, nil},
		{"local/main.go", client, &ruleDocker}, {"shared/remedy/x_test.go", "github.com/docker/docker", &ruleDocker},
		{"shared/watch/x.go", "github.com/docker/docker/api/types/events", &ruleDocker}, {"shared/watch/x.go", "github.com/docker/dockerish", nil},
		{"shared/store/sqlite/x.go", "modernc.org/sqlite", nil}, {"shared/store/x.go", "modernc.org/sqlite/lib", &ruleSQLite},
		{"local/main.go", "modernc.org/sqlite", &ruleSQLite}, {"shared/store/storetest/x.go", "modernc.org/sqlite", &ruleSQLite},

		// Tests and kits.
		{"shared/store/x.go", testify, &ruleTestify}, {"local/main.go", testify, &ruleTestify}, {"local/demo/x.go", testify, &ruleTestify},
		{"shared/store/storetest/x.go", testify, nil}, {"shared/docker/dockertest/service/main.go", testify, nil},
		{"shared/delivery/x.go", "m/shared/wecom/wecomtest", &ruleKit}, {"local/main.go", "m/shared/docker/dockertest", &ruleKit},
		{"functions/notify/lambda/main.go", "m/shared/store/storetest", &ruleKit}, {"shared/httpapi/x.go", "m/shared/httpapi/contract", &ruleKit},
		{"local/demo/main.go", "m/shared/wecom/wecomtest", nil}, {"local/acceptance_test.go", "m/shared/docker/dockertest", nil},
		{"shared/httpapi/contract/x.go", "m/shared/httpapi", nil}, {"shared/store/storetest/x.go", "m/shared/store/sqlite", nil},
	} {
		found := violations("m", map[string][]string{c.file: {c.imported}})
		if c.want == nil {
			assert.Empty(t, found, "%s may import %s", c.file, c.imported)
			continue
		}
		if assert.Len(t, found, 1, "%s must not import %s", c.file, c.imported) {
			assert.Equal(t, *c.want, found[0].rule, "%s imports %s", c.file, c.imported)
		}
	}
}

func TestAViolationSaysTheRuleAndTheMend(t *testing.T) {
	found := violations("m", map[string][]string{"local/x.go": {"fmt", "modernc.org/sqlite"}, "x.go": {"fmt", "os"}})
	assert.Len(t, found, 2, "a misplaced file is one violation, whatever it imports")
	assert.Equal(t, "local/x.go imports modernc.org/sqlite\n"+
		"\trule: modernc.org/sqlite is imported in shared/store/sqlite only\n"+
		"\tmend: open the database by shared/store/sqlite", found[0].String())
	assert.Contains(t, found[1].String(), "x.go\n\trule: no .go file in the repository root")
}

func TestAPackageWithoutACommentIsFound(t *testing.T) {
	assert.Equal(t, []string{"a", "c"}, undocumented(map[string]source{
		"a/a.go": {}, "a/b.go": {}, "a/a_test.go": {documented: true},
		"b/a.go": {}, "b/doc.go": {documented: true},
		"c/a.go":      {},
		"d/a_test.go": {},
	}))
}
