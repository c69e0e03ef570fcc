package httpfront

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"
)

// TestFrames checks which frames a client may send. The expected code is in the
// server's close frame, if there is one, and in websocket.disconnect.
func TestFrames(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for _, c := range []struct {
		name   string
		send   []frame
		gets   []frame // other than the close frame
		hears  []string
		code   int  // of the disconnect; 0 if the connection stays open
		silent bool // no close frame
	}{
		{"text", []frame{text("hé")}, nil, []string{"hé"}, 0, false},
		{"binary", []frame{binaryFrame("\xff\x00")}, nil, []string{"\xff\x00"}, 0, false},
		{"empty text", []frame{text("")}, nil, []string{""}, 0, false},
		{"empty binary", []frame{binaryFrame("")}, nil, []string{""}, 0, false},
		{"125 bytes", []frame{text(long[:125])}, nil, []string{long[:125]}, 0, false},
		{"126 bytes", []frame{text(long[:126])}, nil, []string{long[:126]}, 0, false},
		{"70,000 bytes", []frame{binaryFrame(long)}, nil, []string{long}, 0, false},
		{"fragments are one message", []frame{{0x01, "a"}, {0x00, "b"}, {0x80, "c"}}, nil, []string{"abc"}, 0, false},
		{"empty fragments", []frame{{0x01, ""}, {0x00, ""}, {0x80, ""}}, nil, []string{""}, 0, false},
		{"a ping within fragments", []frame{{0x01, "a"}, {0x89, "p"}, {0x80, "b"}}, []frame{{0x8a, "p"}}, []string{"ab"}, 0, false},
		{"a ping gets a pong and is no message", []frame{{0x89, "hello"}}, []frame{{0x8a, "hello"}}, nil, 0, false},
		{"an empty ping", []frame{{0x89, ""}}, []frame{{0x8a, ""}}, nil, 0, false},
		{"a ping of 125 bytes", []frame{{0x89, long[:125]}}, []frame{{0x8a, long[:125]}}, nil, 0, false},
		{"a pong without a ping", []frame{{0x8a, "x"}}, nil, nil, 0, false},

		{"close with a code", []frame{closeFrame(1000, "")}, nil, nil, 1000, false},
		{"close 1001", []frame{closeFrame(1001, "leaving")}, nil, nil, 1001, false},
		{"close 3000", []frame{closeFrame(3000, "")}, nil, nil, 3000, false},
		{"close 4999", []frame{closeFrame(4999, strings.Repeat("r", 123))}, nil, nil, 4999, false},
		{"close 1007", []frame{closeFrame(1007, "")}, nil, nil, 1007, false},
		{"close 1014", []frame{closeFrame(1014, "")}, nil, nil, 1014, false},
		{"text after a close is ignored", []frame{closeFrame(1000, ""), text("late")}, nil, nil, 1000, false},

		{"close 999", []frame{closeFrame(999, "")}, nil, nil, 1002, false},
		{"close 1004", []frame{closeFrame(1004, "")}, nil, nil, 1002, false},
		{"close 1005", []frame{closeFrame(1005, "")}, nil, nil, 1002, false},
		{"close 1006", []frame{closeFrame(1006, "")}, nil, nil, 1002, false},
		{"close 1015", []frame{closeFrame(1015, "")}, nil, nil, 1002, false},
		{"close 1016", []frame{closeFrame(1016, "")}, nil, nil, 1002, false},
		{"close 2999", []frame{closeFrame(2999, "")}, nil, nil, 1002, false},
		{"close 5000", []frame{closeFrame(5000, "")}, nil, nil, 1002, false},
		{"close with one byte", []frame{{0x88, "\x03"}}, nil, nil, 1002, false},
		{"close with a reason that is not UTF-8", []frame{closeFrame(1000, "\xff")}, nil, nil, 1007, false},
		{"close of 126 bytes", []frame{closeFrame(1000, strings.Repeat("r", 124))}, nil, nil, 1002, false},
		{"close in fragments", []frame{{0x08, "\x03\xe8"}}, nil, nil, 1002, false},
		{"ping of 126 bytes", []frame{{0x89, long[:126]}}, nil, nil, 1002, false},
		{"ping in fragments", []frame{{0x09, "a"}}, nil, nil, 1002, false},
		{"reserved bit 1", []frame{{0xc1, "a"}}, nil, nil, 1002, false},
		{"reserved bit 2", []frame{{0xa1, "a"}}, nil, nil, 1002, false},
		{"reserved bit 3", []frame{{0x91, "a"}}, nil, nil, 1002, false},
		{"reserved bit on a ping", []frame{{0xc9, "a"}}, nil, nil, 1002, false},
		{"opcode 3", []frame{{0x83, "a"}}, nil, nil, 1002, false},
		{"opcode 7", []frame{{0x87, "a"}}, nil, nil, 1002, false},
		{"opcode 11", []frame{{0x8b, ""}}, nil, nil, 1002, false},
		{"opcode 15", []frame{{0x8f, ""}}, nil, nil, 1002, false},
		{"a continuation of nothing", []frame{{0x80, "a"}}, nil, nil, 1002, false},
		{"a message within a message", []frame{{0x01, "a"}, {0x81, "b"}}, nil, nil, 1002, false},
		{"text that is not UTF-8", []frame{text("a\xff")}, nil, nil, 1007, false},
		{"a surrogate", []frame{text("\xed\xa0\x80")}, nil, nil, 1007, false},
		{"an overlong form", []frame{text("\xc0\xaf")}, nil, nil, 1007, false},
		{"an incomplete character", []frame{text("\xe2\x82")}, nil, nil, 1007, false},
		{"messages before a bad one are received", []frame{text("a"), text("\xff")}, nil, []string{"a"}, 1007, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client, app := s.open()
				client.frames(c.send...)
				for i, want := range c.hears {
					m := s.next("websocket.receive")
					if got := m.Text("text") + string(m.Bytes("bytes")); got != want || m.Int("order") != int64(i+1) {
						t.Errorf("order %d: %.40q, want %.40q", m.Int("order"), got, want)
					}
				}
				client.gets(c.gets...)
				if c.code == 0 {
					app.reply(msg{"text": "still open"})
					client.gets(text("still open"))
					if s.layer.waiting("websocket.receive") != 0 {
						t.Error("it received more")
					}
					return
				}
				f, err := client.frame()
				if err != nil || f.first != 0x88 || len(f.payload) < 2 || int(f.payload[0])<<8|int(f.payload[1]) != c.code {
					t.Errorf("frame %s, %v; want a close with %d", f, err, c.code)
				}
				client.frames(closeFrame(c.code, ""))
				if !client.ended() {
					t.Error("the connection is still open")
				}
				app.disconnected(c.code, len(c.hears)+1)
				if s.layer.waiting("websocket.receive") != 0 {
					t.Error("it received more")
				}
			})
		})
	}
}

