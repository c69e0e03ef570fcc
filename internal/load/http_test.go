package load

import (
	"bufio"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serveBytes serves connections: for each request, it writes the next of the
// responses. After the last response, or after an empty one, it closes the
// connection.
func serveBytes(t *testing.T, responses ...string) (url string, connections *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = new(atomic.Int64)
	ended := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			r := bufio.NewReader(conn)
			for _, response := range responses {
				if _, err := http.ReadRequest(r); err != nil || response == "" {
					break
				}
				io.WriteString(conn, response)
			}
			conn.Close()
		}
	}()
	return "http://" + l.Addr().String() + "/", connections
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestResponsesOfEveryLength(t *testing.T) {
	for name, response := range map[string]string{
		"length":       ok,
		"lower case":   "HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nok",
		"chunks":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\nA\r\n0123456789\r\n0\r\n\r\n",
		"trailer":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nEtag: x\r\n\r\n",
		"interim":      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok,
		"long header":  "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 20_000) + "\r\nContent-Length: 2\r\n\r\nok",
		"long body":    "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 20_000),
		"no content":   "HTTP/1.1 204 No Content\r\n\r\n",
		"not modified": "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			url, connections := serveBytes(t, response, response, response)
			c := resolve(t, url).HTTP(Request{Method: "GET"})()
			defer c.Close()
			for range 3 {
				if status, err := c.Do(t.Context()); err != nil || status/100 > 3 {
					t.Fatal(status, err)
				}
			}
			if n := connections.Load(); n != 1 {
				t.Errorf("%d connections instead of one", n)
			}
		})
	}
}

func TestAConnectionThatTheServerClosesIsReplaced(t *testing.T) {
	for name, response := range map[string]string{
		"header":   "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0": "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"no end":   "HTTP/1.1 200 OK\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			url, connections := serveBytes(t, response)
			c := resolve(t, url).HTTP(Request{Method: "GET"})()
			defer c.Close()
			for range 3 {
				if status, err := c.Do(t.Context()); err != nil || status != 200 {
					t.Fatal(status, err)
				}
			}
			if n := connections.Load(); n != 3 {
				t.Errorf("%d connections instead of three", n)
			}
		})
	}
}

func TestAConnectionThatWasUnusedForLongIsReplaced(t *testing.T) {
	url, connections := serveBytes(t, ok)
	c := resolve(t, url).HTTP(Request{Method: "GET"})().(*httpClient)
	defer c.Close()
	for range 3 {
		if status, err := c.Do(t.Context()); err != nil || status != 200 {
			t.Fatal(status, err)
		}
		c.started = c.started.Add(-2 * maxIdle)
	}
	if n := connections.Load(); n != 3 {
		t.Errorf("%d connections instead of three", n)
	}
	// One that was used just now has failed.
	if _, err := c.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context()); KindOf(err) != Closed {
		t.Error(err)
	}
}

func TestKindsOfErrors(t *testing.T) {
	for name, test := range map[string]struct {
		response string
		want     Kind
	}{
		"closed":             {"", Closed},
		"closed in the head": {"HTTP/1.1 200 OK\r\nContent-", Closed},
		"closed in the body": {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", Closed},
		"closed in a chunk":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", Closed},
		"not HTTP":           {"SSH-2.0-OpenSSH_9.2\r\n", Invalid},
		"no status":          {"HTTP/1.1 OK yes no\r\n\r\n", Invalid},
		"no colon":           {"HTTP/1.1 200 OK\r\nlength\r\n\r\n", Invalid},
		"negative length":    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Invalid},
		"chunk length":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := serveBytes(t, test.response)
			c := resolve(t, url).HTTP(Request{Method: "GET"})()
			defer c.Close()
			if _, err := c.Do(t.Context()); KindOf(err) != test.want {
				t.Errorf("the kind is %q: %v", KindOf(err), err)
			}
		})
	}
	if kind := KindOf(errors.New("x")); kind != Other {
		t.Error(kind)
	}
}

func TestNothingListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String() + "/"
	l.Close()
	err = Run(t.Context(), resolve(t, url).HTTP(Request{Method: "GET"}), Options{Connections: 2, Duration: time.Second}, &Meter{})
	if KindOf(err) != Refused {
		t.Errorf("the kind is %q: %v", KindOf(err), err)
	}
}

