package httpfront

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"asgibox/internal/logkey"
)

// How often and how soon a listener tries again after an error.
const (
	acceptTries = 100
	acceptPause = 100 * time.Millisecond
)

// A tlsListener completes the TLS handshake before it returns a connection. An
// HTTP/1 connection can then be wrapped like a plain one (see framedConn), and
// an HTTP/2 connection is the *tls.Conn that net/http expects.
type tlsListener struct {
	net.Listener
	config *tls.Config
	log    *slog.Logger

	ctx        context.Context
	cancel     context.CancelFunc
	conns      chan net.Conn
	failed     chan error
	start      sync.Once
	handshakes sync.WaitGroup
}

func newTLSListener(l net.Listener, config *tls.Config, log *slog.Logger) *tlsListener {
	config = config.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	t := &tlsListener{Listener: l, config: config, log: log, conns: make(chan net.Conn), failed: make(chan error, 1)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

func (t *tlsListener) Accept() (net.Conn, error) {
	t.start.Do(func() {
		t.handshakes.Add(1)
		go t.accept()
	})
	select {
	case c := <-t.conns:
		return c, nil
	case err := <-t.failed:
		t.failed <- err
		return nil, err
	}
}

// Close closes the listener and returns when no handshake is running.
func (t *tlsListener) Close() error {
	err := t.Listener.Close()
	t.cancel()
	t.handshakes.Wait()
	return err
}

// accept continues after temporary errors, such as too many open files.
func (t *tlsListener) accept() {
	defer t.handshakes.Done()
	for failures := 0; ; {
		c, err := t.Listener.Accept()
		if err == nil {
			failures = 0
			t.handshakes.Add(1)
			go t.handshake(c)
			continue
		}
		if failures++; errors.Is(err, net.ErrClosed) || failures > acceptTries {
			t.failed <- err
			return
		}
		t.log.Warn("could not accept a connection", logkey.Error, err)
		select {
		case <-time.After(acceptPause):
		case <-t.ctx.Done():
		}
	}
}

func (t *tlsListener) handshake(raw net.Conn) {
	defer t.handshakes.Done()
	ctx, cancel := context.WithTimeout(t.ctx, headerTimeout)
	defer cancel()
	c := tls.Server(raw, t.config)
	if err := c.HandshakeContext(ctx); err != nil {
		t.log.Debug("a TLS handshake failed", logkey.Client, raw.RemoteAddr(), logkey.Error, err)
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil {
			io.WriteString(raw, "HTTP/1.0 400 Bad Request\r\n\r\nThis port uses HTTPS: the address must start with https://\n")
		}
		raw.Close()
		return
	}
	var out net.Conn = c
	if c.ConnectionState().NegotiatedProtocol != "h2" {
		out = &framedTLSConn{framedConn: framedConn{Conn: c}, tls: c}
	}
	select {
	case t.conns <- out:
	case <-t.ctx.Done():
		raw.Close()
	}
}
