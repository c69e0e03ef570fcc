package httpfront

import (
	"crypto/tls"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unread returns how many bytes the system keeps that the client has not received.
// There may be megabytes of them, and a write that waits for room notices only when
// the client has received a third.
func unread(c net.Conn) (n int64) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	if limited, ok := c.(*handshakeConn); ok {
		c = limited.Conn
	}
	s, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if queued, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			n = int64(queued)
		}
	})
	return n
}
