package config

import (
	"regexp"
	"slices"
	"strings"

	"trade-monitor/shared/alerting"
)

var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$`)

const (
	zhScopes = "权限只能是 read、notify、operate（用 + 连接）或 all"
	enScopes = "scopes are read, notify and operate, joined by +, or all"
)

func (p *problems) admitting(cfg *Config, env environment) {
	p.tokens(cfg, env.Tokens)
	switch {
	case env.Anonymous != "":
		cfg.AnonymousSet = true
		cfg.Anonymous = p.anonymous("API_ANONYMOUS", env.Anonymous)
	case len(cfg.Tokens) == 0:
		cfg.Anonymous = slices.Clone(Scopes)
	}
}

// tokens reads `name:scopes:secret` items. A secret may hold colons, never a
// comma; the items are counted as written, so that a problem names the right
// one.
func (p *problems) tokens(cfg *Config, value string) {
	if value == "" {
		return
	}
	names, secrets := map[string]bool{}, map[string]bool{}
	p.each("API_TOKENS", strings.Split(strings.TrimRight(value, ", "), ","), func(item string) bool {
		parts := strings.SplitN(strings.TrimSpace(item), ":", 3)
		if len(parts) != 3 {
			return false
		}
		name, secret := strings.TrimSpace(parts[0]), strings.TrimSpace(parts[2])
		granted, known := scopes(parts[1])
		ok := known && tokenName.MatchString(name) && secret != "" && !names[name] && !secrets[secret]
		names[name], secrets[secret] = true, true
		cfg.Tokens = append(cfg.Tokens, Token{Name: name, Scopes: granted, Secret: alerting.Secret(secret)})
		return ok
	},
		"格式为 名称:权限:密钥，名称和密钥不能重复；"+zhScopes,
		"write name:scopes:secret, each name and each secret once; "+enScopes)
}

// anonymous reads what callers without a token may do; "none" takes away what
// is the default while there are no tokens.
func (p *problems) anonymous(name, value string) []string {
	if strings.EqualFold(value, "none") {
		return nil
	}
	granted, known := scopes(value)
	if !known {
		p.add(name, zhScopes+"，或 none", enScopes+", or none")
	}
	return granted
}

// scopes reads scopes joined by +, or by commas where that is not the end of a
// token. known is false when a word is unknown or there is none.
func scopes(value string) (granted []string, known bool) {
	words := list(strings.ToLower(value), '+', ' ')
	if len(words) == 1 && words[0] == "all" {
		return slices.Clone(Scopes), true
	}
	for _, word := range words {
		if !slices.Contains(Scopes, word) {
			return nil, false
		}
	}
	return words, len(words) > 0
}
