package httpfront

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// post sends the head of a POST.
func (c *client) post(framing string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, "POST / HTTP/1.1\r\nHost: h\r\n"+framing+"\r\n\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// pieces receives a request body from its channel.
func (s *memServer) pieces(m asgi.Message) (body string, closed bool) {
	s.t.Helper()
	b := bytes.NewBufferString(string(m.Bytes("body")))
	for m.Text("body_channel") != "" {
		p := s.next(m.Text("body_channel"))
		content := p.Bytes("content")
		if len(content) > 64<<10 {
			s.t.Errorf("a piece of %d bytes", len(content))
		}
		b.WriteString(string(content))
		if v, _ := p.Get("closed"); v == true {
			return b.String(), true
		}
		if v, _ := p.Get("more_content"); v != true {
			break
		}
	}
	return b.String(), false
}

// TestBodyStreamsPast512KiB checks that only a body longer than 512 KiB, or
// --max-message if that is less, is streamed.
func TestBodyStreamsPast512KiB(t *testing.T) {
	for _, maxMessage := range []int{1 << 20, 100_000} {
		inline := min(maxMessage, inlineBody)
		for _, size := range []int{1, inline - 1, inline, inline + 1, inline + bodyPiece, inline + 3*bodyPiece + 1} {
			for _, chunked := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d of %d chunked %v", size, inline, chunked), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						layer := newFakeLayer()
						layer.set.MaxMessage = maxMessage
						s := newMemServerOn(t, layer, Options{})
						body := strings.Repeat("0123456789", size/10+1)[:size]
						c := s.dial()
						if chunked {
							c.post("Transfer-Encoding: chunked")
							c.write(chunks(body))
						} else {
							c.post(fmt.Sprintf("Content-Length: %d", size))
							c.write(body)
						}
						m := s.next("http.request")
						if got := len(m.Bytes("body")); got != min(size, inline) {
							t.Errorf("the request holds %d bytes", got)
						}
						hasChannel := strings.HasPrefix(m.Text("body_channel"), "http.request.body?")
						if !chunked && hasChannel != (size > inline) {
							t.Errorf("body_channel %q", m.Text("body_channel"))
						}
						if got, closed := s.pieces(m); got != body || closed {
							t.Errorf("%d bytes came, closed %v", len(got), closed)
						}
						s.reply(m, msg{"status": 200})
						c.response().check(t, 200)
						c.get("/again")
						s.reply(s.next("http.request"), msg{"status": 200})
						c.response().check(t, 200)
					})
				})
			}
		}
	}
}

// chunks encodes a body in chunks of 10,000 bytes.
func chunks(body string) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(10_000, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// TestSlowReaderOfABodySlowsItsClient checks that a full body channel stops the
// reading of the body.
func TestSlowReaderOfABodySlowsItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		const size = inlineBody + 40*bodyPiece
		c.post(fmt.Sprintf("Content-Length: %d", size))
		sent := make(chan int, 1)
		go func() {
			n, _ := io.WriteString(c.Conn, strings.Repeat("x", size))
			sent <- n
		}()
		m := s.next("http.request")
		time.Sleep(time.Minute) // fake time of the bubble
		if n := s.layer.waiting(m.Text("body_channel")); n != 16 {
			t.Errorf("%d pieces wait, want the capacity of 16", n)
		}
		select {
		case <-sent:
			t.Error("the client could send all of it although the client did not read")
		default:
		}
		if body, _ := s.pieces(m); len(body) != size {
			t.Errorf("%d bytes came", len(body))
		}
		if n := <-sent; n != size {
			t.Errorf("the client sent %d bytes", n)
		}
		s.reply(m, msg{"status": 200})
		c.response().check(t, 200)
	})
}

// TestLostUploadIsClosed checks the end of a body whose client disconnects.
func TestLostUploadIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.post("Content-Length: 1000000")
		io.WriteString(c.Conn, strings.Repeat("x", 600_000))
		m := s.next("http.request")
		c.Close()
		body, closed := s.pieces(m)
		if len(body) != 600_000 || !closed {
			t.Errorf("%d bytes came, closed %v", len(body), closed)
		}
		if d := s.next("http.disconnect"); d.Text("reply_channel") != m.Text("reply_channel") {
			t.Errorf("disconnect %v", d)
		}
	})
}

