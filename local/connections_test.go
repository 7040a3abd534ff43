package main

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// arriving is a listener with connections from given addresses in its queue.
type arriving struct {
	net.Listener
	queue []*arrival
}

type arrival struct {
	net.Conn
	from   string
	closed bool
}

func (a *arrival) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(a.from), 4711))
}

func (a *arrival) Close() error { a.closed = true; return nil }

var errQuiet = errors.New("nobody else")

func (a *arriving) Accept() (net.Conn, error) {
	if len(a.queue) == 0 {
		return nil, errQuiet
	}
	next := a.queue[0]
	a.queue = a.queue[1:]
	return next, nil
}

// come lets n connections from an address arrive and gives those that stay.
func come(t *testing.T, c *connections, from string, n int) (stay []net.Conn) {
	t.Helper()
	l := c.Listener.(*arriving)
	for range n {
		l.queue = append(l.queue, &arrival{from: from})
	}
	for {
		conn, err := c.Accept()
		if err != nil {
			require.ErrorIs(t, err, errQuiet)
			return stay
		}
		stay = append(stay, conn)
	}
}

func TestOneAddressCannotTakeEveryConnection(t *testing.T) {
	c := shareConnections(&arriving{}, 100, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	flood := come(t, c, "192.0.2.1", 500)
	require.Len(t, flood, 50)
	require.Len(t, come(t, c, "192.0.2.2", 20), 20, "another gets in")
	require.Len(t, come(t, c, "::ffff:192.0.2.1", 1), 0, "the same address, written otherwise")
	require.Len(t, come(t, c, "10.0.0.1", 100), 30, "a proxy stands for many: what is left is its")
	require.Empty(t, come(t, c, "192.0.2.3", 1))

	for _, conn := range flood {
		require.NoError(t, conn.Close())
		require.NoError(t, conn.Close(), "closed twice, given back once")
	}
	require.Equal(t, 50, c.free)
	require.Len(t, come(t, c, "192.0.2.3", 100), 25)
}

func TestARefusedConnectionIsClosed(t *testing.T) {
	refused := &arrival{from: "192.0.2.1"}
	c := shareConnections(&arriving{queue: []*arrival{{from: "192.0.2.1"}, refused}}, 1, nil)
	_, err := c.Accept()
	require.NoError(t, err)
	_, err = c.Accept()
	require.ErrorIs(t, err, errQuiet)
	require.True(t, refused.closed)
}
