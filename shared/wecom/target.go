package wecom

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"trade-monitor/shared/alerting"
)

// DefaultHost is where WeCom takes the messages of group robots.
const DefaultHost = "qyapi.weixin.qq.com"

// hostPort is an allowed host; an empty port stands for every port.
type hostPort struct{ host, port string }

func parseHosts(list []string) []hostPort {
	var hosts []hostPort
	for _, entry := range list {
		entry = strings.ToLower(strings.TrimSpace(entry))
		if entry == "" {
			continue
		}
		host, port, err := net.SplitHostPort(entry)
		if err != nil {
			host, port = entry, ""
		}
		hosts = append(hosts, hostPort{strings.Trim(host, "[]"), port})
	}
	if len(hosts) == 0 {
		return []hostPort{{host: DefaultHost}}
	}
	return hosts
}

// target reads a webhook and refuses what must not be posted to. No error
// holds more of the webhook than its host: the rest is a credential.
func (c *Client) target(webhook alerting.Secret) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(webhook.Reveal()))
	if err != nil || u.Host == "" || u.Opaque != "" {
		return nil, errors.New("Webhook 地址无效 (not a URL)")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case u.User != nil:
		return nil, errors.New("Webhook 地址不能带用户名 (user info in the URL)")
	case !c.allowed(host, portOf(u)):
		return nil, fmt.Errorf("主机 %q 不在 WECHAT_ALLOWED_HOSTS 中，未发送 (host not allowed, nothing was sent)", clip(host, 100))
	case u.Scheme == "http" && !loopback(host), u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("Webhook 必须使用 https (https is required)")
	case u.Query().Get("key") == "":
		return nil, errors.New("Webhook 缺少 key (no key in the URL)")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// Host is where a webhook leads, without the key; empty when it is no address.
func Host(webhook alerting.Secret) string {
	u, err := url.Parse(strings.TrimSpace(webhook.Reveal()))
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

func (c *Client) allowed(host, port string) bool {
	return slices.ContainsFunc(c.hosts, func(h hostPort) bool {
		return h.host == host && (h.port == "" || h.port == port)
	})
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
