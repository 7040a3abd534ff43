package wecom

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"trade-monitor/shared/alerting"
)

const (
	hidden = "***"
	// maxError is how long a verdict's text may be, in characters.
	maxError = 240
	// minKey is the length from which a key is a credential that is masked
	// wherever it stands; a real one has 36 characters. A shorter one, in every
	// second word, would only make the text unreadable.
	minKey = 4
)

var (
	// keyParameter finds a key in whatever form a server may echo it.
	keyParameter = regexp.MustCompile(`(?i)(key(?:=|%3d|"?\s*:\s*"))[^\s&"'<>,;\])}]+`)
	// userInfo finds credentials of a proxy address.
	userInfo = regexp.MustCompile(`//\S+@`)
)

// mask takes the credentials of one webhook, and the middles of the numbers that
// a request called, out of a text.
type mask struct {
	secrets *regexp.Regexp
	mobiles []alerting.Mobile
}

func newMask(target *url.URL, mobiles ...alerting.Mobile) mask {
	// The whole query first: regexp prefers the earlier alternative.
	parts := []string{regexp.QuoteMeta(target.RawQuery)}
	for _, key := range target.Query()["key"] {
		if len(key) < minKey {
			continue
		}
		for _, form := range []string{key, url.QueryEscape(key), url.PathEscape(key)} {
			parts = append(parts, regexp.QuoteMeta(form))
		}
	}
	return mask{regexp.MustCompile("(?i)" + strings.Join(parts, "|")), mobiles}
}

// clean makes a text fit for the record: one readable line, no credential,
// bounded. Credentials go first, so that no cut can leave half of one.
func (m mask) clean(text string) string {
	if text == "" {
		return ""
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	text = m.secrets.ReplaceAllString(text, hidden)
	for _, number := range m.mobiles {
		text = strings.ReplaceAll(text, number.Reveal(), number.String())
	}
	text = keyParameter.ReplaceAllString(text, "${1}"+hidden)
	text = userInfo.ReplaceAllString(text, "//"+hidden+"@")
	return clip(text, maxError)
}

// clip cuts to at most n characters, the last one an ellipsis.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
