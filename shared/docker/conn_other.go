//go:build !unix

package docker

import "net"

// unpolled leaves the connection as it is: see conn_unix.go for what is saved
// elsewhere.
func unpolled(conn net.Conn) net.Conn { return conn }
