package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"trade-monitor/shared/alerting"
)

const (
	// MaxBody is the largest request body, in bytes.
	MaxBody = 64 << 10
	// MaxDepth bounds how deep objects and arrays may nest in a body.
	MaxDepth = 64
	// drained is how much of a body that is too large is read and thrown away,
	// so that its author reads the 413 instead of a broken connection.
	drained = 2 << 20
)

// Body is the whole request body, read once. More than MaxBody is a 413.
func Body(r *http.Request) ([]byte, error) {
	x := exchangeOf(r.Context())
	if x != nil && x.read {
		return x.body, nil
	}
	body, err := readBody(r)
	if x != nil && err == nil {
		x.body, x.read = body, true
	}
	return body, err
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.ContentLength == 0 {
		return nil, nil
	}
	if r.ContentLength > MaxBody {
		return nil, tooLarge(r)
	}
	size := 512
	if r.ContentLength > 0 {
		size = int(r.ContentLength) + 1 // one more, so that the last Read sees the end
	}
	body, err := readUpTo(r.Body, make([]byte, 0, size))
	switch {
	case errors.Is(err, errTooLarge):
		return nil, tooLarge(r)
	case err != nil:
		return nil, Invalid("body", "请求体不完整 (the body ended early)")
	}
	return body, nil
}

var errTooLarge = errors.New("more than MaxBody")

func readUpTo(from io.Reader, body []byte) ([]byte, error) {
	for {
		if len(body) == cap(body) {
			body = slices.Grow(body, len(body)+512)
		}
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > MaxBody:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		}
	}
}

func tooLarge(r *http.Request) error {
	if r.Header.Get("Expect") == "" { // reading would ask such a caller to go on
		_, _ = io.CopyN(io.Discard, r.Body, drained)
	}
	return &Error{
		Status: http.StatusRequestEntityTooLarge, Code: "too_large",
		Message: fmt.Sprintf("请求体超过 %d KiB (the body is larger than %d KiB)", MaxBody>>10, MaxBody>>10),
	}
}

// ReadJSON decodes the body into v, a pointer to a struct. Unknown fields are
// ignored and of equal keys the last one counts.
func ReadJSON(r *http.Request, v any) error {
	body, err := Body(r)
	if err != nil {
		return err
	}
	if err := mediaType(r.Header.Get("Content-Type")); err != nil {
		return err
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &Error{
			Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type",
			Message: "请求体不能压缩，请去掉 Content-Encoding (send the body as it is, without Content-Encoding)",
		}
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return Invalid("body", "请求体为空，需要 JSON 对象 (empty; send a JSON object)")
	}
	return Decode(body, v)
}

// ReadOptionalJSON is ReadJSON for a body that may be left out.
func ReadOptionalJSON(r *http.Request, v any) error {
	body, err := Body(r)
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return err
	}
	return ReadJSON(r, v)
}

// ReadStrictJSON is ReadOptionalJSON for a body in which a misspelt or empty
// field must not pass for one that was left out: whatever is no field of v, or
// is null, is named.
func ReadStrictJSON(r *http.Request, v any) error {
	if err := ReadOptionalJSON(r, v); err != nil {
		return err
	}
	body, err := Body(r)
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(bytes.TrimPrefix(body, utf8Mark), &fields) != nil {
		return nil // an empty body; everything else was refused by now
	}
	var invalid alerting.InvalidError
	for key, value := range fields {
		switch {
		case !hasField(v, key):
			invalid.Problems = append(invalid.Problems, alerting.Problem{Field: clipped(key), Message: "没有这个字段 (there is no such field)"})
		case string(value) == "null":
			invalid.Problems = append(invalid.Problems, alerting.Problem{Field: key, Message: "不能为 null (must not be null)"})
		}
	}
	if len(invalid.Problems) == 0 {
		return nil
	}
	slices.SortFunc(invalid.Problems, func(a, b alerting.Problem) int { return strings.Compare(a.Field, b.Field) })
	return &invalid
}

// hasField tells whether a pointer to a struct has a field of that name in JSON,
// in any case, as encoding/json takes it.
func hasField(v any, key string) bool {
	t := reflect.TypeOf(v).Elem()
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}

// clipped shortens what a stranger wrote before it is repeated.
func clipped(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// mediaType accepts JSON by any of its names, and a request that names none: a
// browser cannot abuse that, since cross-origin requests are refused before.
func mediaType(header string) error {
	if header == "application/json" || header == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(header)
	if err != nil {
		media, _, _ = strings.Cut(strings.ToLower(header), ";")
		media = strings.TrimSpace(media)
	}
	if media == "application/json" || (strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")) {
		return nil
	}
	return &Error{
		Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type",
		Message: `请求体必须是 JSON，请加上 -H "Content-Type: application/json" (send JSON with the header Content-Type: application/json)`,
	}
}

var utf8Mark = []byte("\uFEFF")

// Decode reads one JSON object into v and says by field what does not fit. What
// fits is decoded even then.
func Decode(body []byte, v any) error {
	body = bytes.TrimPrefix(body, utf8Mark)
	if tooDeep(body) {
		return Invalid("body", fmt.Sprintf("嵌套超过 %d 层 (nested deeper than %d)", MaxDepth, MaxDepth))
	}
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return Invalid("body", fmt.Sprintf("不是合法的 JSON，第 %d 字节 (not valid JSON at byte %d)", syntax.Offset, syntax.Offset))
	}
	return wrongTypes(body, v)
}

// wrongTypes names every field whose value has another type than v wants:
// encoding/json itself stops naming after the first.
func wrongTypes(body []byte, v any) error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return Invalid("body", "必须是 JSON 对象 (must be a JSON object)")
	}
	var invalid alerting.InvalidError
	for key, value := range fields {
		name, _ := json.Marshal(key)
		one := slices.Concat([]byte("{"), name, []byte(":"), value, []byte("}"))
		var wrong *json.UnmarshalTypeError
		err := json.Unmarshal(one, reflect.New(reflect.TypeOf(v).Elem()).Interface())
		switch {
		case errors.As(err, &wrong):
			invalid.Problems = append(invalid.Problems, alerting.Problem{Field: wrong.Field, Message: wrongType(wrong)})
		case err != nil:
			invalid.Problems = append(invalid.Problems, alerting.Problem{Field: key, Message: "无法读取 (cannot be read)"})
		}
	}
	if len(invalid.Problems) == 0 {
		return nil // what did not fit was of equal keys, and the last one does
	}
	slices.SortFunc(invalid.Problems, func(a, b alerting.Problem) int { return strings.Compare(a.Field, b.Field) })
	return &invalid
}

func wrongType(e *json.UnmarshalTypeError) string {
	words := map[reflect.Kind][2]string{
		reflect.String: {"字符串", "a string"}, reflect.Bool: {"布尔值", "a boolean"},
		reflect.Int: {"整数", "an integer"}, reflect.Int64: {"整数", "an integer"}, reflect.Float64: {"数字", "a number"},
		reflect.Slice: {"数组", "an array"}, reflect.Struct: {"对象", "an object"}, reflect.Map: {"对象", "an object"},
	}
	want, known := words[e.Type.Kind()]
	if !known {
		return "类型不符 (wrong type)"
	}
	got, _, _ := strings.Cut(e.Value, " ") // "number 12": the value itself is not repeated
	return fmt.Sprintf("应为%s，收到 %s (must be %s, got %s)", want[0], got, want[1], got)
}

// tooDeep looks at brackets outside of strings. It does not judge the rest.
func tooDeep(body []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
