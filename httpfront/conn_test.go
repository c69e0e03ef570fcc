package httpfront

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// TestRequestsThatComeWhileOneIsServedAreServedNext sends a pipelined request in
// two parts while the server watches its client.
func TestRequestsThatComeWhileOneIsServedAreServedNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/1")
		first := s.next("http.request")
		time.Sleep(time.Second)
		c.write("GET /2 HT")
		time.Sleep(time.Second)
		c.write("TP/1.1\r\nHost: h\r\n\r\n")
		time.Sleep(time.Second)
		if n := s.layer.waiting("http.request"); n != 0 {
			t.Error("the second request was served before the first had its response")
		}
		s.reply(first, msg{"status": 200, "content": "one"})
		if a := c.response().check(t, 200); a.body != "one" {
			t.Errorf("body %q", a.body)
		}
		second := s.next("http.request")
		if second.Text("path") != "/2" {
			t.Errorf("the second request is %v", second)
		}
		s.reply(second, msg{"status": 200})
		c.response().check(t, 200)
	})
}

// TestClientThatHasSentMoreIsNoticedWhenItLeaves sends a part of the next request
// before the client leaves.
func TestClientThatHasSentMoreIsNoticedWhenItLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		s.reply(s.next("http.request"), msg{"status": 200, "more_content": true})
		c.r.ReadString('\n')
		io.WriteString(c.Conn, "GET /next HTTP")
		synctest.Wait()
		c.Close()
		s.next("http.disconnect")
	})
}

// TestRequestsAreServedHoweverTheyArrive sends pipelined requests in pieces, with
// pauses between them, to an application that takes its time. The server may
// read ahead while it waits for a response, and must lose nothing.
func TestRequestsAreServedHoweverTheyArrive(t *testing.T) {
	requests := []struct{ method, in, path, body string }{
		{"GET", "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n", "/1", ""},
		{"GET", "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n", "/2", ""},
		{"POST", "POST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 33\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n", "/3", "GET /smuggled HTTP/1.1\r\nHost: h\r\n"},
		{"POST", "POST /4 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n5\r\n\r\n0\r\n\r\n0\r\nA: b\r\n\r\n", "/4", "abc\r\n0\r\n"},
		{"HEAD", "HEAD /5 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n\r\n", "/5", ""},
		{"GET", "\r\nGET /6 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "/6", ""},
		{"GET", "GET http://i/7 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "/7", ""},
	}
	in := ""
	for _, q := range requests {
		in += q.in
	}
	for _, piece := range []int{1, 10, 100, len(in)} {
		for _, pause := range []time.Duration{0, time.Millisecond, 3 * time.Millisecond} {
			for _, delay := range []time.Duration{0, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond} {
				t.Run(fmt.Sprint(piece, pause, delay), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newMemServer(t, Options{})
						c := s.dial()
						var sending sync.WaitGroup
						defer sending.Wait()
						sending.Go(func() {
							for rest := in; rest != ""; {
								n := min(piece, len(rest))
								io.WriteString(c.Conn, rest[:n])
								rest = rest[n:]
								time.Sleep(pause)
							}
						})
						for _, q := range requests {
							m := s.next("http.request")
							if m.Text("path") != q.path || m.Bytes("body") != asgi.Bytes(q.body) || m.Text("method") != q.method {
								t.Fatalf("%s: %v", q.path, m)
							}
							time.Sleep(delay)
							if q.path == "/4" {
								s.reply(m, msg{"status": 200, "content": q.path, "more_content": true})
								s.reply(m, msg{})
							} else {
								s.reply(m, msg{"status": 200, "content": q.path})
							}
							want := q.path
							if q.method == "HEAD" {
								want = ""
							}
							if a := c.responseTo(q.method).check(t, 200); a.body != want || a.err != nil {
								t.Fatalf("%s: %q, %v", q.path, a.body, a.err)
							}
						}
						if !c.ended() {
							t.Error("the connection is still open")
						}
					})
				})
			}
		}
	}
}

// TestEmptyLineIsNoRequest sends one after a body, as some clients do. The
// connection must stay open as long as without it, and must not delay Shutdown.
func TestEmptyLineIsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		for range 2 {
			c.post("Content-Length: 2")
			c.write("hi\r\n")
			s.reply(s.next("http.request"), msg{"status": 200})
			c.response().check(t, 200)
			time.Sleep(idleTimeout / 2)
		}
		started := time.Now()
		if err := s.front.Shutdown(t.Context()); err != nil || time.Since(started) != 0 {
			t.Errorf("Shutdown: %v after %v", err, time.Since(started))
		}
	})
}

// TestIdleConnectionIsClosed checks the time limit between requests.
func TestIdleConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		for range 3 { // the limit starts again
			c.get("/")
			s.reply(s.next("http.request"), msg{"status": 200})
			c.response().check(t, 200)
			time.Sleep(idleTimeout * 9 / 10)
		}
		if !c.ended() {
			t.Error("it is still open")
		}
	})
}

