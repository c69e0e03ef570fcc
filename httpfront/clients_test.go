package httpfront

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// run runs a program, or skips the test if it is not installed.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// caFile writes the certificate that a client must trust.
func caFile(t *testing.T, b *netServer) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, b.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCurl uses another implementation of HTTP/1.0, 1.1 and 2.
func TestCurl(t *testing.T) {
	plain := newNetServer(t, Options{H2C: true}, false)
	secure := newNetServer(t, Options{}, true)
	ca := caFile(t, secure)
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, bytes.Repeat([]byte("x"), 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"HTTP/1.1", []string{"http://" + plain.addr + "/a%20b"}, "GET /a b 1.1 http "},
		{"HTTP/1.0", []string{"-0", "http://" + plain.addr + "/"}, "GET / 1.0 http "},
		{"dots and slashes as sent", []string{"--path-as-is", "http://" + plain.addr + "//a/../b;c"}, "GET //a/../b;c 1.1 http "},
		{"POST", []string{"-d", "a=b", "http://" + plain.addr + "/"}, "POST / 1.1 http a=b"},
		{"POST in chunks", []string{"-H", "Transfer-Encoding: chunked", "-d", "a=b", "http://" + plain.addr + "/"}, "POST / 1.1 http a=b"},
		{"PUT that expects 100", []string{"-H", "Expect: 100-continue", "-T", long, "http://" + plain.addr + "/"}, "PUT /long 1.1 http " + strings.Repeat("x", 300_000)},
		{"HTTP/2 with prior knowledge", []string{"--http2-prior-knowledge", "-d", "a=b", "http://" + plain.addr + "/"}, "POST / 2 http a=b"},
		{"HTTP/2 over TLS", []string{"--http2", "--cacert", ca, "https://" + secure.addr + "/"}, "GET / 2 https "},
		{"HTTP/1.1 over TLS", []string{"--http1.1", "--cacert", ca, "https://" + secure.addr + "/"}, "GET / 1.1 https "},
		{"two requests on one connection", []string{"http://" + plain.addr + "/1", "http://" + plain.addr + "/2"}, "GET /1 1.1 http GET /2 1.1 http "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := run(t, "curl", append([]string{"-sS", "--noproxy", "*"}, c.args...)...); got != c.want {
				t.Errorf("got %.200q, want %.200q", got, c.want)
			}
		})
	}
}

