package httpfront

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	"asgibox/asgi"
)

// A peer describes the two ends of a connection in message form. Each is a
// list [host, port], or nil if there is none, as on a Unix socket.
type peer struct {
	client, server any
	secure         bool
	arriving       *atomic.Int64 // bytes that its arrivals hold without the budget
	ahead          *atomic.Int64 // bytes that net/http may read ahead of the bodies of its requests
}

type peerKey struct{}

// withPeer stores the two ends of a connection in its context, because they are
// the same for all its requests.
func withPeer(ctx context.Context, c net.Conn, secure bool) context.Context {
	return context.WithValue(ctx, peerKey{}, newPeer(c, secure))
}

func newPeer(c net.Conn, secure bool) *peer {
	return &peer{
		client:   endpoint(c.RemoteAddr()),
		server:   endpoint(c.LocalAddr()),
		secure:   secure,
		arriving: new(atomic.Int64),
		ahead:    new(atomic.Int64),
	}
}

// peerOf returns the ends of a request's connection. It also works in a server
// that ConfigureServer has not configured.
func peerOf(r *http.Request) *peer {
	if p, ok := r.Context().Value(peerKey{}).(*peer); ok {
		return p
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return &peer{
		client:   endpointText(r.RemoteAddr),
		server:   endpoint(local),
		secure:   r.TLS != nil,
		arriving: new(atomic.Int64),
		ahead:    new(atomic.Int64),
	}
}

func endpoint(a net.Addr) any {
	if a == nil || a.Network() == "unix" {
		return nil
	}
	return endpointText(a.String())
}

func endpointText(s string) any {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return nil
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil
	}
	return hostPort(host, n)
}

func hostPort(host string, port int) any {
	l, err := asgi.NewList(validText(host), port)
	if err != nil {
		return nil
	}
	return l
}

// endpointString formats [host, port] for logs.
func endpointString(v any) string {
	l, ok := v.(asgi.List)
	if !ok || l.Len() != 2 {
		return ""
	}
	host, _ := l.At(0).(string)
	port, _ := l.At(1).(int64)
	return net.JoinHostPort(host, strconv.FormatInt(port, 10))
}
