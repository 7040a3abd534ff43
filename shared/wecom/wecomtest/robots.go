package wecomtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// The rules of the real robot.
const (
	// Path is where a robot takes messages.
	Path = "/cgi-bin/webhook/send"

	window       = 60 * time.Second
	perWindow    = 20
	maxMarkdown  = 4096
	maxText      = 2048
	maxBody      = 1 << 20
	codeBadKey   = 93000
	codeRate     = 45009
	codeTooLong  = 40058
	codeBadJSON  = 40008
	codeEmpty    = 44004
	codeNeedPost = 43002
)

// Robots is a set of robots. It may be used by many goroutines. Time is
// time.Now, which a synctest bubble moves.
type Robots struct {
	mu     sync.Mutex
	robots map[string]*robot
	order  []string // keys as they were registered
	limit  int
}

// robot is one of them, behind its key.
type robot struct {
	name     string
	messages []Received
	read     int // how many of messages the expectations have seen
	faults   []Fault
	attempts int
	flying   int // requests without an answer yet
	flew     int // the most of them at any one time
}

// Received is a message that people in the group would see.
type Received struct {
	At      time.Time
	Type    string // text, markdown or markdown_v2
	Content string
	Users   []string // whom the lists of a text message mention
	Mobiles []string // likewise; @all is everybody
	Raw     []byte   // the request as it was posted
}

// New makes a set without any robot.
func New() *Robots {
	return &Robots{robots: map[string]*robot{}, limit: perWindow}
}

// Key puts a robot into a group of this name, once, and returns its key.
func (r *Robots) Key(name string) string {
	key := "test-robot-" + name
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.robots[key] == nil {
		r.robots[key] = &robot{name: name}
		r.order = append(r.order, key)
	}
	return key
}

// URL is the webhook of a key on a server.
func URL(base, key string) string {
	return base + Path + "?key=" + url.QueryEscape(key)
}

// Limit sets how many messages a robot takes in 60 s; 0 switches the limit off.
func (r *Robots) Limit(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = n
}

// Fail scripts the answers to the next requests of a key, one fault each.
func (r *Robots) Fail(key string, faults ...Fault) {
	r.with(key, func(b *robot) { b.faults = append(b.faults, faults...) })
}

// Messages lists what people would see, oldest first.
func (r *Robots) Messages(key string) []Received {
	var list []Received
	r.with(key, func(b *robot) { list = slices.Clone(b.messages) })
	return list
}

// Attempts counts the requests of a key, whatever became of them.
func (r *Robots) Attempts(key string) int {
	var n int
	r.with(key, func(b *robot) { n = b.attempts })
	return n
}

// MaxInFlight is the most requests of a key that ever were under way together.
func (r *Robots) MaxInFlight(key string) int {
	var n int
	r.with(key, func(b *robot) { n = b.flew })
	return n
}

// with runs f on a robot under the lock; an unknown key is a mistake in a test.
func (r *Robots) with(key string, f func(*robot)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.robots[key]
	if b == nil {
		panic(fmt.Sprintf("wecomtest: no robot has the key %q; ask Key for one", key))
	}
	f(b)
}

// reply is what the far end does with a request.
type reply struct {
	status int
	html   bool
	body   string
	cut    bool // no answer: the connection is cut
	reset  bool // and by a reset, not in order
}

func answer(key string, code int) reply {
	return reply{status: http.StatusOK, body: fmt.Sprintf(`{"errcode":%d,"errmsg":%q}`, code, errmsg(key, code))}
}

// errmsg repeats the key for every failure, so that whoever records it unmasked
// is found out.
func errmsg(key string, code int) string {
	if code == 0 {
		return "ok"
	}
	words := map[int]string{
		-1: "system busy", codeBadKey: "invalid webhook url", codeRate: "api freq out of limit", codeTooLong: "invalid parameter: content exceed max length",
		codeBadJSON: "invalid message type", codeEmpty: "empty content", codeNeedPost: "require POST method",
	}
	text, known := words[code]
	if !known {
		text = "failed"
	}
	return fmt.Sprintf("%s, hint: [%s], key=%s, more info at https://open.work.weixin.qq.com/devtool/query?e=%d", text, key, key, code)
}

// post takes one request from its arrival to its answer.
func (r *Robots) post(ctx context.Context, key string, body []byte) reply {
	fault, known := r.enter(key)
	if !known {
		return answer(key, codeBadKey)
	}
	defer r.leave(key)
	fault.wait(ctx)
	switch fault.kind {
	case refuse:
		return answer(key, fault.code)
	case page:
		return reply{status: fault.code, html: true, body: fmt.Sprintf("<html><body><h1>%d %s</h1></body></html>", fault.code, http.StatusText(fault.code))}
	case cut:
		return reply{cut: true}
	case reset:
		return reply{cut: true, reset: true}
	case takeAndCut:
		r.take(key, body)
		return reply{cut: true}
	}
	return answer(key, r.take(key, body))
}

func (r *Robots) enter(key string) (f Fault, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.robots[key]
	if b == nil {
		return Fault{}, false
	}
	b.attempts++
	b.flying++
	b.flew = max(b.flew, b.flying)
	if len(b.faults) > 0 {
		f, b.faults = b.faults[0], b.faults[1:]
	}
	return f, true
}

func (r *Robots) leave(key string) {
	r.with(key, func(b *robot) { b.flying-- })
}

// take shows a message to the group, or returns the errcode that refuses it.
func (r *Robots) take(key string, body []byte) (code int) {
	m, code := check(body)
	if code != 0 {
		return code
	}
	now := time.Now()
	m.At, m.Raw = now, body
	r.with(key, func(b *robot) {
		if r.limit > 0 && b.since(now.Add(-window)) >= r.limit {
			code = codeRate
			return
		}
		b.messages = append(b.messages, m)
	})
	return code
}

// since counts the messages younger than an instant.
func (b *robot) since(from time.Time) int {
	n := 0
	for i := len(b.messages) - 1; i >= 0 && b.messages[i].At.After(from); i-- {
		n++
	}
	return n
}

// check judges a message by the robot's rules for the types that carry text. The
// lists of people work in text messages only: others show what they say.
func check(body []byte) (shown Received, code int) {
	type said struct {
		Content string   `json:"content"`
		Users   []string `json:"mentioned_list"`
		Mobiles []string `json:"mentioned_mobile_list"`
	}
	var m struct {
		MsgType    string `json:"msgtype"`
		Text       said   `json:"text"`
		Markdown   said   `json:"markdown"`
		MarkdownV2 said   `json:"markdown_v2"`
	}
	if json.Unmarshal(body, &m) != nil {
		return Received{}, codeBadJSON
	}
	limit := maxMarkdown
	shown.Type = m.MsgType
	switch m.MsgType {
	case "markdown":
		shown.Content = m.Markdown.Content
	case "markdown_v2":
		shown.Content = m.MarkdownV2.Content
	case "text":
		shown.Content, shown.Users, shown.Mobiles, limit = m.Text.Content, m.Text.Users, m.Text.Mobiles, maxText
	default:
		return Received{}, codeBadJSON
	}
	switch {
	case shown.Content == "":
		return Received{}, codeEmpty
	case len(shown.Content) > limit:
		return Received{}, codeTooLong
	}
	return shown, 0
}
