package httpfront

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A framedConn is an HTTP/1 connection. It follows where requests start and end
// to find three errors that RFC 9112 forbids and net/http accepts: a
// Content-Length beside Transfer-Encoding, Transfer-Encoding in HTTP/1.0, and a
// header line that begins with a space or tab and so continues the line before. It
// also finds headers with far too many lines.
// Two servers may disagree about where the next request starts after such an
// error. framedConn removes the colon of the second of the two headers, and
// starts the continued line with one, so that net/http replies with 400 and
// closes the connection. It also removes empty lines before a request line,
// which RFC 9112 section 2.2 allows and net/http refuses.
type framedConn struct {
	net.Conn
	framing framing
	used    atomic.Bool // the client has sent something
	broken  atomic.Bool // reading has failed, and not because the client has closed its sending half

	mu         sync.Mutex // guards the rest
	extended   time.Time  // when the write deadline was last set
	halfClosed bool       // the client has closed its sending half
}

func (c *framedConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if n > 0 && !c.used.Load() {
			c.used.Store(true)
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.broken.Store(true)
		}
		if errors.Is(err, io.EOF) {
			c.closeHalf()
		}
		left := c.framing.scan(p[:n])
		if left > 0 || n == 0 || err != nil {
			return left, err
		}
	}
}

// writeTimeout is how long an HTTP/1 client may take to read the next 64 KiB,
// about, before the server closes its connection.
const writeTimeout = 2 * time.Minute

// Write writes in pieces and sets a deadline for each, so that a client that
// stops reading does not block the server forever.
func (c *framedConn) Write(p []byte) (n int, err error) {
	const piece = 64 << 10
	for {
		c.extend()
		m, err := c.Conn.Write(p[n:min(n+piece, len(p))])
		n += m
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// extend sets the write deadline. It does nothing if the deadline was set a
// moment ago, because setting it costs more than most writes.
func (c *framedConn) extend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := writeTimeout
	if c.halfClosed {
		limit = silenceLimit
	}
	if now := time.Now(); now.Sub(c.extended) > limit/20 {
		c.extended = now
		c.Conn.SetWriteDeadline(now.Add(limit))
	}
}

// closeHalf limits the running write and the next ones to silenceLimit.
func (c *framedConn) closeHalf() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.halfClosed {
		c.halfClosed = true
		c.Conn.SetWriteDeadline(time.Now().Add(silenceLimit))
	}
}

// lost reports whether the connection has ended in both directions.
func (c *framedConn) lost() bool { return c.broken.Load() }

// unused reports whether the client has not sent anything yet.
func (c *framedConn) unused() bool { return !c.used.Load() }

// A framedTLSConn is a framedConn that net/http recognizes as TLS.
type framedTLSConn struct {
	framedConn
	tls *tls.Conn
}

