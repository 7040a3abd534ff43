package alerting

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatARobotDoesAfterEachVerdict(t *testing.T) {
	for class, c := range map[VerdictClass]struct {
		wait     time.Duration
		failures int
		broken   bool
	}{
		ClassOK:        {0, 0, false},
		ClassBadWords:  {0, 0, false},
		ClassTooLong:   {0, 0, false},
		ClassBusy:      {4 * time.Second, 3, true},
		ClassRateLimit: {time.Minute, 3, true},
		ClassRobotGone: {10 * time.Minute, 3, true},
	} {
		r := Robot{Failures: 2, Broken: true, PausedUntil: noon, PauseReason: Reason{Code: "robot_busy"}}
		after := r.AfterVerdict(Verdict{Class: class, Error: "e"}, noon, 0)
		assert.Equal(t, c.failures, after.Failures, class)
		assert.Equal(t, c.broken, after.Broken, class)
		if c.wait == 0 {
			assert.True(t, after.PausedUntil.IsZero() && after.PauseReason.IsZero(), class)
			continue
		}
		assert.Equal(t, noon.Add(c.wait), after.PausedUntil, class)
		assert.Equal(t, "robot_"+string(class), after.PauseReason.Code)
	}
	assert.False(t, Robot{}.AfterVerdict(Verdict{Class: ClassBusy}, noon, 0).Broken)
	assert.True(t, Robot{}.AfterVerdict(Verdict{Class: ClassRobotGone}, noon, 0).Broken)
}

func TestARobotsRestDoublesUpToAMinuteAndNeverEnds(t *testing.T) {
	previous := time.Duration(0)
	r := Robot{}
	for i := range 100 {
		r = r.AfterVerdict(Verdict{Class: ClassBusy}, noon, 0)
		rest := r.PausedUntil.Sub(noon)
		require.GreaterOrEqual(t, rest, previous, "failure %d", i)
		require.LessOrEqual(t, rest, time.Minute)
		require.GreaterOrEqual(t, rest, time.Second)
		previous = rest
	}
	require.Equal(t, time.Minute, previous)
	for _, jitter := range []float64{0, 0.5, 0.999} {
		limited := Robot{}.AfterVerdict(Verdict{Class: ClassRateLimit}, noon, jitter)
		require.GreaterOrEqual(t, limited.PausedUntil.Sub(noon), time.Minute, "45009 pauses a minute at least")
		busy := Robot{}.AfterVerdict(Verdict{Class: ClassBusy}, noon, jitter)
		require.GreaterOrEqual(t, busy.PausedUntil.Sub(noon), 500*time.Millisecond)
	}
}

func TestWhatBecomesOfAWordAfterEachVerdict(t *testing.T) {
	for class, want := range map[VerdictClass]NotificationStatus{
		ClassOK: Sent, ClassBadWords: Dead, ClassBusy: Pending, ClassRateLimit: Pending, ClassRobotGone: Pending,
	} {
		after := Notification{Status: Pending, NextAt: noon}.AfterVerdict(Verdict{Class: class, Error: "e"}, noon)
		assert.Equal(t, want, after.Status, class)
		assert.Equal(t, 1, after.Attempts)
		assert.Equal(t, want != Pending, !after.SettledAt.IsZero(), class)
		assert.Equal(t, noon, after.NextAt)
		assert.Equal(t, class == ClassOK, after.Reason.IsZero(), class)
	}
	word := Notification{Status: Pending}
	for range 4 {
		word = word.AfterVerdict(Verdict{Class: ClassBusy}, noon)
		assert.False(t, word.NextAt.After(noon))
	}
	word = word.AfterVerdict(Verdict{Class: ClassBusy}, noon)
	assert.Equal(t, noon.Add(time.Minute), word.NextAt, "it steps aside")
}

