package httpfront

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/httpfront/devcert"
	"asgibox/store"
)

// A netServer is a server on real sockets. A worker replies to every request
// with a summary of it.
type netServer struct {
	t        testing.TB
	front    *Server
	layer    *store.Store
	addr     string
	pem      []byte // the certificate
	roots    *x509.CertPool
	reported chan string // reports of a page in a browser
}

// newNetServer serves on loopback, with TLS if secure is set.
func newNetServer(t testing.TB, opts Options, secure bool) *netServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &netServer{t: t, reported: make(chan string, 1)}
	if secure {
		cert, err := devcert.Load(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if b.pem, err = os.ReadFile(cert.Path); err != nil {
			t.Fatal(err)
		}
		b.roots = x509.NewCertPool()
		b.roots.AppendCertsFromPEM(b.pem)
		opts.TLS = cert.Config()
	}
	b.serve(opts, l)
	return b
}

func (b *netServer) serve(opts Options, l net.Listener) {
	b.addr = l.Addr().String()
	b.layer = store.Memory(store.Options{})
	front, err := New(b.layer, opts)
	if err != nil {
		b.t.Fatal(err)
	}
	b.front = front
	ctx, stop := context.WithCancel(context.Background())
	served, worked := make(chan error, 1), make(chan bool)
	go func() { served <- front.Serve(ctx, l) }()
	go func() { b.work(ctx); close(worked) }()
	b.t.Cleanup(func() {
		front.Shutdown(ctx)
		if err := <-served; err != nil && err != http.ErrServerClosed { // Shutdown may have come before Serve was ready for it
			b.t.Errorf("Serve: %v", err)
		}
		stop()
		<-worked
		b.layer.Close(context.Background())
	})
}

// work replies to requests with a summary, and to frames with their content.
func (b *netServer) work(ctx context.Context) {
	for {
		d, err := b.layer.Receive(ctx, nil, "http.request", "websocket.connect", "websocket.receive", "websocket.disconnect", "http.disconnect")
		if err != nil {
			return
		}
		to := d.Message.Text("reply_channel")
		switch d.Channel {
		case "http.request":
			switch d.Message.Text("path") {
			case "/page":
				b.send(to, asgi.Field{Key: "status", Value: 200}, asgi.Field{Key: "content", Value: browserPage},
					asgi.Field{Key: "headers", Value: []any{[]any{"content-type", "text/html; charset=utf-8"}}})
				continue
			case "/report":
				b.reported <- string(d.Message.Bytes("body"))
			case "/push":
				b.send(to, asgi.Field{Key: "request", Value: asgi.Fields{{Key: "path", Value: "/pushed one"}, {Key: "query_string", Value: []byte("x")}}})
			}
			b.send(to, asgi.Field{Key: "status", Value: 200},
				asgi.Field{Key: "headers", Value: []any{[]any{"x-scheme", d.Message.Text("scheme")}}},
				asgi.Field{Key: "content", Value: strings.Join([]string{
					d.Message.Text("method"), d.Message.Text("path"), d.Message.Text("http_version"), d.Message.Text("scheme"), string(d.Message.Bytes("body")),
				}, " ")})
		case "websocket.connect":
			b.send(to, asgi.Field{Key: "accept", Value: true})
		case "websocket.receive":
			if text := d.Message.Text("text"); strings.HasPrefix(text, "close ") {
				b.send(to, asgi.Field{Key: "close", Value: 4001}, asgi.Field{Key: "reason", Value: text[6:]})
				continue
			}
			v, _ := d.Message.Get("bytes")
			w, _ := d.Message.Get("text")
			b.send(to, asgi.Field{Key: "bytes", Value: v}, asgi.Field{Key: "text", Value: w})
		}
	}
}

func (b *netServer) send(to string, fields ...asgi.Field) {
	if err := b.layer.Send(context.Background(), nil, to, asgi.MustMessage(fields...)); err != nil {
		b.t.Errorf("reply: %v", err)
	}
}

