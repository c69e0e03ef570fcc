package http1

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// An endless connection repeats its input.
type endless struct {
	in  string
	pos int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.in[e.pos:])
	e.pos = (e.pos + n) % len(e.in)
	return n, nil
}

var requests = []struct{ name, in string }{
	{"curl", "GET / HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"},
	{"browser", browserGet},
	{"browsers in turn", browserGet + strings.Replace(browserGet, "Safari", "safari", 1)},
	{"post", post("Content-Type: application/json\r\nContent-Length: 20", strings.Repeat("x", 20))},
}

func BenchmarkReadRequest(b *testing.B) {
	for _, c := range requests {
		b.Run(c.name+"/here", func(b *testing.B) {
			r := NewReader(&endless{in: c.in}, limits)
			body := make([]byte, 64)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
				for !r.BodyDone() {
					r.Read(body)
				}
			}
		})
		b.Run(c.name+"/nethttp", func(b *testing.B) {
			r := bufio.NewReader(&endless{in: c.in})
			b.ReportAllocs()
			for b.Loop() {
				q, err := http.ReadRequest(r)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, q.Body)
			}
		})
	}
}

func BenchmarkChunkedBody(b *testing.B) {
	chunk := string(AppendChunk(nil, strings.Repeat("x", 32<<10)))
	in := chunked + strings.Repeat(chunk, 32) + LastChunk
	b.Run("here", func(b *testing.B) {
		r := NewReader(&endless{in: in}, limits)
		body := make([]byte, 64<<10)
		b.SetBytes(1 << 20)
		for b.Loop() {
			r.Next()
			for !r.BodyDone() {
				r.Read(body)
			}
		}
	})
	b.Run("nethttp", func(b *testing.B) {
		r := bufio.NewReader(&endless{in: in})
		body := make([]byte, 64<<10)
		b.SetBytes(1 << 20)
		for b.Loop() {
			q, _ := http.ReadRequest(r)
			io.CopyBuffer(io.Discard, struct{ io.Reader }{q.Body}, body)
		}
	})
}

func BenchmarkWriteResponse(b *testing.B) {
	var dates Dates
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = appendResponse(out[:0], &dates)
	}
}

var responseHeaders = []Header{{"content-type", "text/html; charset=utf-8"}, {"x-frame-options", "DENY"}, {"vary", "Cookie"}}

func appendResponse(b []byte, dates *Dates) []byte {
	h := Head{Minor: 1, Status: 200, Text: "OK", Headers: responseHeaders, Date: dates.At(time.Now()), Length: 5}
	return append(h.Append(b), "hello"...)
}

// BenchmarkExchange reads a request and writes a response. There are no system
// calls.
func BenchmarkExchange(b *testing.B) {
	const in = browserGet
	b.Run("here", func(b *testing.B) {
		r := NewReader(&endless{in: in}, limits)
		var dates Dates
		var out []byte
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Next(); err != nil {
				b.Fatal(err)
			}
			out = appendResponse(out[:0], &dates)
		}
	})
	b.Run("nethttp", func(b *testing.B) {
		b.ReportAllocs()
		c := &benchConn{endless: endless{in: in}, left: b.N, done: make(chan struct{})}
		(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for _, f := range responseHeaders {
				w.Header().Set(f.Name, f.Value)
			}
			io.WriteString(w, "hello")
			c.left--
		})}).Serve(&benchListener{c})
		<-c.done
	})
}

// A benchConn is a connection that ends after some requests.
type benchConn struct {
	net.Conn
	endless
	left int
	done chan struct{}
}

func (c *benchConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.EOF
	}
	return c.endless.Read(p)
}

func (c *benchConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *benchConn) Close() error                     { close(c.done); return nil }
func (c *benchConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *benchConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *benchConn) SetDeadline(time.Time) error      { return nil }
func (c *benchConn) SetReadDeadline(time.Time) error  { return nil }
func (c *benchConn) SetWriteDeadline(time.Time) error { return nil }

// A benchListener accepts one connection.
type benchListener struct{ conn net.Conn }

func (l *benchListener) Accept() (net.Conn, error) {
	c := l.conn
	if l.conn = nil; c == nil {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l *benchListener) Close() error   { return nil }
func (l *benchListener) Addr() net.Addr { return &net.TCPAddr{} }