// TestNghttp sends many streams on one connection. Each has its own channel, and
// a pushed resource is a request like any other.
func TestNghttp(t *testing.T) {
	b := newNetServer(t, Options{H2C: true}, false)
	out := run(t, "nghttp", "-m", "20", "http://"+b.addr+"/many")
	if n := strings.Count(out, "GET /many 2 http"); n != 20 {
		t.Errorf("%d of 20 streams got a response:\n%s", n, out)
	}
	out = run(t, "nghttp", "-v", "http://"+b.addr+"/push")
	for _, want := range []string{"PUSH_PROMISE", ":path: /pushed%20one?x", "GET /pushed one 2 http", "GET /push 2 http"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
}

const nodeClient = `
let Socket = globalThis.WebSocket
try { Socket = require('ws') } catch {}
const ws = new Socket(process.argv[2], ['b', 'a'])
ws.binaryType = 'arraybuffer'
const said = []
ws.onopen = () => { said.push('open ' + ws.protocol); ws.send('hé'); ws.send(new Uint8Array([1, 255])); ws.send('x'.repeat(100000)); ws.send('close why') }
ws.onmessage = e => said.push(typeof e.data === 'string' ? (e.data.length < 9 ? 'text ' + e.data : 'text of ' + e.data.length) : 'bytes ' + new Uint8Array(e.data).join())
ws.onerror = e => { console.log('error', e.message); process.exit(1) }
ws.onclose = e => console.log([...said, 'close ' + e.code + ' ' + e.reason].join('; '))
`

// TestNodeWebSocket uses the ws package if it is installed, or Node's own
// WebSocket client.
func TestNodeWebSocket(t *testing.T) {
	b := newNetServer(t, Options{Protocols: []string{"a"}, Compression: true}, false)
	script := filepath.Join(t.TempDir(), "client.js")
	if err := os.WriteFile(script, []byte(nodeClient), 0o600); err != nil {
		t.Fatal(err)
	}
	flag := "--no-warnings"
	if strings.Contains(run(t, "node", "--version"), "v20.") {
		flag = "--experimental-websocket"
	}
	if out := run(t, "node", flag, "-p", "typeof WebSocket + typeof (() => { try { return require('ws') } catch {} })()"); strings.TrimSpace(out) == "undefinedundefined" {
		t.Skip("this node has no WebSocket client")
	}
	const want = "open a; text hé; bytes 1,255; text of 100000; close 4001 why"
	if got := run(t, "node", flag, script, "ws://"+b.addr+"/ws"); strings.TrimSpace(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A pushingRecorder is a ResponseRecorder that supports push.
type pushingRecorder struct {
	*httptest.ResponseRecorder
	pushed []string
}

func (p *pushingRecorder) Push(target string, o *http.PushOptions) error {
	p.pushed = append(p.pushed, o.Method+" "+target+" "+o.Header.Get("X-A"))
	return nil
}

// TestPushComesBeforeTheResponse checks the method and headers of pushes.
func TestPushComesBeforeTheResponse(t *testing.T) {
	s := newMemServer(t, Options{})
	w := &pushingRecorder{ResponseRecorder: httptest.NewRecorder()}
	done := make(chan bool)
	go func() {
		s.front.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		close(done)
	}()
	m := s.next("http.request")
	s.reply(m, msg{"request": msg{"path": "/a b", "query_string": []byte("c=%20"), "headers": []any{pair("x-a", "1"), pair("host", "h")}}})
	s.reply(m, msg{"request": msg{"path": "/b", "method": "head"}})
	s.reply(m, msg{"request": msg{"path": "no path"}})
	s.reply(m, msg{"status": 200, "content": "ok", "more_content": true})
	s.reply(m, msg{"request": msg{"path": "/late"}})
	s.reply(m, msg{})
	<-done
	if len(w.pushed) != 2 || w.pushed[0] != "GET /a%20b?c=%20 1" || w.pushed[1] != "HEAD /b " || w.Body.String() != "ok" {
		t.Errorf("pushed %q, body %q", w.pushed, w.Body)
	}
	s.logs.contains(t, "key=request")
}

const browserPage = `<!doctype html><script>
const said = []
const ws = new WebSocket('ws://' + location.host + '/ws', ['b', 'a'])
ws.binaryType = 'arraybuffer'
ws.onopen = () => { said.push('open ' + ws.protocol); ws.send('hé'); ws.send(new Uint8Array([1, 255])); ws.send('x'.repeat(100000)); ws.send('close why') }
ws.onmessage = e => said.push(typeof e.data === 'string' ? (e.data.length < 9 ? 'text ' + e.data : 'text of ' + e.data.length) : 'bytes ' + new Uint8Array(e.data).join())
ws.onclose = e => fetch('/report', { method: 'POST', body: [...said, 'close ' + e.code + ' ' + e.reason].join('; ') })
</script>`

// TestBrowser opens a WebSocket from a page in a browser.
func TestBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	b := newNetServer(t, Options{Protocols: []string{"a"}, Compression: true}, false)
	profile, err := os.MkdirTemp("", "browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(profile) }) // the browser's processes may still write there
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	browser := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
		"--no-proxy-server", "--user-data-dir="+profile, "--remote-debugging-port=0", "http://"+b.addr+"/page")
	browser.WaitDelay = time.Second
	var out bytes.Buffer
	browser.Stderr = &out
	if err := browser.Start(); err != nil {
		t.Fatal(err)
	}
	const want = "open a; text hé; bytes 1,255; text of 100000; close 4001 why"
	select {
	case got := <-b.reported:
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	case <-ctx.Done():
		t.Errorf("the page reported nothing:\n%s", &out)
	}
	cancel()
	browser.Wait()
}
