package httpfront

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/internal/budget"
)

const (
	connBytes     = budget.ConnBytes
	silentTimeout = budget.SilentTimeout

	longBody = 510_000 // less than inlineBody
	longPart = 500_000
)

// upload sends bytes in small pieces and counts those that the server reads.
func (c *client) upload(data string, read *atomic.Int64) {
	go func() {
		for len(data) > 0 {
			n, err := io.WriteString(c.Conn, data[:min(len(data), 1000)])
			read.Add(int64(n))
			if err != nil {
				return
			}
			data = data[n:]
		}
	}()
}

// stall starts clients that each send a part of a body, then nothing.
func (s *memServer) stall(n int) (clients []*client, read *atomic.Int64) {
	read = new(atomic.Int64)
	for range n {
		c := s.dial()
		c.post(fmt.Sprintf("Content-Length: %d", longBody))
		c.upload(strings.Repeat("x", longPart), read)
		clients = append(clients, c)
	}
	synctest.Wait()
	return clients, read
}

// most returns the most bytes that a server may read from n connections whose
// messages do not complete: the budget, one message above it, and what each
// connection may always hold, with the buffers of net/http.
func most(budget, n int) int64 {
	return int64(budget + inlineBody + n*(connBytes+8<<10))
}

// TestUnfinishedBodiesShareABudget checks that bodies past the budget are not
// read, and that the clients that are silent for 5 s are refused one by one.
func TestUnfinishedBodiesShareABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 2 << 20
		s := newMemServer(t, Options{BodyMemory: budget})
		clients, read := s.stall(40)
		if n := read.Load(); n > most(budget, 40) {
			t.Errorf("the server has read %d bytes of unfinished bodies", n)
		}
		responses := make(chan *response, len(clients))
		for _, c := range clients {
			go func() { responses <- c.response() }()
		}
		time.Sleep(silentTimeout - time.Second) // fake time of the bubble
		if len(responses) != 0 {
			t.Errorf("%d clients were refused too soon", len(responses))
		}
		time.Sleep(time.Minute)
		if n := len(clients) - len(responses); n > budget/longPart+1 {
			t.Errorf("%d silent clients still hold memory", n)
		}
		for range clients {
			(<-responses).check(t, 408)
		}
		if s.layer.waiting("http.request") != 0 {
			t.Error("an unfinished body was sent to the application")
		}
	})
}

// TestSilentClientsAreTolerated checks that a client may be silent while no
// other needs the memory.
func TestSilentClientsAreTolerated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{BodyMemory: 2 << 20})
		clients, _ := s.stall(3)
		time.Sleep(time.Minute) // fake time of the bubble
		for _, c := range clients {
			c.write(strings.Repeat("x", longBody-longPart))
			s.reply(s.next("http.request"), msg{"status": 200})
		}
		for _, c := range clients {
			c.response().check(t, 200)
		}
	})
}

// TestSmallBodiesNeedNoBudget checks that each connection may always hold
// 16 KiB.
func TestSmallBodiesNeedNoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{BodyMemory: 1 << 20})
		s.stall(20)
		c := s.dial()
		started := time.Now()
		c.post(fmt.Sprintf("Content-Length: %d", connBytes))
		c.write(strings.Repeat("x", connBytes))
		s.reply(s.next("http.request"), msg{"status": 200})
		c.response().check(t, 200)
		if d := time.Since(started); d != 0 {
			t.Errorf("it waited for %v", d)
		}
	})
}

// TestHonestUploadsAllSucceed sends many bodies at once that do not fit into the
// budget together, or not even alone.
func TestHonestUploadsAllSucceed(t *testing.T) {
	for _, budget := range []int64{1, 300_000, 2 << 20} {
		t.Run(fmt.Sprint("budget ", budget), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{BodyMemory: budget})
				var clients []*client
				var read atomic.Int64
				for range 50 {
					c := s.dial()
					c.post(fmt.Sprintf("Content-Length: %d", longBody))
					c.upload(strings.Repeat("x", longBody), &read)
					clients = append(clients, c)
				}
				for range clients {
					m := s.next("http.request")
					if n := len(m.Bytes("body")); n != longBody {
						t.Errorf("a body of %d bytes", n)
					}
					s.reply(m, msg{"status": 200})
				}
				for _, c := range clients {
					c.response().check(t, 200)
				}
			})
		})
	}
}

