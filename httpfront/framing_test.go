package httpfront

import (
	"io"
	"testing"
	"testing/synctest"

	"asgibox/asgi"
)

const probe = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"

// TestFramingIsUnambiguous checks that ambiguous framing is refused or parsed as
// RFC 9112 demands. A second request follows each one. It must be served if the
// first is accepted, and must not be served if the first is refused.
func TestFramingIsUnambiguous(t *testing.T) {
	for _, c := range []struct {
		name, head, rest string
		status           int // of a refusal; 0 if the application gets the request
		body             string
	}{
		{"a length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n", "abc", 0, "abc"},
		{"chunks", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nab\r\n1;x=y\r\nc\r\n0\r\nTrailer: t\r\n\r\n", 0, "abc"},
		{"chunked in capitals", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", 0, "abc"},
		{"the same length twice is one", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", "abc", 0, "abc"},
		{"no framing is no body", "POST / HTTP/1.1\r\nHost: h\r\n\r\n", "", 0, ""},
		{"a body on GET", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", "a", 0, "a"},

		{"two lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "abcd", 400, ""},
		{"a list of lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\n", "abc", 400, ""},
		{"length and chunking", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n", 400, ""},
		{"chunking and length", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "0\r\n\r\n", 400, ""},
		{"chunking and a length of zero", "POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding:chunked\r\ncontent-length:0\r\n\r\n", "0\r\n\r\n", 400, ""},
		{"chunking in HTTP/1.0", "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n", 400, ""},
		{"a negative length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", "", 400, ""},
		{"a length with a sign", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\n", "abc", 400, ""},
		{"a length in hex", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x3\r\n\r\n", "abc", 400, ""},
		{"an empty length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\n", "", 400, ""},
		{"a length past 64 bits", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", "", 400, ""},
		{"another coding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", "", 501, ""},
		{"two codings", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "", 501, ""},
		{"identity", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", "", 501, ""},
		{"chunked twice", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n", 501, ""},
		{"a disguised coding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n", "0\r\n\r\n", 501, ""},
		{"a vertical tab", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", "0\r\n\r\n", 400, ""},
		{"a space before the colon", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\n", "abc", 400, ""},
		{"a tab before the colon", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding\t: chunked\r\n\r\n", "0\r\n\r\n", 400, ""},
		{"a name that is no token", "GET / HTTP/1.1\r\nHost: h\r\nX\"Y: 1\r\n\r\n", "", 400, ""},
		{"an empty name", "GET / HTTP/1.1\r\nHost: h\r\n: 1\r\n\r\n", "", 400, ""},
		{"a line without a colon", "GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n", "", 400, ""},
		{"a NUL in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", "", 400, ""},
		{"a bare CR in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n", "", 400, ""},
		{"a fold in the first header", "GET / HTTP/1.1\r\n X: 1\r\nHost: h\r\n\r\n", "", 400, ""},
		{"a fold in a later header", "GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\n\t2\r\n\r\n", "", 400, ""},
		{"a folded length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n 44\r\n\r\n", "X / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, ""},
		{"a folded coding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\n chunked\n\n", "0\r\n\r\n", 400, ""},
		{"a fold that is an empty line", "GET / HTTP/1.1\r\nHost: h\r\n \r\n\r\n", "", 400, ""},
		{"empty lines before the request line", "\r\n\n\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n", "abc\r\n\r\n", 0, "abc"},
		{"no host", "GET / HTTP/1.1\r\n\r\n", "", 400, ""},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "", 400, ""},
		{"a host that is none", "GET / HTTP/1.1\r\nHost: a/b c\r\n\r\n", "", 400, ""},
		{"HTTP/2 unasked", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "", 505, ""},
		{"HTTP/0.9", "GET / HTTP/0.9\r\nHost: h\r\n\r\n", "", 505, ""},
		{"a method that is no token", "G@T / HTTP/1.1\r\nHost: h\r\n\r\n", "", 400, ""},
		{"a chunk without a size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "\r\n\r\n", 400, ""},
		{"a chunk size in decimal disguise", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n", 400, ""},
		{"a negative chunk", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "-1\r\nabc\r\n0\r\n\r\n", 400, ""},
		{"a chunk size past 64 bits", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n", 400, ""},
		{"a chunk longer than its size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nabc\r\n0\r\n\r\n", 400, ""},
		{"a chunk line that ends in a bare LF", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "3\nabc\n0\n\n", 400, ""},
		{"an unknown expectation", "POST / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n", "a", 417, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client := s.dial()
				client.write(c.head + c.rest + probe)
				if c.status != 0 {
					client.response().check(t, c.status)
					if !client.ended() {
						t.Error("the connection is still open")
					}
					if n := s.layer.waiting("http.request"); n != 0 {
						t.Errorf("it was sent to the application: %v", s.next("http.request"))
					}
					return
				}
				m := s.next("http.request")
				if m.Bytes("body") != asgi.Bytes(c.body) {
					t.Errorf("body %q", m.Bytes("body"))
				}
				s.reply(m, msg{"status": 200})
				client.response().check(t, 200)
				if m := s.next("http.request"); m.Text("path") != "/smuggled" {
					t.Errorf("the next request is %v", m)
				}
			})
		})
	}
}

// TestPipelinedRequestsAreServedInOrder also checks their reply channels.
func TestPipelinedRequestsAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.write("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhiGET /3 HTTP/1.1\r\nHost: h\r\n\r\n")
		seen := map[string]bool{}
		for _, want := range []string{"/1", "/2", "/3"} {
			m := s.next("http.request")
			if m.Text("path") != want || seen[m.Text("reply_channel")] {
				t.Errorf("%v after %v", m, seen)
			}
			seen[m.Text("reply_channel")] = true
			s.reply(m, msg{"status": 200, "content": want})
			if a := c.response(); a.body != want {
				t.Errorf("got %q, want %s", a.body, want)
			}
		}
	})
}

// TestExpectedContinueIsSent checks that a refused body gets no 100.
func TestExpectedContinueIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{MaxBody: 10})
		c := s.dial()
		c.write("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
		want := "HTTP/1.1 100 Continue\r\n\r\n"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c.r, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
		c.write("hi")
		s.reply(s.next("http.request"), msg{"status": 200})
		c.response().check(t, 200)
		c.write("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
		c.response().check(t, 413)
	})
}
