package httpfront

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"asgibox/asgi"
)

var (
	idleSockets = flag.Int("idle-sockets", 300, "sockets in TestIdleSockets; 10000 is the figure to hold (it needs 20100 open files)")
	slowSockets = flag.Int("slow-sockets", 50, "slow readers in TestSlowReadersDoNotSlowOthers; 1000 is the figure to hold")
)

// socket opens a WebSocket over the loopback interface. Headers are lines with
// their ends.
func (b *netServer) socket(t testing.TB, headers ...string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &client{t: t, Conn: conn, r: bufio.NewReaderSize(conn, 256)}
	if _, err := io.WriteString(conn, handshake+strings.Join(headers, "")+"\r\n"); err != nil {
		t.Fatal(err)
	}
	c.accepted()
	return c
}

// members puts every open socket into a group.
func (b *netServer) members(group string) {
	b.t.Helper()
	b.front.conns.mu.Lock()
	sockets := slices.Collect(maps.Keys(b.front.conns.sockets))
	b.front.conns.mu.Unlock()
	for _, c := range sockets {
		if err := b.layer.GroupAdd(b.t.Context(), nil, group, c.channel); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *netServer) sendGroup(group, text string) {
	b.t.Helper()
	m := asgi.MustMessage(asgi.Field{Key: "text", Value: text})
	if err := b.layer.SendGroup(b.t.Context(), nil, group, m); err != nil {
		b.t.Fatal(err)
	}
}

// TestIdleSockets checks that each idle socket costs one goroutine and little
// memory, and that all of them receive a group send.
func TestIdleSockets(t *testing.T) {
	b := newNetServer(t, Options{}, false)
	b.churn(t, 0) // starts everything that serves
	goroutines, heap := runtime.NumGoroutine(), inUse()
	clients := make([]*client, *idleSockets)
	for i := range clients {
		clients[i] = b.socket(t)
	}
	if n := b.front.Sockets(); n != len(clients) {
		t.Errorf("%d sockets of %d", n, len(clients))
	}
	if !settles(goroutines + len(clients)) {
		t.Errorf("%d goroutines for %d sockets", runtime.NumGoroutine()-goroutines, len(clients))
	}
	t.Logf("%d bytes a socket, both ends and stacks included", (inUse()-heap)/len(clients))
	b.members("all")
	b.sendGroup("all", "hello")
	for _, c := range clients {
		c.gets(text("hello"))
	}
}

func inUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

// TestSlowReadersDoNotSlowOthers checks that reading clients get every message
// of the group in order while other clients read nothing.
func TestSlowReadersDoNotSlowOthers(t *testing.T) {
	b := newNetServer(t, Options{PingInterval: Forever}, false)
	slow := make([]*client, *slowSockets)
	for i := range slow {
		slow[i] = b.socket(t)
	}
	fast := make([]*client, 10)
	for i := range fast {
		fast[i] = b.socket(t)
	}
	b.members("all")
	const rounds = 100
	padding := make([]byte, 32<<10) // fills the kernel buffers of the slow clients
	for i := range padding {
		padding[i] = '.'
	}
	var received sync.WaitGroup
	round := make(chan bool, len(fast))
	for _, c := range fast {
		received.Go(func() {
			for i := range rounds {
				if f, err := c.frame(); err != nil || f.payload != fmt.Sprint(i)+string(padding) {
					t.Errorf("round %d: %s, %v", i, f, err)
					round <- true
					return
				}
				round <- true
			}
		})
	}
	for i := range rounds {
		b.sendGroup("all", fmt.Sprint(i)+string(padding))
		for range fast {
			<-round // keep all readers in the same round
		}
	}
	received.Wait()
}

// TestChurnLeavesNothingBehind checks goroutines, mailboxes and bytes.
func TestChurnLeavesNothingBehind(t *testing.T) {
	b := newNetServer(t, Options{}, false)
	b.churn(t, 0) // starts everything that serves
	goroutines := runtime.NumGoroutine()
	const each = 200
	var clients sync.WaitGroup
	for worker := range 4 {
		clients.Go(func() {
			for i := range each {
				b.churn(t, (worker+i)%5)
			}
		})
	}
	clients.Wait()
	if !settles(goroutines) {
		t.Errorf("%d goroutines more", runtime.NumGoroutine()-goroutines)
	}
	// The first client's connection may still have been closing when the
	// goroutines were counted, so the last one may still be.
	var left string
	if !eventually(func() bool { left = b.front.left(); return left == "" }) {
		t.Error(left)
	}
}

// left describes what the server still holds of its connections, if anything.
func (s *Server) left() string {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	boxes, sockets, count, bytes := len(s.conns.boxes), len(s.conns.sockets), s.conns.count, s.outputs.bytes.Load()
	if boxes+sockets+count == 0 && bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%d mailboxes, %d sockets, a count of %d and %d bytes are left", boxes, sockets, count, bytes)
}

// churn connects a client that ends in one of several ways.
func (b *netServer) churn(t *testing.T, way int) {
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	c := &client{t: t, Conn: conn, r: bufio.NewReader(conn)}
	switch way {
	case 0: // a request
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		io.Copy(io.Discard, conn)
	case 1: // a client that disconnects at once
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	case 2: // a handshake that is abandoned
		io.WriteString(conn, handshake+"\r\n")
	case 3: // a socket that is lost
		io.WriteString(conn, handshake+"\r\n"+string(text("hello").bytes()))
		c.r.ReadByte()
	case 4: // a socket that is closed
		io.WriteString(conn, handshake+"\r\n"+string(text("hello").bytes())+string(closeFrame(1000, "").bytes()))
		io.Copy(io.Discard, conn)
	}
}
