package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"trade-monitor/shared/alerting"
)

// Scope is what a caller may do.
type Scope string

const (
	// Public needs no scope.
	Public Scope = ""
	// Read: look at alerts and groups.
	Read Scope = "read"
	// Notify: post events.
	Notify Scope = "notify"
	// Operate: handle, acknowledge, resolve.
	Operate Scope = "operate"
)

// Scopes lists all that a token can carry.
var Scopes = []Scope{Read, Notify, Operate}

// Anonymous is the caller without a token.
const Anonymous = "anonymous"

// Token is one caller's credential.
type Token struct {
	Name   string
	Scopes []string
	Secret alerting.Secret
}

// Auth knows callers by their tokens. It keeps hashes only.
type Auth struct {
	tokens    []knownToken
	anonymous []Scope
}

type knownToken struct {
	name   string
	scopes []Scope
	hash   [sha256.Size]byte
}

// NewAuth checks and takes the tokens, of Token or of a type that is like it.
// anonymous are the scopes without a token, as given: none when empty.
func NewAuth[T ~struct {
	Name   string
	Scopes []string
	Secret alerting.Secret
}](tokens []T, anonymous []string) (*Auth, error) {
	var problems []error
	auth := &Auth{}
	for i, given := range tokens {
		t := Token(given)
		scopes, err := parseScopes(t.Scopes)
		switch {
		case t.Name == "" || t.Name == Anonymous:
			err = fmt.Errorf("token %d: needs a name other than %q", i+1, Anonymous)
		case t.Secret == "":
			err = fmt.Errorf("token %q: empty secret", t.Name)
		case slices.ContainsFunc(auth.tokens, func(k knownToken) bool { return k.name == t.Name }):
			err = fmt.Errorf("token %q: named twice", t.Name)
		case err != nil:
			err = fmt.Errorf("token %q: %w", t.Name, err)
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		auth.tokens = append(auth.tokens, knownToken{t.Name, scopes, sha256.Sum256([]byte(t.Secret.Reveal()))})
	}
	scopes, err := parseScopes(anonymous)
	if err != nil {
		problems = append(problems, fmt.Errorf("anonymous: %w", err))
	}
	auth.anonymous = scopes
	return auth, errors.Join(problems...)
}

func parseScopes(words []string) ([]Scope, error) {
	var scopes []Scope
	for _, word := range words {
		scope := Scope(strings.ToLower(strings.TrimSpace(word)))
		if !slices.Contains(Scopes, scope) {
			return nil, fmt.Errorf("unknown scope %q (read, notify, operate)", word)
		}
		scopes = append(scopes, scope)
	}
	return scopes, nil
}

// admit names the caller, or refuses: 401 for one who is not known, 403 for one
// who is and may not, and is named all the same.
func (a *Auth) admit(r *http.Request, need Scope) (caller string, err error) {
	if need == Public {
		return Anonymous, nil
	}
	caller, scopes := Anonymous, a.anonymous
	if header := r.Header.Get("Authorization"); header != "" && len(a.tokens) > 0 {
		token, known := a.find(header)
		if !known {
			return "", unauthorized("令牌无效 (unknown token)")
		}
		caller, scopes = token.name, token.scopes
	}
	switch {
	case slices.Contains(scopes, need):
		return caller, nil
	case caller == Anonymous:
		return "", unauthorized("需要令牌：Authorization: Bearer <token> (a token is needed)")
	}
	return caller, &Error{
		Status: http.StatusForbidden, Code: "forbidden",
		Message: fmt.Sprintf("令牌 %s 没有 %s 权限 (the token lacks the scope %s)", caller, need, need),
	}
}

// find compares with every token in constant time, so that timing tells
// nothing about any of them.
func (a *Auth) find(header string) (knownToken, bool) {
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return knownToken{}, false
	}
	hash := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	found := -1
	for i := range a.tokens {
		if subtle.ConstantTimeCompare(hash[:], a.tokens[i].hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return knownToken{}, false
	}
	return a.tokens[found], true
}

func unauthorized(message string) error {
	return &Error{
		Status: http.StatusUnauthorized, Code: "unauthorized", Message: message,
		Header: [2]string{"WWW-Authenticate", `Bearer realm="trade-monitor"`},
	}
}
