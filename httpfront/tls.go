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
)

// How often, and how soon, a listener that fails is tried again.
const (
	acceptTries = 100
	acceptPause = 100 * time.Millisecond
)

// A tlsListener shakes hands before it hands a connection out, so that one
// that will speak HTTP/1 can be watched like a plain one (see framedConn) and
// one that will speak HTTP/2 is what net/http expects.
type tlsListener struct {
	net.Listener
	config *tls.Config
	log    *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	conns  chan net.Conn
	failed chan error
	begun  sync.Once
	hands  sync.WaitGroup
}

func newTLSListener(l net.Listener, config *tls.Config, log *slog.Logger) *tlsListener {
	config = config.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	t := &tlsListener{Listener: l, config: config, log: log, conns: make(chan net.Conn), failed: make(chan error, 1)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

func (t *tlsListener) Accept() (net.Conn, error) {
	t.begun.Do(func() {
		t.hands.Add(1)
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

// Close returns when no hand is being shaken any more.
func (t *tlsListener) Close() error {
	err := t.Listener.Close()
	t.cancel()
	t.hands.Wait()
	return err
}

// accept goes on over errors that pass, like too many open files.
func (t *tlsListener) accept() {
	defer t.hands.Done()
	for failures := 0; ; {
		c, err := t.Listener.Accept()
		if err == nil {
			failures = 0
			t.hands.Add(1)
			go t.shake(c)
			continue
		}
		if failures++; errors.Is(err, net.ErrClosed) || failures > acceptTries {
			t.failed <- err
			return
		}
		t.log.Warn("a connection could not be accepted", keyError, err)
		select {
		case <-time.After(acceptPause):
		case <-t.ctx.Done():
		}
	}
}

func (t *tlsListener) shake(raw net.Conn) {
	defer t.hands.Done()
	ctx, cancel := context.WithTimeout(t.ctx, headerTimeout)
	defer cancel()
	c := tls.Server(raw, t.config)
	if err := c.HandshakeContext(ctx); err != nil {
		t.log.Debug("a TLS handshake failed", keyClient, raw.RemoteAddr(), keyError, err)
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil {
			io.WriteString(raw, "HTTP/1.0 400 Bad Request\r\n\r\nThis port speaks HTTPS: the address begins with https://\n")
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
