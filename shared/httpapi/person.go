package httpapi

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Person is who asks for what only people do. The body may be left out, or name
// the person: {"by":"张三"}.
func Person(r *http.Request) (string, error) {
	var body struct {
		By string `json:"by"`
	}
	if err := ReadOptionalJSON(r, &body); err != nil {
		return "", err
	}
	return person("by", body.By, Caller(r.Context()))
}

// Author is who wrote what goes on record: the name that the field of the body
// says, beside the token's. Without either there is none, and that is for the
// caller to refuse.
func Author(r *http.Request, field, said string) (string, error) {
	caller := Caller(r.Context())
	if caller == Anonymous && strings.TrimSpace(said) == "" {
		return "", nil
	}
	return person(field, said, caller)
}

// PersonOr is Person for a body that says more than who: said is its field.
func PersonOr(r *http.Request, said string) (string, error) {
	return person("by", said, Caller(r.Context()))
}

const maxPerson = 50

// person is the name that goes on record and into messages: what the request
// says, with the token's name beside it, since anybody may say any name.
func person(field, said, caller string) (string, error) {
	said = strings.TrimSpace(said)
	if said == "" {
		return caller, nil
	}
	if utf8.RuneCountInString(said) > maxPerson || strings.ContainsFunc(said, notInNames) {
		return "", Invalid(field, "最多 50 个字，只能含文字、数字、空格和 . _ - ' · (at most 50 letters, digits, spaces and these)")
	}
	if caller == Anonymous {
		return said, nil
	}
	return said + " (" + caller + ")", nil
}

// notInNames refuses what could mention people or forge a link in a message.
func notInNames(r rune) bool {
	return !unicode.In(r, unicode.Letter, unicode.Digit, unicode.Mark) && !strings.ContainsRune(" ._-'·", r)
}
