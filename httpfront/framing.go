package httpfront

import (
	"bytes"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

// A framedConn is a connection of HTTP/1. It watches where requests begin and
// end, for what net/http lets pass and RFC 9112 does not: a length beside chunking, and
// chunking in HTTP/1.0. Two readers of such a request may disagree about where
// the next one begins. The second of the two headers loses its colon, so that
// net/http answers 400 and closes the connection.
type framedConn struct {
	net.Conn
	framing framing
	spoken  atomic.Bool // the client has sent something

	extended time.Time // when the time limit for writing was last set; the writer's
}

func (c *framedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.spoken.Load() {
		c.spoken.Store(true)
	}
	c.framing.scan(p[:n])
	return n, err
}

// stalled is how long a client of HTTP/1 may take for the next 64 KiB of what
// is written to it, give or take a little, before its connection is cut.
const stalled = 2 * time.Minute

// Write bounds how long a client that has stopped reading can hold what waits
// for it.
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

// extend sets the time limit for writing, unless it was set a moment ago: it
// costs more than most writes.
func (c *framedConn) extend() {
	const moment = stalled / 20
	if now := time.Now(); now.Sub(c.extended) > moment {
		c.extended = now
		c.Conn.SetWriteDeadline(now.Add(stalled))
	}
}

// silent reports whether the client has not begun a first request.
func (c *framedConn) silent() bool { return !c.spoken.Load() }

// A framedTLSConn tells net/http that it is secure.
type framedTLSConn struct {
	framedConn
	tls *tls.Conn
}

func (c *framedTLSConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// unframed answers the connection that a socket goes on with.
func unframed(c net.Conn) net.Conn {
	switch c := c.(type) {
	case *framedConn:
		return c.Conn
	case *framedTLSConn:
		return c.Conn
	}
	return c
}

// A framedListener is a listener for plain connections.
type framedListener struct{ net.Listener }

func (l framedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &framedConn{Conn: c}, nil
}

// framing is a reader of HTTP/1 that knows nothing but where things end. It
// may be fed in pieces of any size. Where it loses its way net/http refuses
// the request anyhow.
type framing struct {
	in      func(*framing, []byte) int // reads a part and answers how much it took
	left    int64                      // of a body or chunk
	line    [20]byte                   // the beginning of a name, or the end of a request line
	n       int                        // bytes of it; more than fit if it is longer
	length  bool                       // content-length has been seen
	chunked bool
	old     bool // HTTP/1.0
	blank   bool // the line has had nothing in it yet
}

func (f *framing) scan(p []byte) {
	if f.in == nil {
		f.begin()
	}
	for len(p) > 0 {
		p = p[f.in(f, p):]
	}
}

// begin expects a request line.
func (f *framing) begin() { *f = framing{in: (*framing).requestLine, blank: true} }

func (f *framing) requestLine(p []byte) int {
	end := bytes.IndexByte(p, '\n')
	part := p
	if end >= 0 {
		part = p[:end]
	}
	f.keepTail(part)
	if end < 0 {
		return len(p)
	}
	tail := bytes.TrimSuffix(f.line[:f.n], []byte("\r"))
	switch {
	case len(tail) == 0: // an empty line before a request
	case bytes.HasSuffix(tail, []byte(" HTTP/2.0")):
		f.in = (*framing).whatever
		return end + 1
	default:
		f.old = bytes.HasSuffix(tail, []byte(" HTTP/1.0"))
		f.startLine((*framing).name)
		return end + 1
	}
	f.n = 0
	return end + 1
}

// keepTail keeps the last bytes of a line in f.line.
func (f *framing) keepTail(part []byte) {
	if len(part) >= len(f.line) {
		f.n = copy(f.line[:], part[len(part)-len(f.line):])
		return
	}
	if over := f.n + len(part) - len(f.line); over > 0 {
		f.n = copy(f.line[:], f.line[over:f.n])
	}
	f.n += copy(f.line[f.n:], part)
}

func (f *framing) startLine(in func(*framing, []byte) int) {
	f.in, f.n, f.blank = in, 0, true
}

// name reads a header's name, or the end of the head.
func (f *framing) name(p []byte) int {
	for i, c := range p {
		switch {
		case c == '\n':
			if f.blank {
				f.endHead()
			} else {
				f.startLine((*framing).name) // no header: net/http refuses it
			}
			return i + 1
		case c == ':':
			if f.spoils() {
				p[i] = ' '
			}
			return i + 1
		case c == '\r' && f.n == 0:
			continue
		}
		f.blank = false
		if f.n < len(f.line) {
			f.line[f.n] = lowerByte(c)
		}
		f.n++
	}
	return len(p)
}

// spoils looks at a whole name and reports whether it may not be there.
func (f *framing) spoils() bool {
	f.in = (*framing).skipLine
	if f.n > len(f.line) {
		return false
	}
	switch string(f.line[:f.n]) {
	case "content-length":
		f.length, f.left = true, 0
		f.in = (*framing).lengthValue
		return f.chunked
	case "transfer-encoding":
		f.chunked = true
		return f.length || f.old
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

// endHead goes on to what follows the head.
func (f *framing) endHead() {
	switch {
	case f.chunked:
		f.left = 0
		f.startLine((*framing).chunkSize)
	case f.length && f.left > 0:
		f.in = (*framing).body
	default:
		f.begin()
	}
}

func (f *framing) body(p []byte) int {
	n := int(min(int64(len(p)), f.left))
	f.left -= int64(n)
	if f.left == 0 {
		f.begin()
	}
	return n
}

// chunkSize reads a size; what follows it on the line is skipped.
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
	f.in = (*framing).chunk
}

func (f *framing) chunk(p []byte) int {
	n := int(min(int64(len(p)), f.left))
	f.left -= int64(n)
	if f.left == 0 {
		f.in = (*framing).chunkEnd
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
			f.begin()
			return i + 1
		case c == '\n':
			f.blank = true
		case c != '\r':
			f.blank = false
		}
	}
	return len(p)
}

// whatever follows is not HTTP/1.
func (f *framing) whatever(p []byte) int { return len(p) }

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