// TestUnreadBodiesAreBounded checks that the pieces of a body that no handler has
// read are dropped when those of later requests take too much memory, or after the
// expiry, and that the reader gets the end of the body then.
func TestUnreadBodiesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		var requests []asgi.Message
		for i := range maxKeptBodies/(piecesOnChannel*bodyPiece) + 2 {
			c := s.dial()
			c.post("Content-Length: 700000")
			io.WriteString(c.Conn, strings.Repeat("x", 700_000))
			m := s.next("http.request")
			requests = append(requests, m)
			synctest.Wait()
			if i == 0 { // its pieces are read
				s.pieces(m)
			}
			s.reply(m, msg{"status": 404})
			c.response().check(t, 404)
			synctest.Wait()
		}
		for i, want := range []int{0, 1, 3} {
			if n := s.layer.waiting(requests[i].Text("body_channel")); n != want {
				t.Errorf("request %d keeps %d pieces, want %d", i, n, want)
			}
		}
		time.Sleep(s.layer.set.Expiry)
		synctest.Wait()
		for i, m := range requests[1:] {
			n := s.layer.waiting(m.Text("body_channel"))
			if body, closed := s.pieces(m); !closed || n != 1 {
				t.Errorf("request %d keeps %d messages after the expiry; its reader got %d bytes, closed %v", i+1, n, len(body), closed)
			}
		}
	})
}

// TestABodyThatIsCutIsDropped checks that nothing but the end of a body remains if
// the request is over before the body has come.
func TestABodyThatIsCutIsDropped(t *testing.T) {
	for _, status := range []int{404, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{HTTPTimeout: 8 * time.Second})
				c := s.dial()
				const size = inlineBody + 40*bodyPiece // more than the channel holds
				c.post(fmt.Sprintf("Content-Length: %d", size))
				c.write(strings.Repeat("x", size))
				m := s.next("http.request")
				synctest.Wait()
				if n := s.layer.waiting(m.Text("body_channel")); n != 16 {
					t.Errorf("%d pieces wait", n)
				}
				if status == 404 {
					s.reply(m, msg{"status": status})
				}
				c.response().check(t, status)
				synctest.Wait()
				if n := s.layer.waiting(m.Text("body_channel")); n != 1 {
					t.Errorf("%d messages wait after the response, want 1", n)
				}
				if body, closed := s.pieces(m); len(body) != inlineBody || !closed {
					t.Errorf("the reader got %d bytes, closed %v", len(body), closed)
				}
			})
		})
	}
}

// TestTheEndOfABodyFindsNoRoom checks that the pieces make room for the end of a body
// whose client has left.
func TestTheEndOfABodyFindsNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		const size = inlineBody + 16*bodyPiece
		c.post(fmt.Sprintf("Content-Length: %d", size+1))
		io.WriteString(c.Conn, strings.Repeat("x", size))
		m := s.next("http.request")
		c.Close()
		synctest.Wait()
		if n := s.layer.waiting(m.Text("body_channel")); n != 1 {
			t.Errorf("%d messages wait, want the end", n)
		}
		if body, closed := s.pieces(m); len(body) != inlineBody || !closed {
			t.Errorf("the reader got %d bytes, closed %v", len(body), closed)
		}
	})
}

// TestEndsOfBodiesAreBounded checks that the messages that end unread bodies do
// not pile up.
func TestEndsOfBodiesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer := newFakeLayer()
		layer.set.MaxMessage = 100 // so that a short body is streamed
		s := newMemServerOn(t, layer, Options{})
		var channels []string
		for range maxEnds + 2 {
			c := s.dial()
			c.post("Content-Length: 1000")
			io.WriteString(c.Conn, strings.Repeat("x", 200))
			m := s.next("http.request")
			channels = append(channels, m.Text("body_channel"))
			s.reply(m, msg{"status": 404})
			c.response().check(t, 404)
			<-s.seen
			c.Close()
		}
		synctest.Wait()
		for i, want := range []int{0, 0, 1, 1} {
			if n := layer.waiting(channels[i]); n != want {
				t.Errorf("%d messages wait on channel %d, want %d", n, i, want)
			}
		}
	})
}

