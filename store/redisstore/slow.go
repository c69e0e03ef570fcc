package redisstore

import (
	"net"
	"syscall"
	"time"
)

// Limits in bytes of what goes over a connection at once, so that a slow link is not
// blocked for long. Each is exceeded by at most one message.
const (
	replyBytes    = 4 << 20 // of the bodies in a reply
	pipelineBytes = 1 << 20 // of the arguments of a pipeline
)

// writePiece is the number of bytes that are written with one deadline.
const writePiece = 64 << 10

// A slowConn is a connection on which a call fails if no byte passes for
// replyTimeout. So a long reply may take longer on a slow link.
type slowConn struct{ net.Conn }

func (c slowConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		_ = c.SetReadDeadline(time.Now().Add(replyTimeout)) // the next read fails if this does
	}
	return n, err
}

func (c slowConn) Write(b []byte) (done int, err error) {
	for {
		n, err := c.Conn.Write(b[:min(len(b), writePiece)])
		done, b = done+n, b[n:]
		if err != nil || len(b) == 0 {
			return done, err
		}
		_ = c.SetWriteDeadline(time.Now().Add(replyTimeout))
	}
}

// A slowSocket is a slowConn of a socket, which the client library looks at to find
// out whether it is closed.
type slowSocket struct{ slowConn }

func (c slowSocket) SyscallConn() (syscall.RawConn, error) {
	return c.Conn.(syscall.Conn).SyscallConn()
}

func newSlowConn(conn net.Conn) net.Conn {
	slow := slowConn{conn}
	if _, ok := conn.(syscall.Conn); ok {
		return slowSocket{slow}
	}
	return slow
}
