package socketproxy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"trade-monitor/shared/docker"
)

// lookTime bounds our own questions to the engine. What is passed on is bounded
// by its caller, who may leave: a restart takes as long as the container's stop
// time-out, and a stream has no end.
const lookTime = 5 * time.Second

// maxAnswer bounds an answer that is read as a whole, in bytes.
const maxAnswer = 64 << 20

// transport reaches an engine.
func transport(host string) (*http.Transport, error) {
	if host == "" {
		host = docker.DefaultHost
	}
	scheme, address, _ := strings.Cut(host, "://")
	network := "tcp"
	switch scheme {
	case "unix":
		network = "unix"
	case "tcp", "http":
		if u, err := url.Parse(host); err != nil || u.Host == "" {
			return nil, errHost
		} else {
			address = u.Host
		}
	default:
		return nil, errHost
	}
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: lookTime}).DialContext(ctx, network, address)
		},
		DisableCompression:  true, // it would keep lines back
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     time.Minute,
	}, nil
}

// errHost does not repeat the value, which may hold a password.
var errHost = errors.New("DOCKER_HOST 必须是 unix://、tcp:// 或 http:// 地址 (must be a unix://, tcp:// or http:// address)")

// errUnreadable is an answer of the engine that is not what the API says.
var errUnreadable = errors.New("the engine's answer cannot be read")

// look is our own inspect of the container that a call names. The engine takes
// the beginning of an id for a container, too; we do not: what is admitted must
// be what was named.
func (p *Proxy) look(ctx context.Context, c call) (inspected, error) {
	var found inspected
	if err := p.ask(ctx, c.version+"/containers/"+c.container+"/json", &found); err != nil {
		return inspected{}, err
	}
	if found.ID != c.container && found.Name != "/"+c.container || !fullID.MatchString(found.ID) {
		return inspected{}, &refusal{status: http.StatusNotFound, quiet: true, text: "No such container: " + c.container}
	}
	return found, nil
}

// ownImage is the image that this proxy runs from, and so does the monitor;
// empty: not in a container, or it cannot be told.
func (p *Proxy) ownImage(ctx context.Context) (string, error) {
	var all []listed
	if err := p.ask(ctx, "/containers/json", &all); err != nil {
		return "", err
	}
	for _, one := range all {
		if p.self(one.ID, "") {
			return one.ImageID, nil
		}
	}
	return "", nil
}

// ask makes a question of our own.
func (p *Proxy) ask(ctx context.Context, path string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker"+path, http.NoBody)
	if err != nil {
		return unanswered(errUnreadable)
	}
	req.Header.Set("User-Agent", "trade-monitor")
	resp, err := p.engine.RoundTrip(req)
	if err != nil {
		return unanswered(err)
	}
	defer discard(resp.Body)
	body := io.LimitReader(resp.Body, maxAnswer)
	if resp.StatusCode != http.StatusOK {
		return verdict(resp.StatusCode, body)
	}
	if json.NewDecoder(body).Decode(out) != nil {
		return unanswered(errUnreadable)
	}
	return nil
}

// verdict passes the engine's own refusal on.
func verdict(status int, body io.Reader) error {
	var said struct {
		Message string `json:"message"`
	}
	if status < http.StatusBadRequest || json.NewDecoder(body).Decode(&said) != nil {
		return unanswered(errUnreadable)
	}
	return &refusal{status: status, quiet: true, text: said.Message}
}
