package main

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// connections shares the connections that we can hold by the rule of
// httpapi.Admission: an address may have as many as are free. One that opens
// more finds them closed; everybody else still gets in.
type connections struct {
	net.Listener
	proxies []netip.Prefix // each stands for many callers: only the whole bounds it

	mu   sync.Mutex
	free int
	held map[netip.Addr]int
}

func shareConnections(l net.Listener, most int, proxies []netip.Prefix) *connections {
	return &connections{Listener: l, proxies: proxies, free: most, held: map[netip.Addr]int{}}
}

// Accept gives the next connection that may stay.
func (c *connections) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := remote(conn)
		if c.take(from) {
			return &shared{Conn: conn, leave: sync.OnceFunc(func() { c.leave(from) })}, nil
		}
		_ = conn.Close() // there is nobody to tell
	}
}

func remote(conn net.Conn) netip.Addr {
	from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap().WithZone("")
}

func (c *connections) take(from netip.Addr) bool {
	proxy := slices.ContainsFunc(c.proxies, func(p netip.Prefix) bool { return p.Contains(from) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.free == 0 || (c.held[from] >= c.free && !proxy) {
		return false
	}
	c.free--
	c.held[from]++
	return true
}

func (c *connections) leave(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free++
	if c.held[from]--; c.held[from] == 0 {
		delete(c.held, from)
	}
}

// shared gives its place back when it closes.
type shared struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (s *shared) Close() error {
	s.leave()
	return s.Conn.Close()
}