// get sends a request with a Go client that uses the given protocols.
func (b *netServer) get(url string, set func(*http.Protocols), dial func(context.Context, string, string) (net.Conn, error)) (*http.Response, string) {
	b.t.Helper()
	p := new(http.Protocols)
	set(p)
	tr := &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{RootCAs: b.roots}, DialContext: dial}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Post(url, "text/plain", strings.NewReader("body"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res, string(body)
}

// TestProtocols tests HTTP/1.1, and HTTP/2 over TLS or with H2C.
func TestProtocols(t *testing.T) {
	plain := newNetServer(t, Options{}, false)
	clear := newNetServer(t, Options{H2C: true}, false)
	secure := newNetServer(t, Options{}, true)
	http1 := func(p *http.Protocols) { p.SetHTTP1(true) }
	http2 := func(p *http.Protocols) { p.SetHTTP2(true) }
	h2c := func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }
	for _, c := range []struct {
		name   string
		b      *netServer
		scheme string
		speak  func(*http.Protocols)
		want   string
	}{
		{"HTTP/1.1", plain, "http", http1, "POST /a b 1.1 http body"},
		{"HTTP/1.1 where h2c is used", clear, "http", http1, "POST /a b 1.1 http body"},
		{"HTTP/2 in clear text", clear, "http", h2c, "POST /a b 2 http body"},
		{"HTTP/1.1 over TLS", secure, "https", http1, "POST /a b 1.1 https body"},
		{"HTTP/2 over TLS", secure, "https", http2, "POST /a b 2 https body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.b.t = t
			if _, body := c.b.get(c.scheme+"://"+c.b.addr+"/a%20b?c", c.speak, nil); body != c.want {
				t.Errorf("got %q, want %q", body, c.want)
			}
		})
	}
}

// TestBadEscapeOverHTTP2EndsItsStreamOnly checks that the connection continues
// when net/http refuses a request without calling the handler.
func TestBadEscapeOverHTTP2EndsItsStreamOnly(t *testing.T) {
	b := newNetServer(t, Options{H2C: true}, false)
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	frame := func(kind, flags byte, stream uint32, payload string) string {
		head := []byte{0, 0, byte(len(payload)), kind, flags}
		return string(binary.BigEndian.AppendUint32(head, stream)) + payload
	}
	get := func(path string) string { // in HPACK: GET, http, a path, the host h
		return "\x82\x86\x04" + string(rune(len(path))) + path + "\x01\x01h"
	}
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+frame(4, 0, 0, "")+frame(1, 5, 1, get("/%zz"))+frame(1, 5, 3, get("/a")))
	var refused, accepted bool
	for r := bufio.NewReader(c); !refused || !accepted; {
		var head [9]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			t.Fatalf("refused %v, accepted %v: %v", refused, accepted, err)
		}
		payload := make([]byte, int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(r, payload); err != nil {
			t.Fatal(err)
		}
		switch kind, stream := head[3], head[8]; {
		case kind == 3 && stream == 1: // RST_STREAM
			refused = binary.BigEndian.Uint32(payload) == 1 // PROTOCOL_ERROR
		case kind == 1 && stream == 3:
			accepted = payload[0] == 0x88 // 200
		case kind == 7 || stream == 1: // GOAWAY, or a response
			t.Fatalf("frame %d of stream %d: %x", kind, stream, payload)
		}
	}
}