// Only what people may have seen already is repeated rarely: a word that was
// refused, however often, was never shown.
func TestOnlyWhatMayHaveBeenSeenIsRepeatedRarely(t *testing.T) {
	limited := Verdict{Status: Refused, Class: ClassRateLimit}
	busy := Verdict{Status: Refused, Class: ClassBusy}
	cut := Verdict{Status: Unknown, Class: ClassBusy}
	for name, c := range map[string]struct {
		verdicts []Verdict
		aside    time.Duration
	}{
		"over the rate, busy, cut":    {[]Verdict{limited, busy, cut}, 0},
		"cut twice":                   {[]Verdict{cut, limited, busy, cut}, 0},
		"busy for long, and then cut": {[]Verdict{busy, busy, busy, busy, busy, busy, cut}, 3 * time.Minute},
		"busy for a day":              {slices.Repeat([]Verdict{busy}, 60), 10 * time.Minute},
		"cut three times":             {[]Verdict{cut, busy, cut, limited, cut}, 10 * time.Minute},
		"cut five times":              {[]Verdict{cut, cut, cut, cut, cut}, 30 * time.Minute},
		"cut again and again":         {[]Verdict{cut, cut, cut, cut, cut, cut, cut, cut, cut, cut}, time.Hour},
	} {
		for how, after := range map[string]func(Notification, Verdict, time.Time) Notification{"alone": Notification.AfterVerdict, "in a digest": Notification.AfterDigest} {
			word := Notification{Status: Pending}
			for _, v := range c.verdicts {
				word.NextAt = noon
				word = after(word, v, noon)
			}
			assert.Equal(t, c.aside, word.NextAt.Sub(noon), "%s, %s", name, how)
		}
	}
}

func TestWants(t *testing.T) {
	for types, wanted := range map[string][]string{
		"":                                   {"A", ContainerDown, "CONTAINER_OOM"},
		" , ，":                               {"A", ContainerDown},
		"A":                                  {"A"},
		"a ，  container_down ":               {"A", ContainerDown, "CONTAINER_OOM", "CONTAINER_UNHEALTHY", "CONTAINER_RESTARTING"},
		"CONTAINER_OOM":                      {"CONTAINER_OOM"},
		"TICKER_SYNC_TIMEOUT,CONTAINER_DOWN": {TickerSyncTimeout, ContainerDown, "CONTAINER_OOM", "CONTAINER_UNHEALTHY", "CONTAINER_RESTARTING"},
		"TICKER_SYNC_TIMEOUT;A、CONTAINER_OOM\n": {TickerSyncTimeout, "A", "CONTAINER_OOM"},
	} {
		for _, alertType := range []string{"A", TickerSyncTimeout, ContainerDown, "CONTAINER_OOM", "CONTAINER_UNHEALTHY", "CONTAINER_RESTARTING"} {
			want := false
			for _, w := range wanted {
				want = want || w == alertType
			}
			if types == "" || strings.Trim(types, " ,，") == "" {
				want = true
			}
			assert.Equal(t, want, Group{AlertTypes: types}.Wants(alertType), "%q of %q", alertType, types)
		}
	}
}

func TestAudience(t *testing.T) {
	const fallback = Secret("https://example.com/send?key=fallback")
	group := func(name, key, types string, enabled bool) Group {
		return Group{Name: name, Webhook: Secret("https://example.com/send?key=" + key), AlertTypes: types, Enabled: enabled}
	}
	for name, c := range map[string]struct {
		groups   []Group
		fallback Secret
		want     []string
	}{
		"nothing configured":                     {nil, "", nil},
		"only the fallback":                      {nil, fallback, []string{"WECHAT_WEBHOOK_URL"}},
		"a placeholder is not configured":        {[]Group{group("g", "YOUR_KEY_HERE", "", true)}, "https://example.com/send?key=", nil},
		"a group that wants it":                  {[]Group{group("g", "1", "A", true)}, fallback, []string{"g"}},
		"none wants it":                          {[]Group{group("g", "1", "B", true)}, fallback, []string{"WECHAT_WEBHOOK_URL"}},
		"one robot in two groups is told once":   {[]Group{group("g", "1", "", true), group("h", "1", "", true)}, fallback, []string{"g"}},
		"the first of them does not want it":     {[]Group{group("g", "1", "B", true), group("h", "1", "", true)}, fallback, []string{"h"}},
		"a disabled row":                         {[]Group{group("g", "1", "", false)}, fallback, []string{"WECHAT_WEBHOOK_URL"}},
		"a disabled row with the fallback's key": {[]Group{group("g", "fallback", "", false)}, fallback, nil},
	} {
		var got []string
		for _, g := range Audience(c.groups, c.fallback, "A") {
			got = append(got, g.Name)
		}
		assert.Equal(t, c.want, got, name)
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	s := Secret("hunter2")
	text, err := json.Marshal(map[string]any{"s": s, "g": Group{Webhook: s}})
	require.NoError(t, err)
	for _, printed := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), fmt.Sprintf("%+v %#v", Group{Webhook: s}, Group{Webhook: s}), string(text), RobotID(s)} {
		assert.NotContains(t, printed, "hunter2")
	}
	assert.Equal(t, "hunter2", s.Reveal())
	assert.NotEqual(t, RobotID(s), RobotID("hunter3"))
	assert.Equal(t, RobotID(s), RobotID(" hunter2 "))
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration][2]string{
		0:                            {"0秒", "0s"},
		400 * time.Millisecond:       {"0秒", "0s"},
		59600 * time.Millisecond:     {"1分钟", "1m"},
		30 * time.Second:             {"30秒", "30s"},
		3 * time.Minute:              {"3分钟", "3m"},
		90 * time.Second:             {"1分30秒", "1m30s"},
		time.Hour:                    {"1小时", "1h"},
		90 * time.Minute:             {"1小时30分", "1h30m"},
		26*time.Hour + 5*time.Second: {"26小时", "26h"},
		time.Hour + 59*time.Minute + 59*time.Second: {"1小时59分", "1h59m"},
	} {
		assert.Equal(t, want[0], Chinese.Duration(d), d)
		assert.Equal(t, want[1], English.Duration(d), d)
	}
}

