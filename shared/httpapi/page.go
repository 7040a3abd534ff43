package httpapi

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// Page is one page of a list.
type Page[T any] struct {
	Data              []T
	Total             int64
	TotalIsLowerBound bool
	Page, PageSize    int
	Next              int64 // id that the next page starts below; 0: there is none
}

// WritePage answers with one page, in the guide's field order.
func WritePage[T any](w http.ResponseWriter, p Page[T]) error {
	body := struct {
		Success           bool   `json:"success"`
		Data              []T    `json:"data"`
		Total             int64  `json:"total"`
		Page              int    `json:"page"`
		PageSize          int    `json:"pageSize"`
		NextCursor        string `json:"nextCursor,omitempty"`
		TotalIsLowerBound bool   `json:"totalIsLowerBound,omitempty"`
	}{true, p.Data, p.Total, p.Page, p.PageSize, "", p.TotalIsLowerBound}
	if p.Next > 0 {
		body.NextCursor = Cursor(p.Next)
	}
	return Write(w, http.StatusOK, body)
}

// cursorMark lets the meaning of a cursor change without an old one being
// taken for a new one.
const cursorMark = "a1."

// Cursor is the opaque form of an id.
func Cursor(id int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorMark + strconv.FormatInt(id, 10)))
}

// ParseCursor gives the id back; false for anything that Cursor did not make.
func ParseCursor(cursor string) (int64, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, false
	}
	digits, ok := strings.CutPrefix(string(raw), cursorMark)
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseInt(digits, 10, 64)
	return id, err == nil && id > 0
}

// PathID is the id in the path: a positive 64-bit number.
func PathID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, Invalid("id", "必须是正整数 (must be a positive integer)")
	}
	return id, nil
}

// PathGroup is the {id} of a group; 0 is the robot of WECHAT_WEBHOOK_URL.
func PathGroup(r *http.Request) (int64, error) {
	if r.PathValue("id") == "0" {
		return 0, nil
	}
	return PathID(r)
}