// TestEndsOfBodiesThatWaitAreBounded checks that those that find no room need a bounded
// number of goroutines.
func TestEndsOfBodiesThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		synctest.Wait()
		before := runtime.NumGoroutine()
		for i := range 2 * maxEnds {
			channel := fmt.Sprint("http.request.body?", i)
			s.layer.setFull(channel, true)
			s.front.endBody(channel)
			synctest.Wait()
		}
		if n := runtime.NumGoroutine() - before; n > maxEnds+10 {
			t.Errorf("%d goroutines", n)
		}
	})
}

// TestPiecesOfABodyLast checks that the layer keeps them although their reader is
// slow, and that their reader notices the loss of one.
func TestPiecesOfABodyLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		const size = inlineBody + 3*bodyPiece
		c.post(fmt.Sprintf("Content-Length: %d", size))
		c.write(strings.Repeat("x", size))
		channel := s.next("http.request").Text("body_channel")
		for order := range int64(3) {
			d, err := s.layer.Receive(t.Context(), nil, channel)
			if err != nil || !d.Lasting || d.Message.Int("order") != order+1 {
				t.Errorf("piece %d: lasting %v, order %d, %v", order+1, d.Lasting, d.Message.Int("order"), err)
			}
		}
	})
}

// TestBodyLostBeforeTheRequestIsNoRequest checks that nothing is sent to the
// application.
func TestBodyLostBeforeTheRequestIsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.post("Content-Length: 10")
		io.WriteString(c.Conn, "12345")
		c.Close()
		synctest.Wait()
		if n := s.layer.waiting("http.request") + s.layer.waiting("http.disconnect"); n != 0 {
			t.Errorf("%d messages", n)
		}
	})
}

// TestBodyIsBounded checks --max-body. If the length is announced, the request
// is refused with 413 before it is sent to the application.
func TestBodyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{MaxBody: 1 << 20})
		c := s.dial()
		began := time.Now()
		c.post("Content-Length: 1048577")
		c.response().check(t, 413)
		if took := time.Since(began); took != 0 {
			t.Errorf("a declared body was refused after %v", took)
		}
		if !c.ended() || s.layer.waiting("http.request") != 0 {
			t.Error("the connection is still open, or it was sent to the application")
		}

		// A body that is read at once is also refused first.
		s2 := newMemServer(t, Options{MaxBody: 100})
		c = s2.dial()
		c.post("Transfer-Encoding: chunked")
		c.write(chunks(strings.Repeat("x", 101)))
		c.response().check(t, 413)
		if s2.layer.waiting("http.request") != 0 {
			t.Error("a body that was too long was sent to the application")
		}
	})
}

// TestChunkedBodyThatTurnsOutTooLong checks that the body channel ends with
// closed, and that the reply is 413 if no response has started.
func TestChunkedBodyThatTurnsOutTooLong(t *testing.T) {
	for _, started := range []bool{false, true} {
		t.Run(fmt.Sprint("response started ", started), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{MaxBody: 1 << 20})
				c := s.dial()
				c.post("Transfer-Encoding: chunked")
				body := chunks(strings.Repeat("x", 1<<20+1))
				io.WriteString(c.Conn, body[:800_000])
				m := s.next("http.request")
				if started {
					s.reply(m, msg{"status": 200, "content": "early", "more_content": true})
					synctest.Wait()
				}
				c.write(body[800_000:])
				if got, closed := s.pieces(m); len(got) > 1<<20 || !closed {
					t.Errorf("%d bytes came, closed %v", len(got), closed)
				}
				if started {
					s.reply(m, msg{"content": " and late"})
					if a := c.response().check(t, 200); a.body != "early and late" {
						t.Errorf("body %q, %v", a.body, a.err)
					}
					return
				}
				c.response().check(t, 413)
			})
		})
	}
}

// TestResponseMayComeBeforeTheBody checks that both stream at once. A response
// that ends first closes the connection, because the rest of the body must not
// be parsed as a request.
func TestResponseMayComeBeforeTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.post("Content-Length: 1000000")
		io.WriteString(c.Conn, strings.Repeat("x", 600_000))
		m := s.next("http.request")
		s.reply(m, msg{"status": 403, "content": "no"})
		a := c.response().check(t, 403)
		if a.body != "no" || !a.Close {
			t.Errorf("%q, close %v", a.body, a.Close)
		}
		c.write(strings.Repeat("x", 400_000) + probe)
		c.ended()
		if m := s.next("http.disconnect"); m.Len() == 0 || s.layer.waiting("http.request") != 0 {
			t.Error("the rest of a body was taken for a request")
		}
	})
}