// drip opens a socket that holds memory and sends just enough of its frame every
// 4 s, so that it is not silent, until stop is called or it has sent all.
func (s *memServer) drip() (stop func()) {
	c, _ := s.open()
	io.WriteString(c.Conn, string(text(strings.Repeat("x", longBody)).bytes())[:20_000])
	synctest.Wait()
	stopped, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stopped:
				return
			case <-time.After(4 * time.Second):
				io.WriteString(c.Conn, strings.Repeat("x", longBody/24+1))
			}
		}
	}()
	return func() {
		close(stopped)
		c.Close()
		<-done
	}
}

// TestWaitForMemoryIsBounded checks that a body gets 503 if others that are not
// silent hold the memory for --http-timeout.
func TestWaitForMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{BodyMemory: 1, HTTPTimeout: 30 * time.Second, PingInterval: Forever})
		defer s.drip()()
		c := s.dial()
		c.post("Content-Length: 20000")
		c.write(strings.Repeat("x", 20_000))
		started := time.Now()
		a := c.response().check(t, 503)
		if !strings.Contains(a.body, "--body-memory") || time.Since(started) != 30*time.Second {
			t.Errorf("after %v: %s", time.Since(started), a.body)
		}
	})
}

// TestClientsThatSendVerySlowlyAreSilent uses clients that hold memory and send a
// little every second, as a body, within a frame, or between the fragments of a
// message. They are refused while another body waits.
func TestClientsThatSendVerySlowlyAreSilent(t *testing.T) {
	begin := func(f frame) string { return string(f.bytes())[:20_000] }
	fragment := string(frame{0x01, strings.Repeat("x", 20_000)}.bytes())
	for _, c := range []struct {
		name        string
		first, next string // next is sent every second
		socket      bool
		refused     bool
	}{
		{"body", strings.Repeat("x", 20_000), "x", false, true},
		{"body of just under 1 KiB a second", strings.Repeat("x", 20_000), strings.Repeat("x", 1023), false, true},
		{"body of 1.5 KiB a second", strings.Repeat("x", 20_000), strings.Repeat("x", 1536), false, true},
		{"body of 6 KiB a second", strings.Repeat("x", 20_000), strings.Repeat("x", 6<<10), false, false},
		{"frame", begin(text(strings.Repeat("x", longBody))), "x", true, true},
		{"frame of 1.5 KiB a second", begin(text(strings.Repeat("x", longBody))), strings.Repeat("x", 1536), true, true},
		{"frame of 6 KiB a second", begin(text(strings.Repeat("x", longBody))), strings.Repeat("x", 6<<10), true, false},
		{"fragments", fragment, string(frame{0x00, "x"}.bytes()), true, true},
		{"fragments of 1.5 KiB", fragment, string(frame{0x00, strings.Repeat("x", 1536)}.bytes()), true, true},
		{"empty fragments", fragment, strings.Repeat(string(frame{0x00, ""}.bytes()), 300), true, true},
		{"pings", fragment, strings.Repeat(string(frame{0x89, strings.Repeat("p", 100)}.bytes()), 20), true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{BodyMemory: 1, HTTPTimeout: time.Hour, PingInterval: Forever})
				slow := s.dial()
				if c.socket {
					slow, _ = s.open()
				} else {
					slow.post(fmt.Sprintf("Content-Length: %d", longBody))
				}
				if _, err := io.WriteString(slow.Conn, c.first); err != nil {
					t.Fatal(err)
				}
				go io.Copy(io.Discard, slow.r)
				var sending sync.WaitGroup
				defer sending.Wait()
				sending.Go(func() {
					for {
						time.Sleep(time.Second)
						if _, err := io.WriteString(slow.Conn, c.next); err != nil {
							return
						}
					}
				})
				time.Sleep(6 * silentTimeout) // it is tolerated while no other waits
				other := s.dial()
				other.post("Content-Length: 20000")
				other.write(strings.Repeat("x", 20_000))
				began := time.Now()
				if c.refused {
					s.reply(s.next("http.request"), msg{"status": 200})
					other.response().check(t, 200)
					if took := time.Since(began); took > 2*silentTimeout {
						t.Errorf("another body waited for %v", took)
					}
				} else {
					time.Sleep(6 * silentTimeout)
					if s.layer.waiting("http.request") != 0 {
						t.Error("the slow client was refused")
					}
				}
				slow.Close()
				other.Close()
			})
		})
	}
}

