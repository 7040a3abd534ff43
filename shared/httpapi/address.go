package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// address is where the request comes from. What X-Forwarded-For says is
// believed only as far as trusted proxies wrote it: each appends whom it heard
// from, so the right-most address that is no trusted proxy is the caller.
// Whatever stands left of it, the caller may have made up. The zero Addr means
// that the connection has no IP address.
func address(r *http.Request, trusted []netip.Prefix) netip.Addr {
	connected, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	from := connected.Addr().Unmap().WithZone("")
	if len(trusted) == 0 {
		return from
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !trusts(trusted, from) {
			break
		}
		told, ok := parseHop(hop)
		if !ok {
			break // the proxy itself is the best that we know
		}
		from = told
	}
	return from
}

func trusts(trusted []netip.Prefix, from netip.Addr) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(from) })
}

// parseHop reads an address; some proxies write its port too.
func parseHop(hop string) (netip.Addr, bool) {
	hop = strings.TrimSpace(hop)
	if withPort, err := netip.ParseAddrPort(hop); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}

// neighbourhood is how much of an IPv6 network one customer has: its addresses
// are one client.
const neighbourhood = 64

// origin is the address as clients are told apart.
func origin(from netip.Addr) string {
	if from.Is6() && !from.IsLoopback() {
		if p, err := from.Prefix(neighbourhood); err == nil {
			return p.String()
		}
	}
	return from.String()
}
