package httpfront

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"time"

	"asgibox/httpfront/http1"
	"asgibox/internal/logkey"
)

// open prepares a new connection. It returns false if the connection needs no
// service here: the TLS handshake failed, or net/http serves it because it uses
// HTTP/2.
func (c *conn) open() bool {
	c.headBy = time.Now().Add(headerTimeout)
	c.peer = newPeer(c.raw, c.service.tls != nil)
	if c.service.tls != nil && !c.secure() {
		return false
	}
	c.in = http1.NewReader(c, c.s.headLimits)
	return true
}

// maxHandshake is how many bytes a client may send in a TLS handshake. Usual clients
// send less than 2 KiB. Package tls alone would keep 64 KiB of each client that does not
// complete its handshake.
const maxHandshake = 8 << 10

var errHandshakeTooLong = fmt.Errorf("the client sent more than %d KiB in the handshake", maxHandshake>>10)

// A handshakeConn limits what a client sends until the handshake is done.
type handshakeConn struct {
	net.Conn
	left  int
	http2 bool // a place in Server.http2 is reserved
	done  bool // not changed after the handshake
}

func (c *handshakeConn) Read(b []byte) (int, error) {
	if c.done {
		if c.http2 {
			runtime.Gosched() // as in earlyConn
		}
		return c.Conn.Read(b)
	}
	if c.left == 0 {
		return 0, errHandshakeTooLong
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}

// tlsConfig returns the configuration for clients. It offers HTTP/2 only to a client for
// which there is a place.
func (s *Server) tlsConfig() *tls.Config {
	config := s.opts.TLS.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	http1 := config.Clone()
	http1.NextProtos = []string{"http/1.1"}
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if own := s.opts.TLS.GetConfigForClient; own != nil {
			if c, err := own(hello); c != nil || err != nil {
				return c, err
			}
		}
		if !slices.Contains(hello.SupportedProtos, "h2") {
			return nil, nil
		}
		c := hello.Conn.(*handshakeConn)
		if c.http2 = s.http2.reserve(); !c.http2 {
			return http1, nil
		}
		return nil, nil
	}
	return config
}

// secure completes the TLS handshake.
func (c *conn) secure() bool {
	limited := &handshakeConn{Conn: c.raw, left: maxHandshake}
	secured := tls.Server(limited, c.service.tls)
	c.raw.SetDeadline(c.headBy)
	err := secured.Handshake()
	usesHTTP2 := err == nil && secured.ConnectionState().NegotiatedProtocol == "h2"
	if limited.http2 && !usesHTTP2 {
		c.s.http2.release()
	}
	if err != nil {
		c.s.log.Debug("a TLS handshake failed", logkey.Client, endpointString(c.peer.client), logkey.Error, err)
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil {
			io.WriteString(c.raw, "HTTP/1.0 400 Bad Request\r\n\r\nThis port uses HTTPS: the address must start with https://\n")
		}
		c.raw.Close()
		return false
	}
	limited.done = true
	c.raw.SetDeadline(time.Time{})
	if usesHTTP2 {
		c.handOver(secured, limited.http2)
		return false
	}
	c.net = secured
	return true
}
