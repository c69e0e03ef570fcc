package httpfront

import (
	"net/http"
	"time"

	"asgibox/httpfront/http1"
)

const (
	// writeTimeout is how long an HTTP/1 client may take to read the next
	// writePiece bytes, about, before the server closes its connection.
	writeTimeout = 2 * time.Minute
	// writePiece is how many bytes are written at once, about.
	writePiece = 64 << 10
)

func (c *conn) start(h head) {
	c.head = http1.Head{
		Minor: c.request.Minor, NoBody: c.request.Method == http.MethodHead,
		Status: h.status, Text: http.StatusText(h.status), Headers: h.headers, Date: c.s.dates.At(time.Now()), Length: h.length,
		Close: h.closeConn || c.request.Close || c.service.stopping.Load(),
	}
	b := c.buffer()
	*b = c.head.Append(*b)
}

// buffer returns the bytes of the response that have not been written.
func (c *conn) buffer() *[]byte {
	if c.out == nil {
		c.out = buffers.Get().(*[]byte)
	}
	return c.out
}

func (c *conn) write(content string) error {
	for content != "" {
		n := min(len(content), writePiece)
		b := c.buffer()
		if c.head.Chunked {
			*b = http1.AppendChunk(*b, content[:n])
		} else {
			*b = append(*b, content[:n]...)
		}
		content = content[n:]
		if len(*b) >= writePiece {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *conn) flush() error {
	if c.out == nil {
		return nil
	}
	out := c.out
	c.out = nil
	err := c.writeNow(*out)
	if cap(*out) <= 2*writePiece {
		*out = (*out)[:0]
		buffers.Put(out)
	}
	return err
}

func (c *conn) finish() error {
	if c.head.Chunked {
		b := c.buffer()
		*b = append(*b, http1.LastChunk...)
	}
	return c.flush()
}

func (c *conn) writeNow(p []byte) error {
	c.extend(len(p))
	_, err := c.net.Write(p)
	return err
}

// extend sets the write deadline, so that a client that stops reading does not
// block the server forever. It does nothing if the deadline was set a moment ago,
// because setting it costs more than most writes. It also counts the n bytes that are
// written next.
func (c *conn) extend(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written += int64(n)
	limit := writeTimeout
	if c.halfClosed {
		limit = silenceLimit
	}
	if now := time.Now(); now.Sub(c.extended) > limit/20 {
		c.extended = now
		c.net.SetWriteDeadline(now.Add(limit))
	}
}

func (c *conn) delivered() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written - unread(c.raw)
}

// abort closes the connection, so that a blocked write fails. The system must not
// keep what the client has not read.
func (c *conn) abort() {
	if tcp, ok := c.raw.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	c.raw.Close()
}