func (c *framedTLSConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// unframed returns the connection beneath a framed one, for use by a WebSocket.
func unframed(c net.Conn) net.Conn {
	switch c := c.(type) {
	case *framedConn:
		return c.Conn
	case *framedTLSConn:
		return c.Conn
	}
	return c
}

// A framedListener wraps the connections of a listener in framedConn.
type framedListener struct{ net.Listener }

func (l framedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &framedConn{Conn: c}, nil
}

// framing is an HTTP/1 parser that finds only where requests, headers and
// bodies end. Its input may come in pieces of any size. If it cannot parse a
// request, net/http refuses that request too.
type framing struct {
	state   func(*framing, []byte) int // parses a part of the input and returns its length
	start   bool                       // no byte of the request line has been seen
	left    int64                      // bytes left of a body or chunk
	lines   int                        // number of header lines so far
	line    [20]byte                   // the start of a header name, or the end of a request line
	n       int                        // length of the text in line; more than len(line) if it is longer
	length  bool                       // content-length has been seen
	chunked bool
	http10  bool
	blank   bool // the line is empty so far
}

// scan parses p, removes empty lines before requests from it, and returns the
// length of the rest.
func (f *framing) scan(p []byte) int {
	if f.state == nil {
		f.startRequest()
	}
	rest, left := p, 0
	for len(rest) > 0 {
		if f.start {
			rest = bytes.TrimLeft(rest, "\r\n")
			f.start = len(rest) == 0
			continue
		}
		n := f.state(f, rest)
		if removed := len(p) - left - len(rest); removed > 0 {
			copy(p[left:], rest[:n])
		}
		left += n
		rest = rest[n:]
	}
	return left
}

// startRequest expects a request line.
func (f *framing) startRequest() { *f = framing{state: (*framing).requestLine, start: true} }

func (f *framing) requestLine(p []byte) int {
	end := bytes.IndexByte(p, '\n')
	part := p
	if end >= 0 {
		part = p[:end]
	}
	f.saveTail(part)
	if end < 0 {
		return len(p)
	}
	tail := bytes.TrimSuffix(f.line[:f.n], []byte("\r"))
	if bytes.HasSuffix(tail, []byte(" HTTP/2.0")) {
		f.state = (*framing).skipAll
		return end + 1
	}
	f.http10 = bytes.HasSuffix(tail, []byte(" HTTP/1.0"))
	f.startLine((*framing).name)
	return end + 1
}

// saveTail stores the last bytes of a line in f.line.
func (f *framing) saveTail(part []byte) {
	if len(part) >= len(f.line) {
		f.n = copy(f.line[:], part[len(part)-len(f.line):])
		return
	}
	if over := f.n + len(part) - len(f.line); over > 0 {
		f.n = copy(f.line[:], f.line[over:f.n])
	}
	f.n += copy(f.line[f.n:], part)
}

func (f *framing) startLine(state func(*framing, []byte) int) {
	f.state, f.n, f.blank = state, 0, true
}

// name parses a header name, or the end of the headers.
func (f *framing) name(p []byte) int {
	for i, c := range p {
		switch {
		case c == '\n':
			if f.blank {
				f.endHead()
			} else {
				f.startLine((*framing).name) // not a header: net/http refuses it
			}
			return i + 1
		case c == ':':
			f.lines++
			if f.conflicts() || f.lines > 2*maxLines {
				p[i] = ' '
			}
			return i + 1
		case c == '\r' && f.n == 0:
			continue
		case (c == ' ' || c == '\t') && f.n == 0: // the line continues the one before
			p[i] = ':'
			f.state = (*framing).skipLine
			return i + 1
		}
		f.blank = false
		if f.n < len(f.line) {
			f.line[f.n] = lowerByte(c)
		}
		f.n++
	}
	return len(p)
}

// conflicts starts the value of a header and reports whether the header is not
// allowed after the previous ones.
func (f *framing) conflicts() bool {
	f.state = (*framing).skipLine
	if f.n > len(f.line) {
		return false
	}
	switch string(f.line[:f.n]) {
	case "content-length":
		f.length, f.left = true, 0
		f.state = (*framing).lengthValue
		return f.chunked
	case "transfer-encoding":
		f.chunked = true
		return f.length || f.http10
	}
	return false
}

func (f *framing) skipLine(p []byte) int {
	end := bytes.IndexByte(p, '\n')
	if end < 0 {
		return len(p)
	}
	f.startLine((*framing).name)
	return end + 1
}

func (f *framing) lengthValue(p []byte) int {
	for i, c := range p {
		switch {
		case '0' <= c && c <= '9' && f.left < 1<<59:
			f.left = 10*f.left + int64(c-'0')
		case c == '\n':
			f.startLine((*framing).name)
			return i + 1
		}
	}
	return len(p)
}

// endHead continues with the body or the next request.
func (f *framing) endHead() {
	switch {
	case f.chunked:
		f.left = 0
		f.startLine((*framing).chunkSize)
	case f.length && f.left > 0:
		f.state = (*framing).body
	default:
		f.startRequest()
	}
}

func (f *framing) body(p []byte) int {
	n := int(min(int64(len(p)), f.left))
	f.left -= int64(n)
	if f.left == 0 {
		f.startRequest()
	}
	return n
}

// chunkSize parses a chunk size and skips the rest of its line.
func (f *framing) chunkSize(p []byte) int {
	for i, c := range p {
		digit := hexDigit(c)
		switch {
		case c == '\n':
			f.endChunkSize()
			return i + 1
		case f.n == 0 && digit >= 0 && f.left < 1<<58:
			f.left = 16*f.left + int64(digit)
		default:
			f.n = 1 // the number has ended
		}
	}
	return len(p)
}

func (f *framing) endChunkSize() {
	if f.left == 0 {
		f.startLine((*framing).trailer)
		return
	}
	f.state = (*framing).chunk
}

func (f *framing) chunk(p []byte) int {
	n := int(min(int64(len(p)), f.left))
	f.left -= int64(n)
	if f.left == 0 {
		f.state = (*framing).chunkEnd
	}
	return n
}

func (f *framing) chunkEnd(p []byte) int {
	end := bytes.IndexByte(p, '\n')
	if end < 0 {
		return len(p)
	}
	f.startLine((*framing).chunkSize)
	return end + 1
}

// trailer skips lines up to an empty one.
func (f *framing) trailer(p []byte) int {
	for i, c := range p {
		switch {
		case c == '\n' && f.blank:
			f.startRequest()
			return i + 1
		case c == '\n':
			f.blank = true
		case c != '\r':
			f.blank = false
		}
	}
	return len(p)
}

// skipAll skips input that is not HTTP/1.
func (f *framing) skipAll(p []byte) int { return len(p) }

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