// TestRefusalBeforeTheEndOfTheBodyClosesTheConnection checks that every refusal
// announces the close while a part of the body is unread.
func TestRefusalBeforeTheEndOfTheBodyClosesTheConnection(t *testing.T) {
	for status, prepare := range map[int]func(*fakeLayer){
		500: func(l *fakeLayer) { l.broken = errors.New("no channel") },
		503: func(l *fakeLayer) { l.full["http.request"] = true },
		431: func(l *fakeLayer) { l.set.MaxMessage = -asgi.MessageOverhead },
	} {
		synctest.Test(t, func(t *testing.T) {
			layer := newFakeLayer()
			s := newMemServerOn(t, layer, Options{})
			prepare(layer)
			c := s.dial()
			c.post("Content-Length: 1000000")
			c.write(strings.Repeat("x", 1_000_000) + probe)
			if a := c.response().check(t, status); !a.Close {
				t.Errorf("%d does not announce that the connection closes", status)
			}
			if !c.ended() {
				t.Errorf("the connection stays open after %d", status)
			}
		})
	}
}

// TestSlowBodyIs408 checks the time limit of a body that stops coming.
func TestSlowBodyIs408(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.post("Content-Length: 10")
		io.WriteString(c.Conn, "12345")
		c.response().check(t, 408)
	})
}

// TestUploadHoldsTheTimeout checks that --http-timeout counts from the last
// piece of the body that was sent.
func TestUploadHoldsTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{HTTPTimeout: 10 * time.Second})
		c := s.dial()
		started := time.Now()
		c.post("Content-Length: 1000000")
		io.WriteString(c.Conn, strings.Repeat("x", 600_000))
		m := s.next("http.request")
		for range 4 {
			time.Sleep(9 * time.Second)
			io.WriteString(c.Conn, strings.Repeat("x", 100_000))
		}
		if body, _ := s.pieces(m); len(body) != 1_000_000 {
			t.Errorf("%d bytes", len(body))
		}
		c.response().check(t, 503)
		if d := time.Since(started).Round(time.Second); d != 46*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

func TestHeadIsBounded(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	for _, c := range []struct {
		name, send string
		status     int // 0 if the connection is only closed
	}{
		{"64 KiB of target", "GET /" + long(64<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
		{"64 KiB of headers", "GET / HTTP/1.1\r\nHost: h\r\nX: " + long(64<<10) + "\r\n\r\n", 431},
		{"64 KiB of both", "GET /" + long(40<<10) + " HTTP/1.1\r\nHost: h\r\nX: " + long(30<<10) + "\r\n\r\n", 431},
		{"201 lines", "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("x: y\r\n", 200) + "\r\n", 431},
		{"far too many lines, without an end", "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("x: y\r\n", 400), 431},
		{"a megabyte", "GET / HTTP/1.1\r\nHost: h\r\nX: " + long(1<<20) + "\r\n\r\n", 431},
		{"a megabyte of target", "GET /" + long(1<<20), 431},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client := s.dial()
				client.write(c.send)
				client.response().check(t, c.status)
				if s.layer.waiting("http.request") != 0 {
					t.Error("it was sent to the application")
				}
			})
		})
	}
}

// TestHeadOf60KiBIsServed checks that the limits are not too low. The requests
// share a connection, so each has its own count of lines.
func TestHeadOf60KiBIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		for range 3 {
			c.get("/"+strings.Repeat("a", 30<<10), append(slices.Repeat([]string{"Y: c"}, 198), "X: "+strings.Repeat("b", 31<<10))...)
			s.reply(s.next("http.request"), msg{"status": 200})
			c.response().check(t, 200)
		}
	})
}

// TestSlowHeadIsAborted after 10 s.
func TestSlowHeadIsAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		started := time.Now()
		c.write("GET / HTTP/1.1\r\nHost: h\r\n")
		if !c.ended() || time.Since(started) != 10*time.Second {
			t.Errorf("after %v", time.Since(started))
		}
	})
}
