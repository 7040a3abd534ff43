package alerting

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func posted(change func(*Posted)) Posted {
	p := Posted{
		EventType: TickerSyncTimeout, ServiceName: "aifuturetrade-async-service", Severity: "ERROR",
		Title: "Ticker同步超时告警", Message: "Ticker数据同步已超过3分钟未输出日志",
		Metadata: json.RawMessage(`{"lastSyncTime": "2026-02-25T10:00:00", "minutesSinceLastSync": 5}`),
	}
	if change != nil {
		change(&p)
	}
	return p
}

func TestTheGuidesEventIsTakenAsItIs(t *testing.T) {
	ev, err := Normalise(posted(nil))
	require.NoError(t, err)
	require.Equal(t, Event{
		Type: TickerSyncTimeout, Service: "aifuturetrade-async-service", Severity: Error,
		Title: "Ticker同步超时告警", Message: "Ticker数据同步已超过3分钟未输出日志",
		Metadata: json.RawMessage(`{"lastSyncTime":"2026-02-25T10:00:00","minutesSinceLastSync":5}`),
	}, ev)
}

func TestAnUntidyAlarmIsMendedNotRefused(t *testing.T) {
	for name, c := range map[string]struct {
		post  func(*Posted)
		check func(*testing.T, Event)
	}{
		"spaces and case": {
			func(p *Posted) {
				p.EventType, p.ServiceName, p.Severity = " ticker_sync_timeout\n", "\t api  gateway ", " Error "
			},
			func(t *testing.T, ev Event) {
				assert.Equal(t, TickerSyncTimeout, ev.Type)
				assert.Equal(t, "api gateway", ev.Service)
				assert.Equal(t, Error, ev.Severity)
				assert.Empty(t, ev.Notes)
			},
		},
		"an unknown severity is an error, with a note": {
			func(p *Posted) { p.Severity = "terrible " + strings.Repeat("x", 100) },
			func(t *testing.T, ev Event) {
				assert.Equal(t, Error, ev.Severity)
				require.Len(t, ev.Notes, 1)
				assert.Contains(t, ev.Notes[0], "terrible")
				assert.Less(t, len(ev.Notes[0]), 150)
			},
		},
		"invalid UTF-8": {
			func(p *Posted) { p.Title, p.Message = "a\xffb", "\xc3\x28" },
			func(t *testing.T, ev Event) {
				assert.Equal(t, "a\uFFFDb", ev.Title)
				assert.Equal(t, "\uFFFD(", ev.Message)
			},
		},
		"NUL and other control characters": {
			func(p *Posted) {
				p.Title, p.ServiceName, p.Message = "a\x00b\x1b[31mc\x7f", "a\x00", "line 1\r\nline 2\rline 3\x00\tend"
			},
			func(t *testing.T, ev Event) {
				assert.Equal(t, "ab[31mc", ev.Title)
				assert.Equal(t, "a", ev.Service)
				assert.Equal(t, "line 1\nline 2\nline 3\tend", ev.Message)
			},
		},
		"text that would be read backwards or not at all": {
			func(p *Posted) { p.Title, p.Message = "\u202Eevil\u2066 x\u200B\uFEFF", "a\u2060b\u200Fc" },
			func(t *testing.T, ev Event) {
				assert.Equal(t, "evil x", ev.Title)
				assert.Equal(t, "abc", ev.Message)
			},
		},
		"a title of several lines": {
			func(p *Posted) { p.Title = "one\ntwo\u2028three" },
			func(t *testing.T, ev Event) { assert.Equal(t, "one two three", ev.Title) },
		},
		"a title that is too long is cut and kept": {
			func(p *Posted) { p.Title = strings.Repeat("长", 201) },
			func(t *testing.T, ev Event) {
				assert.Equal(t, strings.Repeat("长", 199)+"…", ev.Title)
				assert.Equal(t, strings.Repeat("长", 201), ev.Original)
				assert.Len(t, ev.Notes, 1)
			},
		},
		"a title that just fits is not": {
			func(p *Posted) { p.Title = strings.Repeat("长", 200) },
			func(t *testing.T, ev Event) { assert.Empty(t, ev.Original); assert.Empty(t, ev.Notes) },
		},
		"a message that is too long is cut between characters": {
			func(p *Posted) { p.Message = strings.Repeat("长", 30_000) },
			func(t *testing.T, ev Event) {
				assert.LessOrEqual(t, len(ev.Message), MaxMessage)
				assert.Greater(t, len(ev.Message), MaxMessage-6)
				assert.True(t, utf8.ValidString(ev.Message))
				assert.True(t, strings.HasSuffix(ev.Message, "长…"))
				assert.Len(t, ev.Notes, 1)
			},
		},
		"metadata null": {
			func(p *Posted) { p.Metadata = json.RawMessage(" null ") },
			func(t *testing.T, ev Event) { assert.Nil(t, ev.Metadata) },
		},
		"metadata with invalid UTF-8": {
			func(p *Posted) { p.Metadata = json.RawMessage("{\"a\":\"\xff\"}") },
			func(t *testing.T, ev Event) { assert.Equal(t, "{\"a\":\"\uFFFD\"}", string(ev.Metadata)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			ev, err := Normalise(posted(c.post))
			require.NoError(t, err)
			c.check(t, ev)
		})
	}
}

func TestEveryProblemIsNamedAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		post   Posted
		fields []string
	}{
		"nothing at all":            {Posted{}, []string{"eventType", "serviceName", "severity", "title", "message"}},
		"only what nobody can read": {Posted{EventType: "\x00", ServiceName: "\u200B", Severity: " ", Title: "\u202E", Message: "\r\n"}, []string{"eventType", "serviceName", "severity", "title", "message"}},
		"too long":                  {posted(func(p *Posted) { p.EventType, p.ServiceName = strings.Repeat("T", 51), strings.Repeat("名", 101) }), []string{"eventType", "serviceName"}},
		"a status that is not ours": {posted(func(p *Posted) { p.Status = "MAYBE" }), []string{"status"}},
		"metadata is an array":      {posted(func(p *Posted) { p.Metadata = json.RawMessage("[1]") }), []string{"metadata"}},
		"metadata is a string":      {posted(func(p *Posted) { p.Metadata = json.RawMessage(`"x"`) }), []string{"metadata"}},
		"metadata is broken":        {posted(func(p *Posted) { p.Metadata = json.RawMessage(`{"a":`) }), []string{"metadata"}},
		"metadata goes on":          {posted(func(p *Posted) { p.Metadata = json.RawMessage(`{} {}`) }), []string{"metadata"}},
		"several of a kind":         {posted(func(p *Posted) { p.Status, p.Title, p.Metadata = "?", "", json.RawMessage("1") }), []string{"title", "status", "metadata"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Normalise(c.post)
			var invalid *InvalidError
			require.ErrorAs(t, err, &invalid)
			var fields []string
			for _, p := range invalid.Problems {
				fields = append(fields, p.Field)
				assert.Contains(t, err.Error(), p.Field+": "+p.Message)
			}
			assert.Equal(t, c.fields, fields)
		})
	}
}

