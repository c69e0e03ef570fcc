package httpfront

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
)

const handshake = "GET /ws?a=b HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// A frame is one WebSocket frame.
type frame struct {
	first   byte // FIN, reserved bits, opcode
	payload string
}

func text(s string) frame        { return frame{0x81, s} }
func binaryFrame(s string) frame { return frame{0x82, s} }

// closeFrame returns a close frame with a code, or without one if it is zero.
func closeFrame(code int, reason string) frame {
	if code == 0 {
		return frame{0x88, ""}
	}
	return frame{0x88, string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason}
}

// bytes masks the frame, as a client must.
func (f frame) bytes() []byte {
	key := [4]byte{1, 2, 3, 4}
	b := append(f.head(0x80), key[:]...)
	for i := range len(f.payload) {
		b = append(b, f.payload[i]^key[i%4])
	}
	return b
}

func (f frame) head(mask byte) []byte {
	b := []byte{f.first}
	switch n := len(f.payload); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	return b
}

// connect sends a handshake and returns the application's side of it.
func (s *memServer) connect(headers ...string) (*client, *application) {
	s.t.Helper()
	c := s.dial()
	c.write(handshake + lines(headers) + "\r\n")
	m := s.next("websocket.connect")
	return c, &application{s, m.Text("reply_channel")}
}

// open is connect with an accepted handshake.
func (s *memServer) open(headers ...string) (*client, *application) {
	s.t.Helper()
	c, app := s.connect(headers...)
	app.reply(msg{"accept": true})
	c.accepted()
	return c, app
}

// An application is the application's side of a socket.
type application struct {
	s       *memServer
	channel string
}

func (a *application) reply(kv msg) {
	a.s.t.Helper()
	if err := a.send(kv); err != nil {
		a.s.t.Fatalf("reply: %v", err)
	}
}

func (a *application) send(kv msg) error {
	return a.s.layer.Send(a.s.t.Context(), nil, a.channel, fields(a.s.t, kv))
}

// disconnected waits for websocket.disconnect and checks that there is only one.
func (a *application) disconnected(code, order int) {
	a.s.t.Helper()
	m := a.s.next("websocket.disconnect")
	if m.Text("reply_channel") != a.channel || m.Text("path") != "/ws" || m.Int("code") != int64(code) || m.Int("order") != int64(order) {
		a.s.t.Errorf("disconnect is %v, want code %d, order %d", m, code, order)
	}
	if !a.s.layer.hasLeft(a.channel) {
		a.s.t.Error("it has not left its groups")
	}
}

// accepted reads the 101 response.
func (c *client) accepted() http.Header {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("no response to the handshake: %v", err)
	}
	if res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		c.t.Fatalf("the handshake got %v %v", res.Status, res.Header)
	}
	return res.Header
}

func (c *client) frames(frames ...frame) {
	var b bytes.Buffer
	for _, f := range frames {
		b.Write(f.bytes())
	}
	c.write(b.String())
}

// read reads one frame.
func (c *client) frame() (frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return frame{}, err
	}
	n := int(head[1])
	switch n {
	case 126:
		var b [2]byte
		io.ReadFull(c.r, b[:])
		n = int(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		io.ReadFull(c.r, b[:])
		n = int(binary.BigEndian.Uint64(b[:]))
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(c.r, payload)
	return frame{head[0], string(payload)}, err
}

// gets reads frames and compares them with want.
func (c *client) gets(want ...frame) {
	c.t.Helper()
	for _, w := range want {
		got, err := c.frame()
		if err != nil || got != w {
			c.t.Fatalf("frame %s (%v), want %s", got, err, w)
		}
	}
}

// closed reads a close frame, replies to it and waits for the connection's end.
func (c *client) closed(code int, reason string) {
	c.t.Helper()
	c.gets(closeFrame(code, reason))
	c.frames(closeFrame(code, ""))
	if !c.ended() {
		c.t.Error("the connection is still open after the close")
	}
}

func (f frame) String() string { return fmt.Sprintf("%02x %.60q", f.first, f.payload) }