// TestCloseWithoutACodeIs1005 also checks that the reply has no code.
func TestCloseWithoutACodeIs1005(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		c.frames(closeFrame(0, ""))
		c.gets(closeFrame(0, ""))
		app.disconnected(1005, 1)
	})
}

// TestLostSocketIs1006 closes the connection without a close frame.
func TestLostSocketIs1006(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		c.frames(text("a"))
		s.next("websocket.receive")
		c.Close()
		app.disconnected(1006, 2)

		c, app = s.open() // this one is lost in the middle of a frame
		c.Write(text("abc").bytes()[:7])
		c.Close()
		app.disconnected(1006, 1)
	})
}

// TestMessageThatIsCutOffIsDropped closes the connection behind the header of a frame.
func TestMessageThatIsCutOffIsDropped(t *testing.T) {
	for _, header := range []string{"\x81\x81\x01\x02\x03\x04", "\xc1\x81\x01\x02\x03\x04", "\x01\x80\x01\x02\x03\x04"} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, Options{Compression: true})
			c, app := s.open("Sec-WebSocket-Extensions: permessage-deflate")
			c.write(header)
			synctest.Wait()
			c.Close()
			app.disconnected(1006, 1)
			if s.layer.waiting("websocket.receive") != 0 {
				t.Errorf("% x: it was received", header)
			}
		})
	}
}

