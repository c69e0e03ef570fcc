package httpfront

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

// TestLongHeadsOfRunningRequestsAreBounded checks that requests with long heads get
// 503 if too many of them run, and that usual ones do not.
func TestLongHeadsOfRunningRequestsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		long := "GET /" + strings.Repeat("a", 60<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n"
		most := headsMemory / (2*60<<10 - usualHead)
		open := func() *client {
			c := s.dial()
			c.write(long)
			synctest.Wait()
			return c
		}
		var clients []*client
		for range most {
			clients = append(clients, open())
		}
		waiting := s.layer.waiting("http.request")
		if waiting < most*9/10 || waiting > most {
			t.Fatalf("%d requests run, not about %d", waiting, most)
		}
		open().response().check(t, 503)
		c := s.dial()
		c.get("/")
		synctest.Wait()
		if s.layer.waiting("http.request") <= waiting {
			t.Error("a usual request was refused")
		}
		for _, c := range clients[:waiting] {
			s.reply(s.next("http.request"), msg{"status": 200})
			c.response().check(t, 200)
		}
		clients = []*client{c, open()}
		if n := s.layer.waiting("http.request"); n != 2 {
			t.Errorf("%d requests wait, not 2: no memory is left", n)
		}
		for _, c := range clients {
			s.reply(s.next("http.request"), msg{"status": 200})
			c.response().check(t, 200)
		}
		synctest.Wait()
		if n := s.front.heads.Load(); n != 0 {
			t.Errorf("%d bytes of ended requests still count", n)
		}
	})
}

// TestLongHeadsOfHandshakesAreBounded checks that handshakes with long heads get 503 if too
// many of them wait, and that an open WebSocket does not count.
func TestLongHeadsOfHandshakesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		long := "Cookie: " + strings.Repeat("a", 60<<10)
		_, app := s.connect(long)
		if n := s.front.heads.Load(); n < 100<<10 {
			t.Errorf("%d bytes count for the head of a handshake", n)
		}
		app.reply(msg{"accept": true})
		synctest.Wait()
		if n := s.front.heads.Load(); n != 0 {
			t.Errorf("%d bytes count for an open WebSocket", n)
		}
		s.front.heads.Add(headsMemory)
		c := s.dial()
		c.write(handshake + long + "\r\n\r\n")
		c.response().check(t, 503)
		s.open()
		s.front.heads.Add(-headsMemory)
	})
}

// TestLongHeadsThatArriveAreBounded checks that a long head gets 503 if too many
// others have not arrived completely, and that a usual one is served.
func TestLongHeadsThatArriveAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		const buffer = 64 << 10 // for a part of this length
		part := "GET /" + strings.Repeat("a", 40<<10)
		var clients []*client
		for range headsMemory / (buffer - usualHead) {
			c := s.dial()
			c.write(part)
			clients = append(clients, c)
		}
		synctest.Wait()
		c := s.dial()
		c.write(part)
		c.response().check(t, 503)
		c = s.dial()
		c.get("/")
		s.reply(s.next("http.request"), msg{"status": 200})
		c.response().check(t, 200)
		for i, c := range clients {
			if i%2 == 0 {
				c.Close()
				continue
			}
			c.write(" HTTP/1.1\r\nHost: h\r\n\r\n")
			s.reply(s.next("http.request"), msg{"status": 200})
			c.response().check(t, 200)
		}
		synctest.Wait()
		if n := s.front.parts.Load(); n != 0 {
			t.Errorf("%d bytes of heads that have arrived still count", n)
		}
	})
}

// TestAnIdleConnectionForgetsALongHead checks that a connection that waits for the next
// request does not keep the last one.
func TestAnIdleConnectionForgetsALongHead(t *testing.T) {
	s := newMemServer(t, Options{})
	const connections, size = 200, 60 << 10
	head := "GET /" + strings.Repeat("a", size) + " HTTP/1.1\r\nHost: h\r\n\r\n"
	heap := func() int {
		runtime.GC()
		runtime.GC() // pools keep their contents for one cycle
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	var clients []*client
	before := heap()
	for range connections {
		c := s.dial()
		if _, err := c.Conn.Write([]byte(head)); err != nil {
			t.Fatal(err)
		}
		s.reply(s.next("http.request"), msg{"status": 200})
		c.response().check(t, 200)
		<-s.seen
		clients = append(clients, c)
	}
	s.layer.mu.Lock()
	clear(s.layer.queues) // they keep what was taken
	s.layer.mu.Unlock()
	if n := (heap() - before) / connections; n > size/2 {
		t.Errorf("an idle connection holds %d bytes after a request of %d", n, size)
	}
	runtime.KeepAlive(clients)
}

func TestAnOpenWebSocketKeepsAShortTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		for size, status := range map[int]int{maxSocketTarget: 101, maxSocketTarget + 1: 414} {
			c := s.dial()
			c.write("GET /" + strings.Repeat("a", size-1) + " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			if status == 101 {
				s.reply(s.next("websocket.connect"), msg{"accept": true})
			}
			c.response().check(t, status)
		}
	})
}

func TestRunningRequestsAreBounded(t *testing.T) {
	s := newMemServer(t, Options{})
	g := s.front.conns
	fill := func(change func(name string)) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for i := range maxRequests {
			change(fmt.Sprint(i))
		}
	}
	fill(func(name string) { g.boxes[name] = &mailbox{} })
	c := s.dial()
	c.get("/")
	c.response().check(t, 503)
	fill(func(name string) { delete(g.boxes, name) })
	c = s.dial()
	c.get("/")
	s.reply(s.next("http.request"), msg{"status": 200})
	c.response().check(t, 200)
}