func TestLimitsAreInclusive(t *testing.T) {
	_, err := Normalise(posted(func(p *Posted) { p.EventType, p.ServiceName = strings.Repeat("T", 50), strings.Repeat("名", 100) }))
	require.NoError(t, err)
}

func TestStatusWords(t *testing.T) {
	for word, resolved := range map[string]bool{"": false, "FIRING": false, "open": false, " resolved ": true, "RESOLVED": true, "ok": true} {
		ev, err := Normalise(posted(func(p *Posted) { p.Status = word }))
		require.NoError(t, err, word)
		assert.Equal(t, resolved, ev.Resolved, word)
	}
}

func TestSeveritySynonyms(t *testing.T) {
	for severity, words := range map[Severity]string{
		Info: "info INFO Information notice debug 信息", Warning: "warn Warning WARNING minor 警告",
		Error: "err ERROR error major 错误", Critical: "crit critical FATAL fatal panic emerg P0 p0 严重",
	} {
		for word := range strings.FieldsSeq(words) {
			got, known := ParseSeverity(" " + word + " ")
			assert.True(t, known, word)
			assert.Equal(t, severity, got, word)
		}
	}
	_, known := ParseSeverity("terrible")
	assert.False(t, known)
	for i, s := range Severities {
		assert.Equal(t, i, s.Rank())
	}
	assert.Zero(t, Severity("FATAL").Rank(), "a word that SQL by hand wrote raises nothing")
}

func FuzzNormalise(f *testing.F) {
	f.Add("TICKER_SYNC_TIMEOUT", "svc", "ERROR", "title", "message", `{"a":1}`, "")
	f.Add(" t\x00", "s\u202e", "warn", strings.Repeat("长", 300), strings.Repeat("x", 500), `{"\u0000":[{}]}`, "RESOLVED")
	f.Add("\xff", "\xff", "\xff", "\xff", "\xff", "{\"\xff\":\"\xff\"}", "\xff")
	f.Add("ß", "ŉ", "P0", "\u2028", "\r\r\n", "null", "ok")
	f.Fuzz(func(t *testing.T, eventType, service, severity, title, message, metadata, status string) {
		ev, err := Normalise(Posted{eventType, service, severity, title, message, json.RawMessage(metadata), status})
		if err != nil {
			var invalid *InvalidError
			if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
				t.Fatalf("an error that names nothing: %v", err)
			}
			return
		}
		requireStorable(t, ev)
		again, err := Normalise(Posted{ev.Type, ev.Service, string(ev.Severity), ev.Title, ev.Message, ev.Metadata, status})
		require.NoError(t, err)
		again.Original, again.Notes = ev.Original, ev.Notes
		require.Equal(t, ev, again, "what is tidy stays as it is")
	})
}

// requireStorable checks that an event fits its columns and shows as what it is.
func requireStorable(t *testing.T, ev Event) {
	t.Helper()
	for name, c := range map[string]struct {
		text  string
		limit int
	}{"type": {ev.Type, MaxType}, "service": {ev.Service, MaxService}, "title": {ev.Title, MaxTitle}, "message": {ev.Message, MaxMessage}} {
		require.NotEmpty(t, c.text, name)
		require.True(t, utf8.ValidString(c.text), name)
		require.LessOrEqual(t, utf8.RuneCountInString(c.text), c.limit, name)
		for _, r := range c.text {
			lines := name == "message" && (r == '\n' || r == '\t')
			require.False(t, !lines && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)), "%s holds %U", name, r)
		}
	}
	require.LessOrEqual(t, len(ev.Message), MaxMessage)
	require.Contains(t, Severities, ev.Severity)
	if ev.Metadata != nil {
		require.True(t, json.Valid(ev.Metadata))
		require.True(t, utf8.Valid(ev.Metadata))
		require.Equal(t, byte('{'), ev.Metadata[0])
	}
}
