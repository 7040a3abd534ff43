package socketproxy

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// knownFor is how long an address is served without asking for the names
	// again. The container behind a name may get another address.
	knownFor = 5 * time.Second
	// namesTime bounds the question for a name.
	namesTime = 2 * time.Second
)

// callers let only those through whom the proxy is for: to whoever is logged in
// on the host, the addresses of all container networks are open, too.
type callers struct {
	next   http.Handler
	refuse func(http.ResponseWriter, *http.Request, error)
	names  []string
	find   func(ctx context.Context, name string) ([]netip.Addr, error)
	now    func() time.Time

	mu    sync.Mutex
	known map[netip.Addr]time.Time
}

// onlyFor lets requests from these host names and addresses through to the
// proxy, and those from this machine itself (in a container, that is its own
// health check). Without names everybody is let through.
func (p *Proxy) onlyFor(names []string) http.Handler {
	if len(names) == 0 {
		return p
	}
	return newCallers(p, p.refuse, names)
}

func newCallers(next http.Handler, refuse func(http.ResponseWriter, *http.Request, error), names []string) *callers {
	find := func(ctx context.Context, name string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	}
	return &callers{next: next, refuse: refuse, names: names, find: find, now: time.Now, known: map[netip.Addr]time.Time{}}
}

// ServeHTTP implements http.Handler.
func (c *callers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err == nil && c.admits(r.Context(), from.Addr().Unmap().WithZone("")) {
		c.next.ServeHTTP(w, r)
		return
	}
	no := refused("caller", "只为 PROXY_CALLERS 服务 (only serves PROXY_CALLERS)")
	no.call = "*" // one kind, whatever is asked for
	c.refuse(w, r, no)
}

func (c *callers) admits(ctx context.Context, from netip.Addr) bool {
	return from.IsLoopback() || c.knows(from) || c.learn(ctx, from)
}

func (c *callers) knows(from netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, known := c.known[from]
	return known && c.now().Sub(at) < knownFor
}

// learn asks for the names' addresses. A name that has none now stands for
// nobody.
func (c *callers) learn(ctx context.Context, from netip.Addr) bool {
	ctx, cancel := context.WithTimeout(ctx, namesTime)
	defer cancel()
	known := map[netip.Addr]time.Time{}
	for _, name := range c.names {
		found, _ := c.find(ctx, name)
		for _, addr := range found {
			known[addr.Unmap()] = c.now()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = known
	_, admitted := known[from]
	return admitted
}
