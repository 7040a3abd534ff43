package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
)

// caller asks a running service, as the commands do that need one.
type caller struct {
	base   string // scheme://host:port
	client *http.Client
	tokens []config.Token
}

// ourService is the one that runs on this machine with the same settings.
func ourService(cfg config.Config) caller {
	host := cfg.ListenHost
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	c := caller{client: &http.Client{}, tokens: cfg.Tokens}
	scheme := "http"
	if cfg.TLS.Configured() {
		scheme, c.client.Transport = "https", &http.Transport{TLSClientConfig: ourselves()}
	}
	c.base = scheme + "://" + net.JoinHostPort(host, strconv.Itoa(cfg.Port))
	return c
}

// alive tells whether it answers and its loops run.
func (c caller) alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	res, err := c.do(ctx, http.MethodGet, "/healthz", "", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: HTTP %d", c.base, res.StatusCode)
	}
	return nil
}

func (c caller) do(ctx context.Context, method, path, scope string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if token := c.token(scope); token != "" {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	res, err := c.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s 没有应答 (does not answer): %w", c.base, err)
	}
	return res, nil
}

// token is the first of the settings that carries the scope; empty: none.
func (c caller) token(scope string) alerting.Secret {
	i := slices.IndexFunc(c.tokens, func(t config.Token) bool { return slices.Contains(t.Scopes, scope) })
	if scope == "" || i < 0 {
		return ""
	}
	return c.tokens[i].Secret
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// ask makes a request and decodes its answer into out; what is no success is
// an *answerError with what the service says.
func (c caller) ask(ctx context.Context, method, path, scope string, body []byte, out any) error {
	res, err := c.do(ctx, method, path, scope, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s: 应答不完整 (the answer ended early): %w", c.base, err)
	}
	if res.StatusCode == http.StatusOK {
		return json.Unmarshal(text, out)
	}
	refusal := &answerError{status: res.StatusCode}
	if json.Unmarshal(text, refusal) != nil || refusal.Message == "" {
		return fmt.Errorf("%s: HTTP %d", c.base, res.StatusCode)
	}
	return refusal
}

// answerError is an error as the service writes it.
type answerError struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *answerError) Error() string { return e.Message }

// denied tells whether an error is for want of a token.
func denied(err error) bool {
	var refused *answerError
	return errors.As(err, &refused) && (refused.status == http.StatusUnauthorized || refused.status == http.StatusForbidden)
}

// askService asks TRADE_MONITOR_URL first. That is often a name which containers
// know and the host does not, in a .env that both read: where nobody could be
// reached, and so nothing was done, the service on this machine is asked.
func askService(ctx context.Context, a app, method, path, scope string, body []byte, out any) error {
	ours := ourService(a.cfg)
	ask := func(service caller) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return service.ask(ctx, method, path, scope, body, out)
	}
	there := a.cfg.Async.TradeMonitorURL
	if there == "" {
		return ask(ours)
	}
	err := ask(caller{base: there, client: &http.Client{}, tokens: ours.tokens})
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		fmt.Fprintf(a.stderr, "%v；改为访问 %s (asking there instead)\n", err, ours.base)
		err = ask(ours)
	}
	return err
}
