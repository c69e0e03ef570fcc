package devserver

import (
	"context"
	"fmt"
	"net"
	"path/filepath"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/inspector"
	"asgibox/internal/command"
	"asgibox/internal/guard"
)

// defaultControl is the control server's address unless another is given. If
// it is taken, a free port is used: the banner and the data folder name it.
const defaultControl = "127.0.0.1:8001"

// ListenControl opens the listener of the control server. It returns nil if
// there must be none.
func ListenControl(address string) (net.Listener, error) {
	switch address {
	case ControlOff:
		return nil, nil
	case "":
		return listenOrFree(defaultControl)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--control %s: want an address like 127.0.0.1:8001, or %q", address, ControlOff)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("cannot listen on --control %s: %w", address, listenReason(err))
	}
	return l, nil
}

// listenOrFree listens on the address, or on a free port of this machine if the
// address is taken.
func listenOrFree(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil && isTaken(err) {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	return l, err
}

// control is the control server: the inspector and the layer over HTTP.
type control struct {
	*inspector.Server
	listener net.Listener // nil if it is mounted
	remote   *remote.Handler
	token    string // empty if only this machine can reach the server
}

// controlToken returns a token for a control server that other machines can
// reach, and "" for another one.
func controlToken(l net.Listener) string {
	if guard.Loopback(l.Addr()) {
		return ""
	}
	return guard.NewToken()
}

// buildControl makes the control server.
func (s *server) buildControl(l net.Listener, token string) (err error) {
	c := &control{listener: l, token: token}
	layer := remote.Options{Version: command.Version(), Log: s.log}
	if s.generations != nil {
		layer.Outcome = func(trace asgi.TraceID, channel string, m asgi.Message) (remote.Outcome, error) {
			return c.Outcome(trace, channel, m)
		}
	}
	if s.socket != nil {
		layer.Program = s.socket.Program
	}
	c.remote = remote.NewHandler(s.layer, layer)
	o := inspector.Options{
		Layer: s.layer, Front: frontView{s.front}, Remote: c.remote, Readers: s.readers,
		App: firstHTTP(s.urls), Token: c.token, Version: command.Version(), Log: s.log,
	}
	if s.redis != nil {
		s.redis.inspected(&o)
	} else {
		o.Store = s.store.Debug()
	}
	if !s.options.NoWorkers && s.app.Kind == Starlark {
		if o.AppFile, err = filepath.Abs(s.app.Path); err != nil {
			return err
		}
	}
	if g := s.generations; g != nil {
		o.Pool = poolView{g}
		if g.watcher != nil {
			o.Ignore = g.watcher.Ignore
		}
	}
	if s.socket != nil {
		o.Accepts = s.socket.Knows
	}
	if s.packets != nil {
		o.UDP = s.packets.LocalAddr().String()
	}
	if s.chaos != nil {
		o.Chaos = chaosView{s.chaos}
	}
	if c.Server, err = inspector.New(o); err != nil {
		return err
	}
	s.control.Store(c)
	return nil
}

// Shutdown ends the calls that wait, and then the server.
func (c *control) Shutdown(ctx context.Context) error {
	c.remote.Close()
	return c.Server.Shutdown(ctx)
}

// url returns the address for a browser on this machine, with the token if there
// is one.
func (c *control) url() string {
	return c.withToken(browserURL("http", c.listener.Addr().(*net.TCPAddr)))
}

// networkURLs returns the addresses for browsers on other machines, if the
// control server listens on all addresses.
func (c *control) networkURLs() []string {
	all := networkURLs([]net.Listener{c.listener}, false)
	for i := range all {
		all[i] = c.withToken(all[i])
	}
	return all
}

func (c *control) withToken(url string) string {
	if c.token != "" {
		url += "?token=" + c.token
	}
	return url
}
