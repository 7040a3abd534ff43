package wecom

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"golang.org/x/net/http/httpproxy"

	"trade-monitor/shared/alerting"
)

const (
	// sendTimeout bounds one request from dialling to the last byte of the answer.
	sendTimeout = 10 * time.Second
	// maxAnswer is how much of an answer is read. A real one has about 100 bytes.
	maxAnswer = 64 << 10
)

// Options are what a Client needs.
type Options struct {
	// HTTP sends the requests. Nil: a transport of our own that honours
	// HTTPS_PROXY. Redirects are never followed, whatever is given here.
	HTTP *http.Client
	// AllowedHosts are the only hosts that are ever posted to, "host" for any
	// port or "host:port". Empty: qyapi.weixin.qq.com. Plain http is taken for
	// listed loopback hosts only.
	AllowedHosts []string
	// Proxy is the URL of the proxy to go through; empty: what HTTPS_PROXY of
	// the process says. It may hold a password. Loopback hosts are reached
	// directly.
	Proxy alerting.Secret
}

// Client posts messages to robots. It may be used by many goroutines.
type Client struct {
	http  *http.Client
	hosts []hostPort
}

// New makes a client.
func New(o Options) *Client {
	hc := http.Client{Transport: newTransport(o.Proxy)}
	if o.HTTP != nil {
		hc = *o.HTTP
	}
	// A redirect would carry the message to a host that nobody allowed.
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{http: &hc, hosts: parseHosts(o.AllowedHosts)}
}

func newTransport(proxy alerting.Secret) *http.Transport {
	choose := http.ProxyFromEnvironment
	if proxy != "" {
		through := (&httpproxy.Config{HTTPSProxy: proxy.Reveal()}).ProxyFunc()
		choose = func(r *http.Request) (*url.URL, error) { return through(r.URL) }
	}
	return &http.Transport{
		Proxy:                 choose,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   5 * time.Second,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       60 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// Send posts one message and reports what became of it. The whole
// request takes at most 10 s. It is never repeated here: an unknown outcome
// may already be on people's screens, and only the caller counts that.
func (c *Client) Send(ctx context.Context, webhook alerting.Secret, p alerting.Post) alerting.Verdict {
	target, err := c.target(webhook)
	if err != nil {
		return alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassRobotGone, Error: err.Error()}
	}
	v := c.post(ctx, target, p)
	v.Error = newMask(target, p.People.Mobiles...).clean(v.Error)
	return v
}

// Check tells why a webhook would not be posted to, or returns nil. The text
// holds no part of the webhook but its host.
func (c *Client) Check(webhook alerting.Secret) error {
	_, err := c.target(webhook)
	return err
}

// Reach tells whether the webhook's host answers over https; nothing is posted
// and the key is not sent. The error is for people.
func (c *Client) Reach(ctx context.Context, webhook alerting.Secret) error {
	target, err := c.target(webhook)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, (&url.URL{Scheme: target.Scheme, Host: target.Host, Path: "/"}).String(), nil)
	if err != nil {
		return errors.New("Webhook 地址无效 (bad webhook address)")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return errors.New(target.Host + ": " + describe(err))
	}
	return resp.Body.Close()
}

func (c *Client) post(ctx context.Context, target *url.URL, p alerting.Post) alerting.Verdict {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	body, err := encode(p)
	if err != nil {
		return alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassBadWords, Error: "内容无法编码 (cannot be encoded)"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassRobotGone, Error: "Webhook 地址无效 (bad webhook address)"}
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := c.http.Do(req)
	if err != nil {
		v := unknown(describe(err))
		if neverSent(err) {
			v.Status = alerting.Refused // nobody can have seen it
		}
		return v
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return unknown("应答中断，结果未知 (answer cut off, outcome unknown): " + describe(err))
	}
	return judge(resp.StatusCode, answer)
}

// encode leaves <, > and & as they are: escaped, they would take six bytes each.
func encode(p alerting.Post) ([]byte, error) {
	body := map[string]any{"msgtype": "markdown", "markdown": said{Content: p.Content}}
	if p.Format == alerting.Text {
		body = map[string]any{"msgtype": "text", "text": said{p.Content, p.People.Users, mobiles(p.People)}}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(body)
	return buf.Bytes(), err
}

// said is what a message says; a text message alone can have lists of people.
type said struct {
	Content string   `json:"content"`
	Users   []string `json:"mentioned_list,omitempty"`
	Mobiles []string `json:"mentioned_mobile_list,omitempty"`
}

// mobiles is the list of a request, the one place beside the policy's file where
// the numbers are written out.
func mobiles(p alerting.People) []string {
	var list []string
	for _, m := range p.Mobiles {
		list = append(list, m.Reveal())
	}
	if p.All {
		list = append(list, alerting.Everybody)
	}
	return list
}

// neverSent tells whether a request failed before anything of it left.
func neverSent(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	var untrusted *tls.CertificateVerificationError
	return errors.As(err, &dns) || errors.As(err, &untrusted) || (errors.As(err, &op) && op.Op == "dial")
}

// describe says what went wrong on the way without the address: *url.Error
// prints it, key included.
func describe(err error) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var dns *net.DNSError
	var op *net.OpError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return "证书不受信任，未发出；私有 CA 用 SSL_CERT_FILE 加入 (certificate not trusted, nothing was sent; add a private CA by SSL_CERT_FILE): " + untrusted.Err.Error()
	case errors.As(err, &dns):
		return fmt.Sprintf("无法解析 %s，未发出 (DNS failed, nothing was sent)", dns.Name)
	case errors.As(err, &op) && op.Op == "dial":
		return "无法连接，未发出 (cannot connect, nothing was sent): " + op.Err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "超时，未收到应答 (timed out without an answer)"
	case errors.Is(err, context.Canceled):
		return "发送被取消 (sending was cancelled)"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "连接被断开，未收到应答 (connection cut without an answer)"
	case op != nil:
		return op.Op + ": " + op.Err.Error() // without the addresses
	}
	return err.Error()
}
