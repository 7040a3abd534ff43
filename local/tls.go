package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"trade-monitor/shared/config"
)

// certificate is what we show callers over https, read again when its files
// change: a renewal needs no restart. Files that do not fit together leave the
// old one in use, since renewing tools replace one file after the other.
type certificate struct {
	files config.TLS
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	stamps  stamps // of the files as they were read
	refused stamps // of files that could not be used
	looked  time.Time
}

// lookInterval is how often the files are looked at, at most.
const lookInterval = time.Second

// stamps tell whether the two files changed.
type stamps [2]struct {
	modified time.Time
	size     int64
}

func openCertificate(files config.TLS, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, log: log, now: time.Now}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("TLS_CERT_FILE、TLS_KEY_FILE 无法使用 (cannot be used): %w", err)
	}
	c.looked = c.now()
	return c, nil
}

// get implements tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= lookInterval {
		c.looked = now
		c.refresh()
	}
	return c.current, nil
}

func (c *certificate) refresh() {
	found := c.look()
	if found == c.stamps || found == c.refused {
		return
	}
	if err := c.read(); err != nil {
		c.refused = found
		c.log.Warn("新证书无法使用，继续使用原证书 (the changed certificate cannot be used; the old one stays)", "error", err)
		return
	}
	c.log.Info("已换用新证书 (the new certificate is in use)", "validUntil", c.current.Leaf.NotAfter)
}

// look gives no stamp to a file that is not there.
func (c *certificate) look() (found stamps) {
	for i, name := range []string{c.files.CertFile, c.files.KeyFile} {
		if info, err := os.Stat(name); err == nil {
			found[i].modified, found[i].size = info.ModTime(), info.Size()
		}
	}
	return found
}

// read looks before it reads: a change in between is found the next time.
func (c *certificate) read() error {
	found := c.look()
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return err
	}
	c.current, c.stamps, c.refused = &pair, found, stamps{}
	return nil
}

// inForce says until when the certificate is good.
func (c *certificate) inForce() string {
	c.mu.Lock()
	leaf := c.current.Leaf
	c.mu.Unlock()
	until := leaf.NotAfter.Format(time.DateOnly)
	if c.now().After(leaf.NotAfter) {
		return "证书已于 " + until + " 过期，请更换 (the certificate has expired: renew it)"
	}
	return "证书有效期至 (certificate valid until) " + until
}

// ourselves lets the health check ask this very machine, by an address that the
// certificate need not name. It sends no secret and learns one bit.
func ourselves() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }
