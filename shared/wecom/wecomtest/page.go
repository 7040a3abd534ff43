package wecomtest

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var pageHTML string

// shown is how many messages of each group the page has.
const shown = 200

// Page shows the messages as a group chat would: the page itself at every path
// and its data at /messages.json. It needs nothing from elsewhere, and its
// policy lets nothing run but its own script.
func (r *Robots) Page() http.Handler {
	policy := fmt.Sprintf("default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'sha256-%s'; base-uri 'none'; frame-ancestors 'none'", scriptHash())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /messages.json", r.serveMessages)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = io.WriteString(w, pageHTML)
	})
	return mux
}

func scriptHash() string {
	_, rest, _ := strings.Cut(pageHTML, "<script>")
	script, _, _ := strings.Cut(rest, "</script>")
	sum := sha256.Sum256([]byte(script))
	return base64.StdEncoding.EncodeToString(sum[:])
}

type chat struct {
	Name     string        `json:"name"`
	Total    int           `json:"total"`
	Attempts int           `json:"attempts"`
	Messages []chatMessage `json:"messages"`
}

type chatMessage struct {
	N       int       `json:"n"` // 1 for the group's first
	At      time.Time `json:"at"`
	Type    string    `json:"type"`
	Content string    `json:"content"`
	People  []string  `json:"people"` // whom a text message mentions, as @name
}

func (r *Robots) serveMessages(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]any{"groups": r.chats()})
}

// people are shown as a client shows them: in front of what is said.
func (m Received) people() []string {
	people := []string{}
	for _, who := range append(slices.Clone(m.Users), m.Mobiles...) {
		people = append(people, "@"+strings.TrimPrefix(who, "@"))
	}
	return people
}

// chats holds no key: the page could be on a projector.
func (r *Robots) chats() []chat {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]chat, 0, len(r.order))
	for _, key := range r.order {
		b := r.robots[key]
		from := max(0, len(b.messages)-shown)
		c := chat{Name: b.name, Total: len(b.messages), Attempts: b.attempts, Messages: make([]chatMessage, 0, len(b.messages)-from)}
		for i, m := range b.messages[from:] {
			c.Messages = append(c.Messages, chatMessage{N: from + i + 1, At: m.At, Type: m.Type, Content: m.Content, People: m.people()})
		}
		all = append(all, c)
	}
	return all
}
