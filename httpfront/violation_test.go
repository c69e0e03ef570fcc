package httpfront

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSocketThatViolatesTheProtocolEndsAtOnce uses clients that send a frame
// that is not allowed and then nothing, not even a close frame.
func TestSocketThatViolatesTheProtocolEndsAtOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		send   frame
		code   int
		reason string // "" means any
	}{
		{"an illegal close code", closeFrame(999, ""), 1002, "\x03\xea"},
		{"an unknown opcode", frame{0x83, "a"}, 1002, ""},
		{"text that is not UTF-8", text("\xff"), 1007, "text that is not UTF-8"},
		{"a message that is too long", text(strings.Repeat("x", 1001)), 1009, "message too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				layer := newFakeLayer()
				layer.set.MaxMessage = 1000
				s := newMemServerOn(t, layer, Options{})
				client, app := s.open()
				began := time.Now()
				client.frames(c.send)
				f, err := client.frame()
				if err != nil || f.first != 0x88 || int(f.payload[0])<<8|int(f.payload[1]) != c.code || !strings.HasSuffix(f.payload, c.reason) {
					t.Errorf("frame %s, %v; want a close with %d %q", f, err, c.code, c.reason)
				}
				app.disconnected(c.code, 1)
				if took := time.Since(began); took != 0 {
					t.Errorf("websocket.disconnect came after %v", took)
				}
				if !client.ended() {
					t.Error("the connection is still open")
				}
				if took := time.Since(began); took != drainTimeout {
					t.Errorf("the connection ended after %v", took)
				}
			})
		})
	}
}

// TestCloseFrameSurvivesFurtherInput uses a client that sends more before it
// reads. A reset of the connection would destroy the close frame.
func TestCloseFrameSurvivesFurtherInput(t *testing.T) {
	s := newMemServer(t, Options{})
	c := dialTCP(s)
	c.write(handshake + "\r\n")
	app := &application{s, s.next("websocket.connect").Text("reply_channel")}
	app.reply(msg{"accept": true})
	c.accepted()
	c.Conn.Write(frame{0x83, "a"}.bytes())
	app.disconnected(1002, 1)
	if _, err := io.WriteString(c.Conn, strings.Repeat("x", 1000)); err != nil {
		t.Errorf("writing after the violation: %v", err)
	}
	if f, err := c.frame(); err != nil || !strings.HasPrefix(f.payload, "\x03\xea") {
		t.Errorf("frame %s, %v; want a close with 1002", f, err)
	}
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the end of the connection: %v", err)
	}
	c.Conn.(*net.TCPConn).CloseWrite()
}