// TestTimeWithoutReadingIsNotSilence uses an application that does not read the
// pieces of a body, so that its client cannot send while another body waits.
func TestTimeWithoutReadingIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{BodyMemory: 1, HTTPTimeout: time.Hour})
		const size = inlineBody + 2*bodyPiece
		c := s.dial()
		c.post(fmt.Sprintf("Content-Length: %d", size))
		c.upload(strings.Repeat("x", size-bodyPiece-1), new(atomic.Int64))
		m := s.next("http.request")
		s.layer.setFull(m.Text("body_channel"), true)
		s.stallAt(30_000) // and waits for the memory
		time.Sleep(silentTimeout - time.Second)
		c.upload("x", new(atomic.Int64)) // completes a piece
		time.Sleep(time.Minute)
		s.layer.setFull(m.Text("body_channel"), false)
		time.Sleep(time.Second / 2)
		c.upload(strings.Repeat("x", bodyPiece), new(atomic.Int64))
		for more := any(true); more == true; {
			more, _ = s.next(m.Text("body_channel")).Get("more_content")
		}
		s.reply(m, msg{"status": 200})
		c.response().check(t, 200)
	})
}

// TestUnfinishedFramesShareTheBudget checks that frames count with bodies, and
// that a socket whose client stops within a frame is closed with 1013.
func TestUnfinishedFramesShareTheBudget(t *testing.T) {
	for _, fragments := range []bool{false, true} {
		t.Run(fmt.Sprint("fragments ", fragments), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const budget = 2 << 20
				s := newMemServer(t, Options{BodyMemory: budget})
				part := string(text(strings.Repeat("x", longBody)).bytes())[:longPart]
				if fragments {
					piece := string(frame{0x00, strings.Repeat("x", 1000)}.bytes())
					part = string(frame{0x01, "x"}.bytes()) + strings.Repeat(piece, longPart/len(piece))
				}
				var read atomic.Int64
				var clients []*client
				closes := make(chan frame, 12)
				for range cap(closes) {
					c, _ := s.open()
					c.upload(part, &read)
					clients = append(clients, c)
					go func() {
						f, _ := c.frame()
						closes <- f
						c.Close()
					}()
				}
				synctest.Wait()
				if n := read.Load(); n > most(budget, len(clients)) {
					t.Errorf("the server has read %d bytes of unfinished frames", n)
				}
				started := time.Now()
				c := s.dial()
				c.post(fmt.Sprintf("Content-Length: %d", longBody))
				c.upload(strings.Repeat("x", longBody), new(atomic.Int64))
				s.reply(s.next("http.request"), msg{"status": 200})
				c.response().check(t, 200)
				if d := time.Since(started); d > time.Minute {
					t.Errorf("an upload waited for %v", d)
				}
				if f, want := <-closes, closeFrame(1013, "the server is busy"); f != want {
					t.Errorf("frame %s, want %s", f, want)
				}
				if m := s.next("websocket.disconnect"); m.Int("code") != 1013 {
					t.Errorf("disconnect is %v", m)
				}
				for _, c := range clients {
					c.Close()
				}
			})
		})
	}
}

// TestAFrameReservesItsLength checks that memory for the longest message is reserved
// only if the message may be longer than its first frame.
func TestAFrameReservesItsLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		for _, test := range []struct {
			op          byte
			least, most int64
		}{{0x81, 30_000, 30_100}, {0x01, 1 << 20, 1<<20 + 100}} {
			c, _ := s.open()
			io.WriteString(c.Conn, string(frame{test.op, strings.Repeat("x", 30_000)}.bytes())[:20_000])
			synctest.Wait()
			if n := usedBytes(s.front.budget); n < test.least || n > test.most {
				t.Errorf("%d bytes are reserved, want %d", n, test.least)
			}
			c.Close()
			synctest.Wait()
		}
	})
}