func TestReasonText(t *testing.T) {
	cooling := Reason{Code: "cooldown", Until: noon.Add(90 * time.Second)}
	assert.Equal(t, "冷却中，还剩 1分30秒", cooling.Text(Chinese, noon))
	assert.Equal(t, "cooling down, 1m30s left", cooling.Text(English, noon))
	assert.Equal(t, "cooling down, 0s left", cooling.Text(English, noon.Add(time.Hour)))
	assert.Empty(t, Reason{}.Text(Chinese, noon))
	assert.Equal(t, "from_the_future x", Reason{Code: "from_the_future", Detail: "x"}.Text(Chinese, noon), "an older program reads a newer record")
	underWay := Reason{Code: "under_way", Detail: "c"}
	assert.Equal(t, "c is being put right already: wait until that is over", underWay.Text(English, noon), "no made-up time")
	underWay.Until = noon.Add(time.Minute)
	assert.Equal(t, "对 c 的处置正在进行，1分钟内不再重启", underWay.Text(Chinese, noon))
	hostile := Reason{Code: "told", Detail: "{left} {}"}
	assert.Equal(t, "told: {left} {}", hostile.Text(English, noon), "a detail is not a template")
}

func TestEveryReasonHasWordsInBothLanguages(t *testing.T) {
	for code, words := range reasonWords {
		assert.NotEmpty(t, words[0], code)
		assert.NotEmpty(t, words[1], code)
		assert.Equal(t, strings.Count(words[0], "{}"), strings.Count(words[1], "{}"), code)
		assert.LessOrEqual(t, len(code), 40, "the width of its column")
	}
	for code, words := range endless {
		require.Contains(t, reasonWords, code)
		assert.Equal(t, strings.Count(words[0], "{}"), strings.Count(words[1], "{}"), code)
		assert.NotContains(t, words[0]+words[1], "{left}", code)
	}
	for _, class := range []VerdictClass{ClassBusy, ClassRateLimit, ClassRobotGone} {
		assert.Contains(t, reasonWords, "robot_"+string(class))
	}
	used := codesInCode(t, "../..")
	require.Greater(t, len(used), 30)
	for code, where := range used {
		assert.Contains(t, reasonWords, code, "used at %s", where)
	}
}

// codesInCode are the constant codes of all Reason literals of the module.
func codesInCode(t *testing.T, root string) map[string]string {
	t.Helper()
	used := map[string]string{}
	files := token.NewFileSet()
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test/") {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok || !isReason(literal.Type) {
				return true
			}
			for _, element := range literal.Elts {
				pair, ok := element.(*ast.KeyValueExpr)
				if !ok || pair.Key.(*ast.Ident).Name != "Code" {
					continue
				}
				if value, ok := pair.Value.(*ast.BasicLit); ok {
					code, _ := strconv.Unquote(value.Value)
					used[code] = files.Position(value.Pos()).String()
				}
			}
			return true
		})
		return nil
	}))
	return used
}

func isReason(typ ast.Expr) bool {
	switch t := typ.(type) {
	case *ast.Ident:
		return t.Name == "Reason"
	case *ast.SelectorExpr:
		return t.Sel.Name == "Reason"
	}
	return false
}
