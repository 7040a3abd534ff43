package mysql_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // the parser needs one for literals
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/store/storetest"
)

// The tests run on MariaDB, the users on MySQL 8.0 as often: whatever the store,
// the migrations and init.sql say must be MySQL's own language. A MySQL grammar
// parses every statement that really was sent, and a short list names what
// MariaDB takes and MySQL does not although a grammar may.
func TestStoreSpeaksMySQL(t *testing.T) {
	storetest.MariaDB(t).Listen(t)
	testStore(t)
	heard := storetest.MariaDB(t).Heard(t)
	require.Greater(t, len(heard), 1000, "the whole suite was heard")
	requireMySQL(t, heard)
}

func TestInitSQLIsMySQL(t *testing.T) {
	requireMySQL(t, []string{script(t, initSQL), script(t, guideSQL)})
}

// literal is a string or a number: statements that differ in nothing else are
// one.
var literal = regexp.MustCompile(`'(?:[^'\\]|\\.|'')*'|\b\d+\b`)

// onlyMariaDB is what MySQL 8.0 refuses, by its manual.
var onlyMariaDB = regexp.MustCompile(`(?i)\bRETURNING\b|\b(INDEX|COLUMN|KEY)\s+IF\s+(NOT\s+)?EXISTS\b|\bCREATE\s+OR\s+REPLACE\s+TABLE\b|\bPERSISTENT\b|\bSEQUENCE\b|\bNEXTVAL\b|\bPERIOD\s+FOR\b|\bSYSTEM\s+VERSIONING\b|\bUUID\s+NOT\b|\bINET6\b|\bMINUS\b|\bADD_MONTHS\b|\bIGNORED\b|\bFOR\s+PORTION\b|\bLIMIT\s+ROWS\s+EXAMINED\b|\bSET\s+STATEMENT\b|0900`)

func requireMySQL(t *testing.T, statements []string) {
	t.Helper()
	grammar := parser.New()
	grammar.SetParserConfig(parser.ParserConfig{EnableWindowFunction: true}) // their words are reserved since 8.0
	seen := map[string]bool{}
	for _, statement := range statements {
		shape := literal.ReplaceAllString(statement, "0")
		if seen[shape] {
			continue
		}
		seen[shape] = true
		assert.NotRegexp(t, onlyMariaDB, shape)
		_, _, err := grammar.Parse(strings.TrimSpace(statement), "", "")
		assert.NoError(t, err, "%.300s", statement)
	}
	t.Logf("%d statements of %d shapes", len(statements), len(seen))
}

func TestTheGrammarKnowsTheDifference(t *testing.T) {
	for _, foreign := range []string{
		"INSERT INTO a (b) VALUES (1) RETURNING id", "CREATE INDEX IF NOT EXISTS i ON a (b)", "ALTER TABLE a ADD COLUMN IF NOT EXISTS b INT",
	} {
		assert.Regexp(t, onlyMariaDB, foreign)
	}
	grammar := parser.New()
	grammar.SetParserConfig(parser.ParserConfig{EnableWindowFunction: true})
	for _, wrong := range []string{"SELECT rank FROM a", "SELECT b FROM a WHERE", "INSERT INTO groups (b) VALUES (1)", "SELECT id FROM a FETCH FIRST 1 ROWS ONLY WITH"} {
		_, _, err := grammar.Parse(wrong, "", "")
		assert.Error(t, err, wrong)
	}
}