// TestAnUnfinishedCompressedMessageReservesItsInflater checks messages whose content is
// short.
func TestAnUnfinishedCompressedMessageReservesItsInflater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{Compression: true})
		c, _ := s.open("Sec-WebSocket-Extensions: permessage-deflate")
		packed := compress(strings.Repeat("x", 50))
		part := string(frame{0x41, packed[:1]}.bytes())
		rest := string(frame{0x80, packed[1:]}.bytes())
		io.WriteString(c.Conn, part)
		synctest.Wait()
		if n := usedBytes(s.front.budget); n != inflaterSize {
			t.Errorf("%d bytes are reserved, not %d", n, inflaterSize)
		}
		io.WriteString(c.Conn, rest)
		if m := s.next("websocket.receive"); m.Text("text") != strings.Repeat("x", 50) {
			t.Errorf("received %v", m)
		}
		synctest.Wait()
		if n := usedBytes(s.front.budget); n != 0 {
			t.Errorf("%d bytes are still reserved", n)
		}
		c.Close()
	})
}

// TestFramesThatWaitForTheApplicationCount checks that complete frames that the
// layer refuses stay in the budget.
func TestFramesThatWaitForTheApplicationCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 2 << 20
		s := newMemServer(t, Options{BodyMemory: budget})
		s.layer.setFull("websocket.receive", true)
		var read atomic.Int64
		for range 20 {
			c, _ := s.open()
			c.upload(string(text(strings.Repeat("x", longBody)).bytes()), &read)
		}
		synctest.Wait()
		if n := read.Load(); n > most(budget, 20) {
			t.Errorf("the server has read %d bytes of frames that the layer refuses", n)
		}
		s.layer.setFull("websocket.receive", false)
		for range 20 {
			s.next("websocket.receive")
		}
	})
}

// TestSocketThatWaitsForMemoryIsNotPingedToDeath checks that the time limit of a
// pong stops while the client is not read.
func TestSocketThatWaitsForMemoryIsNotPingedToDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{BodyMemory: 1, HTTPTimeout: Forever})
		holds := s.dial()
		holds.post("Content-Length: 20000")
		holds.write(strings.Repeat("x", 20_000))
		unanswered := s.next("http.request")
		c, _ := s.open()
		go io.Copy(io.Discard, c.r)
		c.frames(text(strings.Repeat("x", 100_000)), frame{0x8a, "1"})
		time.Sleep(5 * time.Minute) // fake time of the bubble
		s.reply(unanswered, msg{"status": 200})
		if m := s.next("websocket.receive"); len(m.Text("text")) != 100_000 {
			t.Errorf("%d bytes", len(m.Text("text")))
		}
	})
}

// TestSocketThatWaitsForMemoryCanEnd checks that the server can close a socket
// whose reader waits for memory.
func TestSocketThatWaitsForMemoryCanEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{BodyMemory: 1, HTTPTimeout: Forever})
		s.stallAt(20_000)
		c, app := s.open()
		c.frames(text(strings.Repeat("x", 20_000)))
		synctest.Wait()
		app.reply(msg{"close": 4000})
		c.gets(closeFrame(4000, ""))
		c.Close()
		app.disconnected(4000, 1)
	})
}

// stallAt starts a client that stops after n bytes of a body.
func (s *memServer) stallAt(n int) {
	c := s.dial()
	c.post(fmt.Sprintf("Content-Length: %d", longBody))
	c.write(strings.Repeat("x", n))
	synctest.Wait()
}

// TestQueuedBodiesCount checks that complete bodies count until their response
// starts, so that the layer has room for all of them.
func TestQueuedBodiesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 2 << 20
		s := newMemServer(t, Options{BodyMemory: budget})
		for range 20 {
			c := s.dial()
			c.post(fmt.Sprintf("Content-Length: %d", longBody))
			c.upload(strings.Repeat("x", longBody), new(atomic.Int64))
		}
		synctest.Wait()
		if n := s.layer.waiting("http.request"); n > budget/longBody+1 {
			t.Errorf("%d bodies wait in the layer", n)
		}
		for range 20 {
			s.reply(s.next("http.request"), msg{"status": 200})
		}
	})
}