// TestHeaderThatIsNotAllowedEndsTheSocketAtOnce uses clients that send the start
// of a frame, up to its first error, and then wait. The last byte of a row is
// the first that shows the error.
func TestHeaderThatIsNotAllowedEndsTheSocketAtOnce(t *testing.T) {
	const (
		mask     = "\x01\x02\x03\x04"
		unmasked = "\x00\x00\x00\x00"
		deflate  = "Sec-WebSocket-Extensions: permessage-deflate"
	)
	for _, c := range []struct {
		name, send string
		offer      string
		code       int
	}{
		{"a length over the limit", "\x82\xfe\x03\xe9", "", 1009},
		{"a length over 64 KiB", "\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00", "", 1009},
		{"a sum over the limit", "\x02\xfe\x03\xe8" + unmasked + strings.Repeat("x", 1000) + "\x00\x80" + mask + "\x89\x81" + mask + "p" + "\x80\x81", "", 1009},
		{"a sum that overflows", "\x02\x81" + mask + "x" + "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff", "", 1009},
		{"a compressed message over twice the limit", "\xc2\xff\x00\x00\x00\x00\x00\x01\x00\x00", deflate, 1009},
		{"the highest bit of a length", "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", "", 1002},
		{"a ping of 126 bytes", "\x89\xfe", "", 1002},
		{"a pong of 64 KiB", "\x8a\xff", "", 1002},
		{"a close of 126 bytes", "\x88\xfe", "", 1002},
		{"a close with one byte", "\x88\x81", "", 1002},
		{"a ping in fragments", "\x09", "", 1002},
		{"a close in fragments", "\x08", "", 1002},
		{"no mask", "\x81\x01", "", 1002},
		{"a ping without a mask", "\x89\x00", "", 1002},
		{"reserved bit 1", "\xc1", "", 1002},
		{"reserved bit 2", "\xa1", deflate, 1002},
		{"reserved bit 3", "\x91", deflate, 1002},
		{"reserved bit 1 of a ping", "\xc9", deflate, 1002},
		{"reserved bit 1 of a continuation", "\x41\x80" + mask + "\xc0", deflate, 1002},
		{"opcode 3", "\x83", "", 1002},
		{"opcode 15", "\x8f", "", 1002},
		{"a continuation of nothing", "\x80", "", 1002},
		{"a continuation of a message that has ended", "\x01\x80" + mask + "\x80\x80" + mask + "\x80", "", 1002},
		{"a message within a message", "\x01\x80" + mask + "\x81", "", 1002},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				layer := newFakeLayer()
				layer.set.MaxMessage = 1000
				s := newMemServerOn(t, layer, Options{Compression: true})
				var offer []string
				if c.offer != "" {
					offer = append(offer, c.offer)
				}
				client, _ := s.open(offer...)
				began := time.Now()
				client.write(c.send[:len(c.send)-1])
				synctest.Wait()
				if n := s.layer.waiting("websocket.disconnect"); n != 0 {
					t.Fatal("the socket ended before the error")
				}
				client.write(c.send[len(c.send)-1:])
				f, err := client.frame()
				if f.first == 0x8a { // the pong
					f, err = client.frame()
				}
				if err != nil || f.first != 0x88 || int(f.payload[0])<<8|int(f.payload[1]) != c.code {
					t.Fatalf("frame %s, %v; want a close with %d", f, err, c.code)
				}
				s.next("websocket.disconnect")
				if took := time.Since(began); took != 0 {
					t.Errorf("the close came after %v", took)
				}
			})
		})
	}
}

// TestCompressedMessageMayBeLongerThanItsContent uses a compressor that makes
// short messages longer.
func TestCompressedMessageMayBeLongerThanItsContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer := newFakeLayer()
		layer.set.MaxMessage = 10
		s := newMemServerOn(t, layer, Options{Compression: true})
		client, _ := s.open("Sec-WebSocket-Extensions: permessage-deflate")
		const block = "\x00\x01\x00\xfe\xff" // a stored block of one byte
		client.frames(frame{0xc1, block + "a" + block + "b" + block + "c" + "\x00"})
		if m := s.next("websocket.receive"); m.Text("text") != "abc" {
			t.Errorf("got %v", m)
		}
		client.Close()
	})
}

func TestLimitOfAMessageIsInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer := newFakeLayer()
		layer.set.MaxMessage = 1000
		s := newMemServerOn(t, layer, Options{})
		client, app := s.open()
		client.frames(text(strings.Repeat("x", 1001)))
		app.disconnected(1009, 1)
		s.logs.contains(t, "level=WARN", "--max-message", "limit=1000")
		client.Close()
	})
}

func TestUnknownSubprotocolIsLoggedWithBothLists(t *testing.T) {
	for offer, logged := range map[string]bool{"c, d": true, "a": false, "": false} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, Options{Protocols: []string{"a", "b"}})
			var headers []string
			if offer != "" {
				headers = append(headers, "Sec-WebSocket-Protocol: "+offer)
			}
			c, _ := s.open(headers...)
			if logged {
				s.logs.contains(t, "level=WARN", `offered="[c d]" supported="[a b]"`, "--ws-protocol")
			} else if strings.Contains(s.logs.String(), "offered=") {
				t.Errorf("%q was logged:\n%s", offer, s.logs)
			}
			c.Close()
		})
	}
}

// dialTCP connects a client over a real socket, whose halves can be closed.
func dialTCP(s *memServer) *client {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.front.Serve(ctx, l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		conn.Close()
		stop()
		<-served
	})
	return &client{t: s.t, Conn: conn, r: bufio.NewReader(conn)}
}
