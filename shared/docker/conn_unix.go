//go:build unix

package docker

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// unpolled takes a connection out of the runtime's poller. The engine sends each
// line by itself, and the poller would wake this process for every one of them,
// although the reader is not waiting: with 10,000 lines a second that costs more
// than to read and match them. A read now holds a thread while there is nothing
// to read: one for each log that is followed.
func unpolled(conn net.Conn) net.Conn {
	fd, err := duplicate(conn)
	if err != nil {
		return conn
	}
	_ = conn.Close()
	return &threadConn{file: os.NewFile(uintptr(fd), "log"), fd: fd, local: conn.LocalAddr(), remote: conn.RemoteAddr()}
}

// duplicate makes a second, blocking descriptor of the connection.
func duplicate(conn net.Conn) (int, error) {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return 0, syscall.EINVAL
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return 0, err
	}
	fd := -1
	failed := control.Control(func(own uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if fd, err = syscall.Dup(int(own)); err == nil {
			syscall.CloseOnExec(fd)
			err = syscall.SetNonblock(fd, false)
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil && fd >= 0 {
		_ = syscall.Close(fd)
	}
	return fd, err
}

// threadConn is a connection whose reads and writes block a thread. It has no
// deadlines; Close ends them all.
type threadConn struct {
	file          *os.File
	fd            int
	once          sync.Once
	err           error
	local, remote net.Addr
}

func (c *threadConn) Read(p []byte) (int, error)  { return c.file.Read(p) }
func (c *threadConn) Write(p []byte) (int, error) { return c.file.Write(p) }

// Close ends the reads and writes that are under way: to close a descriptor
// alone does not.
func (c *threadConn) Close() error {
	c.once.Do(func() {
		_ = syscall.Shutdown(c.fd, syscall.SHUT_RDWR)
		c.err = c.file.Close()
	})
	return c.err
}

func (c *threadConn) LocalAddr() net.Addr              { return c.local }
func (c *threadConn) RemoteAddr() net.Addr             { return c.remote }
func (c *threadConn) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (c *threadConn) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (c *threadConn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