func TestASlowResponseIsATimeout(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	server := resolve(t, s.URL)
	server.Timeout = 20 * time.Millisecond
	c := server.HTTP(Request{Method: "GET"})()
	defer c.Close()
	if _, err := c.Do(t.Context()); KindOf(err) != Timeout || !strings.HasPrefix(err.Error(), "not completed within 20ms: ") {
		t.Errorf("the kind is %q: %v", KindOf(err), err)
	}
}

func TestTheWholeRequestArrives(t *testing.T) {
	type request struct {
		method, target, host, header, body string
		length                             int64
	}
	got := make(chan request, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- request{r.Method, r.RequestURI, r.Host, r.Header.Get("X-Y"), string(b), r.ContentLength}
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	for _, test := range []struct {
		path string
		Request
		want request
	}{
		{"", Request{Method: "GET"}, request{"GET", "/", host, "", "", 0}},
		{"/a%20b?c=d#e", Request{Method: "GET", Header: []string{"x-y: z", "host: other"}}, request{"GET", "/a%20b?c=d", "other", "z", "", 0}},
		{"/", Request{Method: "POST", Body: []byte("content")}, request{"POST", "/", host, "", "content", 7}},
		{"/", Request{Method: "HEAD"}, request{"HEAD", "/", host, "", "", 0}},
	} {
		c := resolve(t, s.URL+test.path).HTTP(test.Request)()
		for range 2 {
			if status, err := c.Do(t.Context()); status != 200 || err != nil {
				t.Fatal(status, err)
			}
			if r := <-got; r != test.want {
				t.Errorf("%+v", r)
			}
		}
		c.Close()
	}
}

// A server may refuse a body and close the connection before all of it has
// arrived.
func TestARefusedBodyHasAStatus(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 100))
			io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
			conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	c := resolve(t, "http://"+l.Addr().String()).HTTP(Request{Method: "POST", Body: make([]byte, 4<<20)})()
	defer c.Close()
	if status, err := c.Do(t.Context()); status != 413 || err != nil {
		t.Error(status, err)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it would report the refused certificate
	s.StartTLS()
	defer s.Close()
	server := resolve(t, s.URL)
	c := server.HTTP(Request{Method: "GET"})()
	defer c.Close()
	if err := c.Connect(t.Context()); KindOf(err) != Security {
		t.Errorf("the kind is %q: %v", KindOf(err), err)
	}
	server.TLS.InsecureSkipVerify = true
	if status, err := c.Do(t.Context()); status != 200 || err != nil {
		t.Error(status, err)
	}
}

func TestResolve(t *testing.T) {
	for text, want := range map[string]string{
		"http://127.0.0.1":           "127.0.0.1:80",
		"http://127.1.2.3:8000/":     "127.1.2.3:8000",
		"https://[::1]/":             "[::1]:443",
		"ws://[::ffff:127.0.0.1]:1/": "127.0.0.1:1",
		"wss://127.0.0.1/x":          "127.0.0.1:443",
	} {
		if s, err := Resolve(t.Context(), text, false); err != nil || s.Addresses[0] != want || s.IsWebSocket() != strings.HasPrefix(text, "ws") {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
	for text, want := range map[string]error{
		"":                    ErrNotURL,
		"127.0.0.1:8000":      ErrNotURL,
		"localhost:8000":      ErrNotURL,
		"/path":               ErrNotURL,
		"http://":             ErrNotURL,
		"http://:8000/":       ErrNotURL,
		"ftp://127.0.0.1/":    ErrNotURL,
		"http://127.0.0.1:x/": ErrNotURL,
		"http://192.0.2.1/":   ErrNotLoopback,
		"http://0.0.0.0/":     ErrNotLoopback,
		"ws://[2001:db8::1]/": ErrNotLoopback,
		"http://u:p@[::1]/":   nil,
	} {
		if s, err := Resolve(t.Context(), text, false); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
	if s, err := Resolve(t.Context(), "http://192.0.2.1/", true); err != nil || s.Addresses[0] != "192.0.2.1:80" {
		t.Errorf("%+v, %v", s, err)
	}
}
