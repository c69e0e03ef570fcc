package httpfront

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/coder/websocket"
)

// A verdict is the result of reading all input of a client.
type verdict struct {
	messages string // opcodes and contents
	err      error
}

func (v *verdict) add(op byte, content []byte) {
	v.messages += string('0'+op) + string(content) + "\n"
}

// ours reads input with a frameReader.
func ours(conn io.Reader) (v verdict) {
	r := &frameReader{conn: conn, compressed: true, heard: func(int) {}, control: func(byte, []byte) {}}
	for {
		op, err := r.next()
		var content []byte
		if err == nil {
			content, err = io.ReadAll(r)
		}
		if v.err = err; err != nil {
			return v
		}
		v.add(op, content)
	}
}

// endless is a connection whose client repeats its input without a pause, up to 1,000
// reads.
type endless struct {
	net.Conn
	input string
	reads int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.reads++; e.reads > 1000 {
		return 0, io.EOF
	}
	return copy(p, strings.Repeat(e.input, len(p)/len(e.input))), nil
}

// TestFramesWithoutMessagesLetOthersRun runs the reader of a client that sends without a
// pause on the only processor.
func TestFramesWithoutMessagesLetOthersRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for name, input := range map[string]string{"pongs": "\x8a\x80mask", "empty fragments": "\x00\x80mask"} {
		var ran atomic.Bool
		go ran.Store(true)
		ours(io.MultiReader(strings.NewReader("\x01\x80mask"), &endless{input: input}))
		if !ran.Load() {
			t.Errorf("%s: no other goroutine ran", name)
		}
	}
}

// theirs reads input with coder/websocket.
func theirs(t *testing.T, input []byte) (v verdict) {
	r := &http.Request{Method: "GET", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Extensions": {"permessage-deflate"},
	}}
	c, err := websocket.Accept(&bytesUpgrade{input: bytes.NewReader(input)}, r,
		&websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	for {
		op, content, err := c.Read(context.Background())
		if v.err = err; err != nil {
			return v
		}
		v.add(byte(op), content)
	}
}

// isMisread reports whether the library misreads a message: it takes the end of the
// connection for the end of a message, and compressed data after a final block for a
// frame.
func isMisread(input []byte) bool {
	r := &frameReader{conn: bytes.NewReader(input), compressed: true, heard: func(int) {}, control: func(byte, []byte) {}}
	for {
		if _, err := r.next(); err != nil {
			return false
		}
		content, err := io.ReadAll(payload{r})
		if err != nil {
			return true
		}
		if r.packed {
			z := flate.NewReader(strings.NewReader(string(content) + "\x00\x00\xff\xff"))
			if _, err := io.Copy(io.Discard, z); err == nil {
				return true
			}
		}
	}
}

// A bytesUpgrade is a hijacked connection with input and without output.
type bytesUpgrade struct {
	http.ResponseWriter
	net.Conn
	input io.Reader
}

func (u *bytesUpgrade) Header() http.Header         { return http.Header{} }
func (u *bytesUpgrade) WriteHeader(int)             {}
func (u *bytesUpgrade) Read(p []byte) (int, error)  { return u.input.Read(p) }
func (u *bytesUpgrade) Write(p []byte) (int, error) { return len(p), nil }
func (u *bytesUpgrade) Close() error                { return nil }
func (u *bytesUpgrade) SetDeadline(time.Time) error { return nil }
func (u *bytesUpgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return u, bufio.NewReadWriter(bufio.NewReader(u), bufio.NewWriter(u)), nil
}

// FuzzFrames compares frameReader with the reader of coder/websocket, which must
// receive the same messages and the same close code. These differences are allowed:
//
//   - frameReader fails with the first byte that shows an error, and the library when
//     the header is complete.
//   - The library accepts compressed data that ends too early, and misreads some
//     messages (isMisread). frameReader accepts such data only if a final block lacks as
//     many bytes as deflateTail has; these are its last ones then.
//   - Only frameReader checks that the reason in a close frame is UTF-8.
func FuzzFrames(f *testing.F) {
	add := func(frames ...frame) {
		var b bytes.Buffer
		for _, f := range frames {
			b.Write(f.bytes())
		}
		f.Add(b.Bytes())
	}
	add(text("hé"), binaryFrame("\xff"), text(""))
	add(frame{0x01, "a"}, frame{0x89, "p"}, frame{0x00, ""}, frame{0x80, "b"}, closeFrame(1000, "bye"))
	add(text(strings.Repeat("x", 126)), text(strings.Repeat("x", 1000)), frame{0x8a, ""}, closeFrame(0, ""))
	add(frame{0xc1, compress(strings.Repeat("again and ", 100))}, text("a"))
	add(frame{0x41, compress("fragments")[:5]}, frame{0x89, ""}, frame{0x80, compress("fragments")[5:]}, text("a"))
	add(frame{0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"}, text("a")) // a final block and a byte of padding
	add(frame{0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00"}, text("a"))     // without the padding
	add(frame{0xc1, "\x00"}, frame{0xc1, ""}, frame{0xc1, "\xf3\x48\xcd"})
	add(frame{0xc1, "\x01\x09\x00\xf6\xff"}, text("a")) // a final block without its 9 bytes
	add(frame{0xc1, "\x01\x04\x00\xfb\xff"}, text("a")) // without 4 bytes
	add(closeFrame(1000, "\xff"))
	add(closeFrame(1005, ""))
	add(frame{0x01, "a"}, text("b"))
	f.Add([]byte("\x81\x01a"))
	f.Add([]byte("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04"))
	f.Fuzz(func(t *testing.T, input []byte) {
		got := ours(bytes.NewReader(input))
		for name, pieces := range map[string]io.Reader{
			"bytes": iotest.OneByteReader(bytes.NewReader(input)), "halves": iotest.HalfReader(bytes.NewReader(input)),
			"the end with data": iotest.DataErrReader(bytes.NewReader(input)),
		} {
			if v := ours(pieces); v != got {
				t.Errorf("%s: %q, %v; whole: %q, %v", name, v.messages, v.err, got.messages, got.err)
			}
		}
		if strings.Contains(got.messages, deflateTail) {
			return
		}
		want := theirs(t, input)
		if got.err == error(errFrame) {
			// The library may see it later, or not at all, but must receive no less before.
			if !strings.HasPrefix(want.messages, got.messages) {
				t.Errorf("got %q before an error, want %q", got.messages, want.messages)
			}
			return
		}
		var closed closedError
		code := websocket.StatusCode(-1)
		if errors.As(got.err, &closed) {
			code = websocket.StatusCode(closed.code())
		}
		switch {
		case got.messages != want.messages && !isMisread(input):
			t.Errorf("got %q, %v; want %q, %v", got.messages, got.err, want.messages, want.err)
		case got.messages == want.messages && got.err != error(errReason) && code != websocket.CloseStatus(want.err):
			t.Errorf("got %v, want %v", got.err, want.err)
		}
	})
}