// TestStreamedBodiesShareTheBudget checks that bodies with a body channel count,
// and that a stream that stops is closed and refused.
func TestStreamedBodiesShareTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{BodyMemory: 4 * inlineBody})
		var clients []*client
		var channels []string
		var m asgi.Message
		for range 4 {
			c := s.dial()
			c.post("Content-Length: 1000000")
			c.upload(strings.Repeat("x", 600_000), new(atomic.Int64))
			clients = append(clients, c)
			m = s.next("http.request")
			channels = append(channels, m.Text("body_channel"))
		}
		synctest.Wait()
		if n := usedBytes(s.front.budget); n != 4*inlineBody {
			t.Errorf("4 streams count as %d bytes", n)
		}
		s.stallAt(30_000)
		c := s.dial()
		c.post("Content-Length: 30000")
		c.write(strings.Repeat("x", 30_000))
		s.reply(s.next("http.request"), msg{"status": 200})
		c.response().check(t, 200)
		clients[0].response().check(t, 408)
		for more := any(true); more == true; {
			m := s.next(channels[0])
			more, _ = m.Get("more_content")
			if closed, _ := m.Get("closed"); closed == more {
				t.Errorf("a piece has closed %v and more_content %v", closed, more)
			}
		}
		before := usedBytes(s.front.budget)
		s.reply(m, msg{"status": 200, "more_content": true})
		synctest.Wait()
		if n := before - usedBytes(s.front.budget); n != inlineBody-bodyPiece {
			t.Errorf("the start of the response has freed %d bytes, want all but a piece", n)
		}
	})
}

func usedBytes(b *budget.Budget) int64 {
	bytes, _, _ := b.Usage()
	return bytes
}

// TestLongHeadsCount sends requests whose heads are long and whose bodies do not
// come. Over HTTP/2 a client can repeat a header at the cost of one byte.
func TestLongHeadsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 1 << 20
		s := newMemServer(t, Options{BodyMemory: budget})
		var clients []*client
		for range 40 {
			c := s.dial()
			c.post("Content-Length: 10\r\nX: " + strings.Repeat("x", 60_000))
			clients = append(clients, c)
		}
		synctest.Wait()
		if n := usedBytes(s.front.budget); n > budget || n < budget/2 {
			t.Errorf("the budget counts %d bytes of heads", n)
		}
		refused := 0
		for _, c := range clients {
			c.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := c.r.Peek(1); err == nil {
				c.response().check(t, 503)
				refused++
			}
		}
		if refused < 40-budget/100_000 {
			t.Errorf("%d requests were refused", refused)
		}
		c := s.dial()
		c.post("Content-Length: 10\r\nX: " + strings.Repeat("x", 1000))
		c.write("0123456789")
		s.reply(s.next("http.request"), msg{"status": 200})
		c.response().check(t, 200)
	})
}

// TestBodyBehindALongHeadCounts checks that both count.
func TestBodyBehindALongHeadCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.post(fmt.Sprintf("Content-Length: %d\r\nX: %s", longBody, strings.Repeat("x", 60_000)))
		c.upload(strings.Repeat("x", longPart), new(atomic.Int64))
		synctest.Wait()
		if n := usedBytes(s.front.budget); n < longBody+100_000 {
			t.Errorf("the budget counts %d bytes", n)
		}
		c.upload(strings.Repeat("x", longBody-longPart), new(atomic.Int64))
		m := s.next("http.request")
		if n := usedBytes(s.front.budget); n < longBody+100_000 || n > longBody+150_000 {
			t.Errorf("the budget counts %d bytes of a complete body", n)
		}
		s.reply(m, msg{"status": 200})
		c.response().check(t, 200)
	})
}

// TestStreamsOfAConnectionShareItsPart checks that the streams of an HTTP/2
// connection together may hold 16 KiB besides the budget.
func TestStreamsOfAConnectionShareItsPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{BodyMemory: 1, H2C: true})
		transport := &http.Transport{Protocols: new(http.Protocols), DialContext: func(context.Context, string, string) (net.Conn, error) { return s.net.dial() }}
		transport.Protocols.SetUnencryptedHTTP2(true)
		defer transport.CloseIdleConnections()
		var requests sync.WaitGroup
		for range 50 {
			requests.Go(func() {
				body, w := io.Pipe()
				r, err := http.NewRequest("POST", "http://h/", body)
				if err != nil {
					t.Error(err)
					return
				}
				go func() { io.WriteString(w, "part") }()
				res, err := transport.RoundTrip(r)
				w.Close()
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				if res.StatusCode != 408 && res.StatusCode != 503 {
					t.Errorf("status %d", res.StatusCode)
				}
			})
		}
		synctest.Wait()
		_, _, waiting := s.front.budget.Usage()
		if want := 50 - connBytes/firstSegment - 1; waiting != want {
			t.Errorf("%d streams wait for memory, want %d: all but those that share the connection's part, and the oldest", waiting, want)
		}
		requests.Wait()
	})
}
