package http1

import (
	"bufio"
	"bytes"
	"io"
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
	headers := []Header{{"content-type", "text/html; charset=utf-8"}, {"x-frame-options", "DENY"}, {"vary", "Cookie"}}
	b.Run("here", func(b *testing.B) {
		var dates Dates
		var out []byte
		b.ReportAllocs()
		for b.Loop() {
			h := Head{Minor: 1, Status: 200, Text: "OK", Headers: headers, Date: dates.At(time.Now()), Length: 5}
			out = append(h.Append(out[:0]), "hello"...)
		}
	})
	b.Run("nethttp", func(b *testing.B) { // only the map and the text of net/http's response
		var out bytes.Buffer
		b.ReportAllocs()
		for b.Loop() {
			out.Reset()
			h := make(http.Header, len(headers)+2)
			for _, f := range headers {
				h.Add(f.Name, f.Value)
			}
			h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
			h.Set("Content-Length", "5")
			out.WriteString("HTTP/1.1 200 OK\r\n")
			h.Write(&out)
			out.WriteString("\r\nhello")
		}
	})
}