// TestHeadIsLimitedInTotal uses a client that sends a header line at a time.
func TestHeadIsLimitedInTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		s.reply(s.next("http.request"), msg{"status": 200})
		c.response().check(t, 200)
		time.Sleep(5 * time.Second)
		started := time.Now()
		var sending sync.WaitGroup
		defer sending.Wait()
		sending.Go(func() {
			for _, err := io.WriteString(c, "GET / HTTP/1.1\r\n"); err == nil; _, err = io.WriteString(c, "x: y\r\n") {
				time.Sleep(3 * time.Second)
			}
		})
		if !c.ended() || time.Since(started) != headerTimeout {
			t.Errorf("it ended after %v", time.Since(started))
		}
	})
}

// TestShutdownClosesIdleConnectionsAtOnce uses a connection without a request, one
// between two requests and one with a part of a head.
func TestShutdownClosesIdleConnectionsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		unused, idle, part := s.dial(), s.dial(), s.dial()
		part.write("GET / HT")
		idle.get("/")
		s.reply(s.next("http.request"), msg{"status": 200})
		idle.response().check(t, 200)
		synctest.Wait()
		started := time.Now()
		if err := s.front.Shutdown(t.Context()); err != nil || time.Since(started) != 0 {
			t.Errorf("Shutdown: %v after %v", err, time.Since(started))
		}
		if !unused.ended() || !idle.ended() || !part.ended() {
			t.Error("a connection is still open")
		}
	})
}

// TestConnectionStaysOpenAsHTTP10Asks checks Connection in HTTP/1.0.
func TestConnectionStaysOpenAsHTTP10Asks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		for _, header := range []string{"Connection: keep-alive\r\n", ""} {
			c.write("GET / HTTP/1.0\r\n" + header + "\r\n")
			s.reply(s.next("http.request"), msg{"status": 200, "content": "a"})
			if a := c.response().check(t, 200); a.body != "a" || (a.Header.Get("Connection") == "keep-alive") != (header != "") {
				t.Errorf("%q: %q, %v", header, a.body, a.Header)
			}
		}
		if !c.ended() {
			t.Error("it is still open")
		}
	})
}

// TestMalformedRequestReachesAccess checks its page and its event.
func TestMalformedRequestReachesAccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.write("GET /a HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\nX Y: 1\r\n\r\n")
		if a := c.response().check(t, 400); !strings.Contains(a.body, "<h1>This request cannot be understood</h1>") {
			t.Errorf("body %q", a.body)
		}
		if e := <-s.seen; e.Status != 400 || e.Method != "GET" || e.Target != "/a" || e.ClientString() != "192.0.2.7:4711" {
			t.Errorf("event %+v", e)
		}
	})
}

// A busyListener fails before each connection because of too many open files.
type busyListener struct {
	*pipeListener
	calls atomic.Int64
}

func (l *busyListener) Accept() (net.Conn, error) {
	if l.calls.Add(1)%2 == 1 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.pipeListener.Accept()
}

// TestListenerContinuesAfterTooManyOpenFiles also checks that the errors are
// logged and do not come at once.
func TestListenerContinuesAfterTooManyOpenFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		l := &busyListener{pipeListener: newPipeListener()}
		served := make(chan error)
		ctx, stop := context.WithCancel(t.Context())
		go func() { served <- s.front.Serve(ctx, l) }()
		started := time.Now()
		for range 3 {
			c, err := l.dial()
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
		if d := time.Since(started); d != 3*acceptPause {
			t.Errorf("three connections took %v", d)
		}
		s.logs.contains(t, "could not accept a connection", "too many open files")
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// TestClientThatSendsAfterARefusalGetsIt sends a body that is too long over a real
// connection, which the system resets if it is closed with unread input.
func TestClientThatSendsAfterARefusalGetsIt(t *testing.T) {
	b := newNetServer(t, Options{MaxBody: 1000}, false)
	const size = 8 << 20
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size)); err != nil {
		t.Fatalf("sending: %v", err)
	}
	conn.(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(got), fmt.Sprint("HTTP/1.1 ", http.StatusRequestEntityTooLarge)) {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestLastResponseIsNotReset checks that a client gets the last response of its connection
// and then its end, though it has sent more.
func TestLastResponseIsNotReset(t *testing.T) {
	b := newNetServer(t, Options{}, false)
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	more := strings.Repeat("GET /later HTTP/1.1\r\nHost: h\r\n\r\n", 1000)
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"+more); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200") {
		t.Errorf("%q, %v", got, err)
	}
}

// TestShutdownDoesNotResetTheLastResponse checks that a client that has sent more gets the
// response that was running when the server was stopped, and then its end.
func TestShutdownDoesNotResetTheLastResponse(t *testing.T) {
	s := newMemServer(t, Options{})
	c := dialTCP(s)
	c.get("/")
	m := s.next("http.request")
	if _, err := io.WriteString(c.Conn, strings.Repeat("GET /later HTTP/1.1\r\nHost: h\r\n\r\n", 1000)); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.front.Shutdown(context.Background()) }()
	for !s.isStopping() {
		runtime.Gosched()
	}
	s.reply(m, msg{"status": 200, "content": "the last"})
	if got, err := io.ReadAll(c.r); err != nil || !strings.HasSuffix(string(got), "the last") {
		t.Errorf("%q, %v", got, err)
	}
	c.Close()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// isStopping reports whether Shutdown has stopped all services.
func (s *memServer) isStopping() bool {
	s.front.mu.Lock()
	defer s.front.mu.Unlock()
	for v := range s.front.services {
		if !v.stopping.Load() {
			return false
		}
	}
	return true
}
