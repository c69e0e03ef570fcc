package apptest

import (
	"context"
	"net"
	"sync"
)

// The addresses of the server and of its clients.
const (
	serverAddress = "127.0.0.1:8000"
	clientAddress = "127.0.0.1:50000"
)

// A listener accepts connections in memory.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return address(serverAddress) }

// dial connects a client. It has the signature of a dialer's DialContext.
func (l *listener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- conn{server}:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A conn is the server's end of a connection in memory.
type conn struct{ net.Conn }

func (conn) LocalAddr() net.Addr  { return address(serverAddress) }
func (conn) RemoteAddr() net.Addr { return address(clientAddress) }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }
