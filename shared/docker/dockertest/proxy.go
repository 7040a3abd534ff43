package dockertest

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a program and an engine's socket and does what networks
// and socket proxies do: it cuts, hangs and refuses. It passes bytes on and
// understands none of them.
type Proxy struct {
	Host string // for DOCKER_HOST: unix:///…

	t      testing.TB
	path   string
	engine string
	done   chan struct{} // closed at the end of the test

	mu       sync.Mutex
	listener net.Listener // nil: it refuses
	conns    map[net.Conn]bool
	hung     chan struct{} // closed when it goes on; nil: it does not hang
	stopCuts func()
	tasks    sync.WaitGroup
}

// NewProxy starts a proxy in front of an engine that ends with the test. The
// engine may be away, or go away.
func NewProxy(t testing.TB, e *Engine) *Proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "tmtest-") // not t.TempDir: a socket's path may have 108 bytes only
	if err != nil {
		t.Fatalf("directory of a proxy: %v", err)
	}
	path := filepath.Join(dir, "proxy.sock")
	p := &Proxy{
		Host: "unix://" + path, t: t, path: path, engine: strings.TrimPrefix(e.Host, "unix://"),
		done: make(chan struct{}), conns: map[net.Conn]bool{}, stopCuts: func() {},
	}
	t.Cleanup(func() {
		p.close()
		_ = os.RemoveAll(dir)
	})
	p.Refuse(false)
	return p
}

// CutAll cuts all connections. New ones are served.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
}

// Conns is how many connections there are.
func (p *Proxy) Conns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) / 2
}

// CutEvery cuts all connections again and again; 0: no longer.
func (p *Proxy) CutEvery(interval time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopCuts()
	p.stopCuts = func() {}
	if interval == 0 {
		return
	}
	stop := make(chan struct{})
	p.stopCuts = sync.OnceFunc(func() { close(stop) })
	p.tasks.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.CutAll()
			case <-stop:
				return
			}
		}
	})
}

// Hang makes it take connections and bytes, and pass nothing on, until told
// otherwise. Then what it took arrives.
func (p *Proxy) Hang(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case yes && p.hung == nil:
		p.hung = make(chan struct{})
	case !yes && p.hung != nil:
		close(p.hung)
		p.hung = nil
	}
}

// Refuse makes it take no connection, until told otherwise. Those that stand are
// left alone.
func (p *Proxy) Refuse(yes bool) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case yes && p.listener != nil:
		_ = p.listener.Close()
		p.listener = nil
	case !yes && p.listener == nil:
		listener, err := net.Listen("unix", p.path)
		if err != nil {
			p.t.Errorf("a proxy's socket: %v", err)
			return
		}
		p.listener = listener
		p.tasks.Go(func() { p.accept(listener) })
	}
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.t.Errorf("a proxy's socket: %v", err)
			return
		}
		p.tasks.Go(func() { p.serve(client) })
	}
}

// serve joins one connection to the engine until one side ends it.
func (p *Proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	engine, err := net.Dial("unix", p.engine)
	if err != nil {
		return
	}
	defer func() { _ = engine.Close() }()
	if !p.admit(client, engine) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pass(engine, client) })
	both.Go(func() { p.pass(client, engine) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, engine)
}

func (p *Proxy) admit(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		return false
	default:
	}
	for _, conn := range conns {
		p.conns[conn] = true
	}
	return true
}

// pass copies one direction. The end of one is the end of both: the engine's API
// has no half-closed connections that we use.
func (p *Proxy) pass(to, from net.Conn) {
	defer func() { _ = to.Close(); _ = from.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			p.wait()
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait returns when the proxy does not hang.
func (p *Proxy) wait() {
	for {
		p.mu.Lock()
		hung := p.hung
		p.mu.Unlock()
		if hung == nil {
			return
		}
		select {
		case <-hung:
		case <-p.done:
			return
		}
	}
}

func (p *Proxy) close() {
	p.CutEvery(0)
	p.Refuse(true)
	p.mu.Lock()
	close(p.done)
	p.mu.Unlock()
	p.CutAll()
	p.tasks.Wait()
}
