package load

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Errors of Resolve.
var (
	ErrNotURL      = errors.New("not a URL like http://127.0.0.1:8000/ or ws://127.0.0.1:8000/chat")
	ErrNotLoopback = errors.New("not an address of this machine (loopback)")
)

// A Server is the server under load.
type Server struct {
	URL       *url.URL
	Addresses []string      // with ports; clients try one after another
	TLS       *tls.Config   // nil without TLS
	Timeout   time.Duration // time limit of an operation
}

// Resolve returns the server of a URL, with a time limit of ten seconds. Each of
// its addresses must be a loopback address, unless remote is set.
func Resolve(ctx context.Context, text string, remote bool) (*Server, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is %w", text, ErrNotURL)
	}
	s := &Server{URL: u, Timeout: 10 * time.Second}
	port := "80"
	switch u.Scheme {
	case "http", "ws":
	case "https", "wss":
		port = "443"
		s.TLS = &tls.Config{ServerName: u.Hostname()}
	default:
		return nil, fmt.Errorf("%q is %w", text, ErrNotURL)
	}
	if u.User != nil {
		return nil, fmt.Errorf("%s: a user name in the URL is not supported; send the header Authorization", u.Redacted())
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return nil, fmt.Errorf("look up the host of %s: %w", text, err)
	}
	for _, ip := range found {
		if ip = ip.Unmap(); !remote && !ip.IsLoopback() {
			return nil, fmt.Errorf("%s (%s) is %w", u.Hostname(), ip, ErrNotLoopback)
		}
		s.Addresses = append(s.Addresses, net.JoinHostPort(ip.String(), cmp.Or(u.Port(), port)))
	}
	return s, nil
}

// IsWebSocket reports whether the URL is one of a WebSocket.
func (s *Server) IsWebSocket() bool { return strings.HasPrefix(s.URL.Scheme, "ws") }

// head returns the first lines of a request.
func (s *Server) head(method string, header []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, s.URL.RequestURI())
	host := true
	for _, line := range header {
		host = host && !strings.HasPrefix(strings.ToLower(line), "host:")
		b.WriteString(line + "\r\n")
	}
	if host {
		b.WriteString("Host: " + s.URL.Host + "\r\n")
	}
	return b.String()
}

// A connection is a connection to the server, or none.
type connection struct {
	server *Server
	conn   net.Conn // nil if there is none
	r      *bufio.Reader
	cancel func() bool
}

// open connects. The end of ctx closes the connection.
func (c *connection) open(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, c.server.Timeout)
	defer cancel()
	var conn net.Conn
	var err error
	for _, address := range c.server.Addresses {
		if conn, err = (&net.Dialer{}).DialContext(limited, "tcp", address); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	if c.server.TLS != nil {
		secure := tls.Client(conn, c.server.TLS)
		if err := secure.HandshakeContext(limited); err != nil {
			conn.Close()
			return &opError{Security, err}
		}
		conn = secure
	}
	c.conn = conn
	c.cancel = context.AfterFunc(ctx, func() { conn.Close() })
	if c.r == nil {
		c.r = bufio.NewReader(conn)
	} else {
		c.r.Reset(conn)
	}
	return nil
}

// Close closes the connection.
func (c *connection) Close() {
	if c.conn != nil {
		c.cancel()
		c.conn.Close()
		c.conn = nil
	}
}

// explain says how long an operation has taken that has not ended in time.
func (c *connection) explain(err error) error {
	if KindOf(err) == Timeout {
		return &opError{Timeout, fmt.Errorf("not completed within %v: %w", c.server.Timeout, err)}
	}
	return err
}

// line returns the next line, or the first part of a very long one. It is valid
// until the next read.
func (c *connection) line() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	first := append([]byte(nil), line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = c.r.ReadSlice('\n')
	}
	return first, err
}

// status reads the first line of a response and returns the status.
func (c *connection) status() (status int, keepAlive bool, err error) {
	line, err := c.line()
	if err != nil && len(line) == 0 {
		return 0, false, err
	}
	if len(line) < len("HTTP/1.1 200") || string(line[:7]) != "HTTP/1." {
		return 0, false, invalid(fmt.Sprintf("the response is not HTTP/1: %.60q", line))
	}
	for _, digit := range line[9:12] {
		if digit < '0' || digit > '9' {
			return 0, false, invalid(fmt.Sprintf("the response has no status: %.60q", line))
		}
		status = 10*status + int(digit-'0')
	}
	return status, line[7] == '1', err
}