// TestHTTP2OverTLSNeedsItsNegotiation sends the preface of HTTP/2 on a connection
// that has agreed on HTTP/1.1.
func TestHTTP2OverTLSNeedsItsNegotiation(t *testing.T) {
	b := newNetServer(t, Options{H2C: true}, true)
	c, err := tls.Dial("tcp", b.addr, &tls.Config{RootCAs: b.roots, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	if reply, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(reply), "HTTP/1.1 505 ") {
		t.Errorf("%q, %v", reply, err)
	}
}

// TestPlainHTTPToATLSPortIsExplained checks the reply to the wrong scheme.
func TestPlainHTTPToATLSPortIsExplained(t *testing.T) {
	b := newNetServer(t, Options{}, true)
	res, err := http.Get("http://" + b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 400 || !strings.Contains(string(body), "https://") {
		t.Errorf("%v %q", res.Status, body)
	}
}

// TestALongTLSHandshakeIsRefused sends records of a ClientHello that never ends. Package
// tls alone would wait for 64 KiB.
func TestALongTLSHandshakeIsRefused(t *testing.T) {
	b := newNetServer(t, Options{}, true)
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	record := append([]byte{22, 3, 1, 16, 0}, make([]byte, 4096)...)
	copy(record[5:], []byte{1, 0, 0xff, 0xfc}) // a ClientHello of nearly 64 KiB
	c.SetDeadline(time.Now().Add(headerTimeout / 2))
	c.Write(record)
	c.Write(append([]byte{22, 3, 1, 16, 0}, make([]byte, 4096)...))
	if n, err := c.Read(make([]byte, 1)); n > 0 || os.IsTimeout(err) {
		t.Errorf("read %d, %v; want the end of the connection", n, err)
	}
}

// TestFramingIsParsedUnderTLS checks one error of TestFramingIsUnambiguous.
func TestFramingIsParsedUnderTLS(t *testing.T) {
	b := newNetServer(t, Options{}, true)
	c, err := tls.Dial("tcp", b.addr, &tls.Config{RootCAs: b.roots, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"+probe)
	reply, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(reply), "HTTP/1.1 400 ") || strings.Count(string(reply), "HTTP/1.1") != 1 {
		t.Errorf("%q, %v", reply, err)
	}
}

// TestSocketOverTLS checks that a WebSocket can take over a TLS connection.
func TestSocketOverTLS(t *testing.T) {
	b := newNetServer(t, Options{}, true)
	conn, err := tls.Dial("tcp", b.addr, &tls.Config{RootCAs: b.roots, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &client{t: t, Conn: conn, r: bufio.NewReader(conn)}
	c.write(handshake + "\r\n")
	c.accepted()
	c.frames(text("a"), binaryFrame("b"), text("close why"))
	c.gets(text("a"), binaryFrame("b"))
	c.closed(4001, "why")
}

// TestUnixSocket checks that client and server are None and that a stale file is
// replaced.
func TestUnixSocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Unix sockets leave no file behind on Windows")
	}
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	l, err := ListenUnix(path)
	if err != nil {
		t.Fatalf("a stale socket file is in the way: %v", err)
	}
	b := &netServer{t: t}
	b.serve(Options{}, l)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return net.Dial("unix", path) }
	if _, body := b.get("http://h/x", func(p *http.Protocols) { p.SetHTTP1(true) }, dial); body != "POST /x 1.1 http body" {
		t.Errorf("got %q", body)
	}
	if _, err := ListenUnix(path); err == nil || !strings.Contains(err.Error(), "another process is listening on it") {
		t.Errorf("a live socket was taken over: %v", err)
	}
	file := filepath.Join(t.TempDir(), "f")
	os.WriteFile(file, []byte("precious"), 0o600)
	if _, err := ListenUnix(file); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file was taken for a socket: %v", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if p := (&peer{client: endpoint(conn.RemoteAddr()), server: endpoint(conn.LocalAddr())}); p.client != nil || p.server != nil {
		t.Errorf("the ends are %v", p)
	}
}

// TestServeEndsWithItsContext checks the result of Serve.
func TestServeEndsWithItsContext(t *testing.T) {
	front, err := New(newFakeLayer(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	l := newPipeListener()
	go func() { done <- front.Serve(ctx, l, newPipeListener()) }()
	if c, err := l.dial(); err != nil {
		t.Error(err)
	} else {
		defer c.Close()
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := front.Serve(t.Context(), newPipeListener()); err != http.ErrServerClosed {
		t.Errorf("Serve after the end: %v", err)
	}
}

// TestForwardedHeaders checks that they count only with --proxy-headers, and are
// then parsed like in Daphne, except for invalid addresses.
func TestForwardedHeaders(t *testing.T) {
	mine := msg{"client": []any{"192.0.2.7", 4711}, "scheme": "http", "root_path": "/r"}
	for _, c := range []struct {
		name    string
		trust   bool
		headers []string
		want    msg
	}{
		{"not trusted", false, []string{"X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "Daphne-Root-Path: /x"}, msg{}},
		{"leftmost", true, []string{"X-Forwarded-For: 1.2.3.4, 5.6.7.8", "X-Forwarded-Port: 4433", "X-Forwarded-Proto: https"},
			msg{"client": []any{"1.2.3.4", 4433}, "scheme": "https"}},
		{"address only", true, []string{"X-Forwarded-For: 1.2.3.4"}, msg{"client": []any{"1.2.3.4", 0}}},
		{"a port that is none", true, []string{"X-Forwarded-For: 1.2.3.4", "X-Forwarded-Port: x"}, msg{"client": []any{"1.2.3.4", 0}}},
		{"port and scheme without address", true, []string{"X-Forwarded-Port: 1", "X-Forwarded-Proto: https"}, msg{}},
		{"an address that is none", true, []string{"X-Forwarded-For: unknown", "X-Forwarded-Port: 1", "X-Forwarded-Proto: https"}, msg{"scheme": "https"}},
		{"an address that is empty", true, []string{"X-Forwarded-For:", "X-Forwarded-Proto: https"}, msg{}},
		{"IPv6", true, []string{"X-Forwarded-For: 2001:db8::1"}, msg{"client": []any{"2001:db8::1", 0}}},
		{"IPv6 in brackets with a port", true, []string{"X-Forwarded-For: [2001:db8::1]:9"}, msg{"client": []any{"2001:db8::1", 0}}},
		{"an unknown scheme", true, []string{"X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: gopher"}, msg{"client": []any{"1.2.3.4", 0}}},
		{"root path, decoded", true, []string{"Daphne-Root-Path: /a%20b"}, msg{"root_path": "/a b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newMemServer(t, Options{ProxyHeaders: c.trust, RootPath: "/r"})
			want := msg{}
			for k, v := range mine {
				want[k] = v
				if w, ok := c.want[k]; ok {
					want[k] = w
				}
			}
			check := func(m asgi.Message) {
				t.Helper()
				for k, v := range fields(t, want).All() {
					if got, _ := m.Get(k); !asgi.Equal(got, v) {
						t.Errorf("%s is %v, want %v", k, got, v)
					}
				}
			}
			client := s.dial()
			client.get("/", c.headers...)
			m := s.next("http.request")
			check(m)
			hasRoot := false
			list, _ := m.Get("headers")
			for _, h := range list.(asgi.List).All() {
				hasRoot = hasRoot || asgi.Equal(h.(asgi.List).At(0), asgi.Bytes("daphne-root-path"))
			}
			if sent := slices.ContainsFunc(c.headers, func(h string) bool { return strings.HasPrefix(h, "Daphne") }); hasRoot != (sent && !c.trust) {
				t.Errorf("daphne-root-path is among the headers: %v", hasRoot)
			}
			want["scheme"] = "ws" + strings.TrimPrefix(want["scheme"].(string), "http")
			client = s.dial()
			client.write(handshake + lines(c.headers) + "\r\n")
			check(s.next("websocket.connect"))
		})
	}
}

// TestHTTPVersions checks "1.0", "1.1" and "2".
func TestHTTPVersions(t *testing.T) {
	for line, want := range map[string]string{"HTTP/1.0": "1.0", "HTTP/1.1": "1.1", "HTTP/1.2": "1.1"} {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.write("GET / " + line + "\r\nHost: h\r\n\r\n")
		m := s.next("http.request")
		if m.Text("http_version") != want {
			t.Errorf("%s is %q", line, m.Text("http_version"))
		}
		s.reply(m, msg{"status": 200, "content": "a", "more_content": true})
		s.reply(m, msg{"content": "b"})
		if a := c.response().check(t, 200); a.body != "ab" || want == "1.0" && a.TransferEncoding != nil {
			t.Errorf("%s: %q, %v", line, a.body, a.TransferEncoding)
		}
	}
}
