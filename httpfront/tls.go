package httpfront

import (
	"crypto/tls"
	"errors"
	"io"
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

// secure completes the TLS handshake.
func (c *conn) secure() bool {
	secured := tls.Server(c.raw, c.service.tls)
	c.raw.SetDeadline(c.headBy)
	if err := secured.Handshake(); err != nil {
		c.s.log.Debug("a TLS handshake failed", logkey.Client, endpointString(c.peer.client), logkey.Error, err)
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil {
			io.WriteString(c.raw, "HTTP/1.0 400 Bad Request\r\n\r\nThis port uses HTTPS: the address must start with https://\n")
		}
		c.raw.Close()
		return false
	}
	c.raw.SetDeadline(time.Time{})
	if secured.ConnectionState().NegotiatedProtocol == "h2" {
		c.handOver(secured)
		return false
	}
	c.net = secured
	return true
}