// TestCompressedMessages uses data from RFC 7692, section 7.2.3, and data that is not
// valid.
func TestCompressedMessages(t *testing.T) {
	for name, c := range map[string]struct {
		frames []frame
		hears  string
		code   int // of the close frame; 0 if the message is valid
	}{
		"one block":                     {[]frame{{0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00"}}, "Hello", 0},
		"fragments":                     {[]frame{{0x41, "\xf2\x48\xcd"}, {0x80, "\xc9\xc9\x07\x00"}}, "Hello", 0},
		"a stored block":                {[]frame{{0xc1, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"}}, "Hello", 0},
		"a final block":                 {[]frame{{0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"}}, "Hello", 0},
		"a final block without padding": {[]frame{{0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00"}}, "Hello", 0},
		"two blocks":                    {[]frame{{0xc1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"}}, "Hello", 0},
		"an empty message":              {[]frame{{0xc1, "\x00"}}, "", 0},
		"text that is not UTF-8":        {[]frame{{0xc1, compress("\xff")}}, "", 1007},
		"data that is cut off":          {[]frame{{0xc1, "\xf2\x48\xcd"}}, "", 1002},
		"a block that is not allowed":   {[]frame{{0xc1, "\x06"}}, "", 1002},
		"a final block that is cut off": {[]frame{{0xc1, "\x01\x04\x00\xfb\xff"}}, "", 1002},
		"data after a final block":      {[]frame{{0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00\x00\x00"}}, "", 1002},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{Compression: true})
				client, app := s.open("Sec-WebSocket-Extensions: permessage-deflate")
				client.frames(append(c.frames, text("next"), closeFrame(1000, ""))...)
				if c.code != 0 {
					if f, err := client.frame(); err != nil || !strings.HasPrefix(f.payload, closeFrame(c.code, "").payload) {
						t.Errorf("frame %s, %v; want a close with %d", f, err, c.code)
					}
					app.disconnected(c.code, 1)
					return
				}
				for _, want := range []string{c.hears, "next"} {
					if m := s.next("websocket.receive"); m.Text("text") != want {
						t.Errorf("got %v, want %q", m, want)
					}
				}
				app.disconnected(1000, 3)
			})
		})
	}
}

// TestOfferedCompression checks which offers of the extension the server accepts.
func TestOfferedCompression(t *testing.T) {
	for offer, want := range map[string]bool{
		"permessage-deflate": true,
		"permessage-deflate; client_max_window_bits; server_no_context_takeover":    true,
		"permessage-deflate; client_max_window_bits=10; client_no_context_takeover": true,
		"permessage-deflate; server_max_window_bits=15":                             true,
		"permessage-deflate; server_max_window_bits=10":                             false, // the server's window is larger
		"permessage-deflate; server_max_window_bits=10, permessage-deflate":         true,
		"permessage-deflate; unknown":                                               false,
		"x-webkit-deflate-frame, permessage-deflate; unknown":                       false,
		"permessage-bzip2": false,
		"":                 false,
	} {
		if got := offersCompression([]string{offer}); got != want {
			t.Errorf("%q: %v", offer, got)
		}
	}
}

// TestUnmaskedFrameFailsTheConnection checks that the client gets a close frame.
func TestUnmaskedFrameFailsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		c.write("\x81\x01a")
		c.gets(closeFrame(1002, ""))
		c.Close()
		app.disconnected(1002, 1)
	})
}

// TestUTF8IsCheckedAtEverySplit splits a text into two and three fragments at
// every position. It must arrive unchanged, and be refused with one bad byte.
func TestUTF8IsCheckedAtEverySplit(t *testing.T) {
	const good = "κόσμε 𐍈 \u20ac"
	bad := good[:len(good)-1]
	for _, whole := range []string{good, bad, "a\xf4\x90\x80\x80b"} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, Options{})
			for i := 0; i <= len(whole); i++ {
				for j := i; j <= len(whole); j += 1 + len(whole)/4 {
					c, app := s.open()
					c.frames(frame{0x01, whole[:i]}, frame{0x00, whole[i:j]}, frame{0x80, whole[j:]})
					if utf8.ValidString(whole) {
						if m := s.next("websocket.receive"); m.Text("text") != whole {
							t.Fatalf("split at %d and %d: %v", i, j, m)
						}
						c.frames(closeFrame(1000, ""))
						c.gets(closeFrame(1000, ""))
						app.disconnected(1000, 2)
						continue
					}
					c.closed(1007, "text that is not UTF-8")
					app.disconnected(1007, 1)
				}
			}
		})
	}
}

// TestMessageIsBounded checks --max-message: a longer message gets 1009.
func TestMessageIsBounded(t *testing.T) {
	for _, fragments := range []bool{false, true} {
		t.Run(fmt.Sprint("fragments ", fragments), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				layer := newFakeLayer()
				layer.set.MaxMessage = 1000
				s := newMemServerOn(t, layer, Options{})
				send := func(c *client, n int) {
					x := strings.Repeat("x", n)
					if fragments {
						c.frames(frame{0x01, x[:n/2]}, frame{0x80, x[n/2:]})
					} else {
						c.frames(text(x))
					}
				}
				c, app := s.open()
				send(c, 1000)
				if m := s.next("websocket.receive"); len(m.Text("text")) != 1000 {
					t.Errorf("%d bytes", len(m.Text("text")))
				}
				send(c, 1001)
				f, err := c.frame()
				if err != nil || !strings.HasPrefix(f.payload, "\x03\xf1") {
					t.Errorf("frame %s, %v; want a close with 1009", f, err)
				}
				c.frames(closeFrame(1009, ""))
				app.disconnected(1009, 2)
			})
		})
	}
}

// TestCompression checks that compression needs --ws-compression and a client
// that offers it.
func TestCompression(t *testing.T) {
	const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.connect(offer)
		app.reply(msg{"accept": true})
		if h := c.accepted(); h.Get("Sec-WebSocket-Extensions") != "" {
			t.Errorf("compression without --ws-compression: %v", h)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{Compression: true})
		c, app := s.connect(offer)
		app.reply(msg{"accept": true})
		if h := c.accepted(); !strings.HasPrefix(h.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
			t.Errorf("headers %v", h)
		}
		long := strings.Repeat("again and ", 1000)
		app.reply(msg{"text": long})
		f, err := c.frame()
		if err != nil || f.first != 0xc1 || len(f.payload) > 200 {
			t.Errorf("frame %s of %d bytes, %v", f, len(f.payload), err)
		}
		c.frames(f) // an echo: the server must understand its own compression
		if m := s.next("websocket.receive"); m.Text("text") != long {
			t.Errorf("got %d bytes", len(m.Text("text")))
		}
		app.reply(msg{"text": "short"})
		c.gets(text("short"))
	})
}

// TestCompressedMessageIsLimitedAfterDecompression checks that a small frame
// cannot become a large message.
func TestCompressedMessageIsLimitedAfterDecompression(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer := newFakeLayer()
		layer.set.MaxMessage = 1000
		s := newMemServerOn(t, layer, Options{Compression: true})
		c, app := s.connect("Sec-WebSocket-Extensions: permessage-deflate")
		app.reply(msg{"accept": true})
		c.accepted()
		app.reply(msg{"text": strings.Repeat("x", 1001)})
		f, _ := c.frame()
		c.frames(f)
		f, err := c.frame()
		if err != nil || !strings.HasPrefix(f.payload, "\x03\xf1") {
			t.Errorf("frame %s, %v; want a close with 1009", f, err)
		}
		c.frames(closeFrame(1009, ""))
		app.disconnected(1009, 1)
	})
}
