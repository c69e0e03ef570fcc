package client

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"

	"asgibox/inspector"
	"asgibox/inspector/api"
	"asgibox/internal/command"
	"asgibox/internal/console"
	"asgibox/internal/guard"
	"asgibox/store/redisstore"
)

// A direct is a control server within the command's process, for a layer on Redis:
// commands work without any server. It is reached in memory only.
type direct struct {
	layer   *redisstore.Layer
	control *inspector.Server
	conns   chan net.Conn
	ended   chan struct{} // closed when the server has ended
	closed  chan struct{} // closed by close
}

// openDirect opens the selected layer and returns a client of it. It returns nil
// without --layer. The caller must close the result. Warnings go to errOut.
func (l *Layer) openDirect(ctx context.Context, s *Server, errOut io.Writer) (*api.Client, *direct, error) {
	o, err := l.Options()
	switch {
	case err != nil:
		return nil, nil, err
	case o == nil:
		return nil, nil, nil
	case s.Address != "" || s.Store != "":
		return nil, nil, errors.New("--layer reaches the layer itself, --control and --store a running server: give only one of them")
	}
	o.Log, o.Version = slog.New(console.New(errOut, console.Options{Level: slog.LevelWarn})), command.Version()
	d := &direct{conns: make(chan net.Conn), ended: make(chan struct{}), closed: make(chan struct{})}
	if d.layer, err = redisstore.OpenWithin(ctx, *o, l.Wait); err != nil {
		return nil, nil, err
	}
	token := guard.NewToken()
	d.control, err = inspector.New(inspector.Options{Layer: d.layer, Contents: d.layer.View(), Token: token, Version: command.Version()})
	if err != nil {
		return nil, nil, errors.Join(err, d.layer.Close())
	}
	go func() {
		defer close(d.ended)
		_ = d.control.Serve(context.Background(), d) // ends with close
	}()
	c := &api.Client{Base: "http://localhost", Token: token, HTTP: &http.Client{Transport: &http.Transport{DialContext: d.dial, DisableKeepAlives: true}}}
	return c, d, nil
}

// close ends the server and the layer.
func (d *direct) close() error {
	if d == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // the command has its responses
	_ = d.control.Shutdown(ctx)
	<-d.ended
	return d.layer.Close()
}

func (d *direct) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case d.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Accept implements [net.Listener].
func (d *direct) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener]. It is called once, by the server.
func (d *direct) Close() error {
	close(d.closed)
	return nil
}

// Addr implements [net.Listener].
func (d *direct) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "this process" }
