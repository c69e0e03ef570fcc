package redisstore

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A proxy passes connections on to a server and cuts them when it is told to.
type proxy struct {
	listener net.Listener
	path     string
	to       string
	done     sync.WaitGroup

	mu    sync.Mutex // guards the rest
	conns map[net.Conn]bool
	mute  bool // a reply ends its connection instead of being passed on
}

func startProxy(t testing.TB, s *server) *proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "proxy")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{path: filepath.Join(dir, "s"), to: s.socket, conns: map[net.Conn]bool{}}
	if p.listener, err = net.Listen("unix", p.path); err != nil {
		t.Fatal(err)
	}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		_ = p.listener.Close()
		p.cut()
		p.done.Wait()
		_ = os.RemoveAll(dir)
	})
	return p
}

func (p *proxy) host() Host { return Host{Network: "unix", Address: p.path} }

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("unix", p.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns[in], p.conns[out] = true, true
		p.mu.Unlock()
		p.done.Go(func() { p.pass(in, out) })
		p.done.Go(func() { p.pass(out, &replies{in, p}) })
	}
}

func (p *proxy) pass(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_ = from.Close()
	_ = to.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, from)
	delete(p.conns, to)
}

// replies are the replies to a client.
type replies struct {
	net.Conn
	proxy *proxy
}

func (r *replies) Write(b []byte) (int, error) {
	r.proxy.mu.Lock()
	mute := r.proxy.mute
	r.proxy.mu.Unlock()
	if mute {
		return 0, io.ErrClosedPipe
	}
	return r.Conn.Write(b)
}

func (p *proxy) setMute(mute bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = mute
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
}
