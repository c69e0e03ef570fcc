package process_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/workerpool"
	"asgibox/workerpool/process"
)

// TestWSGI checks an application through the validator of wsgiref, over real sockets:
// small and long bodies in both directions, and what the environ says.
func TestWSGI(t *testing.T) {
	s := serve(t, `
from hashlib import sha256
from wsgiref.validate import validator

def page(environ, start_response):
    path = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Path", path)])
    if path == "/long":
        return [b"0123456789abcdef" * 65536]
    if path == "/environ":
        names = ["REQUEST_METHOD", "SCRIPT_NAME", "QUERY_STRING", "SERVER_PROTOCOL", "HTTP_X_A", "CONTENT_LENGTH"]
        return [" ".join(environ.get(n, "-") for n in names).encode("latin-1")]
    body = environ["wsgi.input"]
    if path == "/lines":
        return [b"|".join(body)]
    sum, length = sha256(), 0
    while True:
        piece = body.read(100000)
        if not piece:
            break
        sum.update(piece)
        length += len(piece)
    return [str(length).encode(), b" ", sum.hexdigest().encode()]

checked = validator(page)

def application(environ, start_response):
    return checked(environ, start_response)
`)
	const empty = "0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	s.want("/", 200, empty)
	if r := s.get("/long"); r.status != 200 || len(r.body) != 1<<20 || !strings.HasSuffix(r.body, "abcdef") {
		t.Errorf("a long response has %d bytes and status %d", len(r.body), r.status)
	}
	if r := s.do("POST", "/lines", "a\nb\nc"); r.body != "a\n|b\n|c" {
		t.Errorf("got %v", r)
	}
	long := strings.Repeat("0123456789abcdef", 3<<16)
	if r := s.do("POST", "/sum", long); !strings.HasPrefix(r.body, fmt.Sprint(len(long), " ")) {
		t.Errorf("got %v", r)
	}
	if r := s.do("PUT", "/environ?q=%C3%A9", "xyz", "X-A", "1", "X-A", "2"); r.body != "PUT  q=%C3%A9 HTTP/1.1 1,2 3" {
		t.Errorf("got %v", r)
	}
	if r := s.do("HEAD", "/é", ""); r.status != 200 || r.body != "" || r.header.Get("X-Path") != "/é" {
		t.Errorf("got %v with %v", r, r.header)
	}
}

// TestWSGIResponsesStream checks that each piece reaches the client before the
// application makes the next one, and that the threads of a process work at the same
// time.
func TestWSGIResponsesStream(t *testing.T) {
	c := setup{process: process.Options{Processes: 1, Threads: 4}}
	s := c.serve(t, `
import queue
go = queue.Queue()

def app(environ, start_response):
    if environ["PATH_INFO"] == "/go":
        go.put(environ["QUERY_STRING"])
        start_response("204 No Content", [])
        return []
    start_response("200 OK", [("Content-Type", "text/plain")])
    return pieces()

def pieces():
    yield b"first\n"
    while True:
        word = go.get()
        if word == "end":
            return
        yield word.encode() + b"\n"
`)
	resp, err := http.Get(s.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	for _, word := range []string{"first", "second", "third", "end"} {
		if word != "first" {
			s.get("/go?" + word)
		}
		if word == "end" {
			break
		}
		if line, err := body.ReadString('\n'); line != word+"\n" || err != nil {
			t.Fatalf("got %q, %v; want %s", line, err, word)
		}
	}
	if rest, err := io.ReadAll(body); len(rest) > 0 || err != nil {
		t.Errorf("got %q, %v", rest, err)
	}
}

// TestWSGIWhenTheClientLeaves checks that a read and a write raise OSError then, and
// that close is called.
func TestWSGIWhenTheClientLeaves(t *testing.T) {
	s := serve(t, `
from asgibox import state

class Endless:
    def __iter__(self):
        return self
    def __next__(self):
        return b"x" * 65536
    def close(self):
        open("closed", "w").close()

def app(environ, start_response):
    if environ["PATH_INFO"] == "/read":
        try:
            state.set("reading", True)
            environ["wsgi.input"].read()
        except OSError as err:
            state.set("read", str(err))
            raise
    if environ["PATH_INFO"] == "/write":
        write = start_response("200 OK", [])
        try:
            while True:
                write(b"x" * 65536)
        except OSError as err:
            open("written", "w").close()
            raise
    start_response("200 OK", [])
    return Endless()
`)
	conn := s.connect("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n" + strings.Repeat("x", 600000))
	s.until("the application reads", func() bool { return s.state("reading") == true })
	conn.Close()
	s.until("the read raises", func() bool { return s.state("read") != nil })
	conn = s.connect("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := io.ReadFull(conn, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s.until("the application is closed", func() bool { return exists(filepath.Join(s.dir, "closed")) })

	conn = s.connect("GET /write HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s.until("the write raises", func() bool { return exists(filepath.Join(s.dir, "written")) })
	if text := s.log.String(); strings.Contains(text, "level=ERROR") || strings.Contains(text, "level=WARN") {
		t.Errorf("clients that leave are reported as errors:\n%s", text)
	}
}

// TestWSGIAnswersABodyThatIsCut checks that a client that waits for a response gets one
// although the rest of its body will not come.
func TestWSGIAnswersABodyThatIsCut(t *testing.T) {
	s := serve(t, `
def app(environ, start_response):
    if environ["PATH_INFO"] == "/begun":
        start_response("200 OK", [])(b"begun")
    environ["wsgi.input"].read()
    raise AssertionError
`)
	want := func(conn net.Conn, status string) {
		t.Helper()
		if got, err := io.ReadAll(conn); !strings.HasPrefix(string(got), "HTTP/1.1 "+status) || strings.HasSuffix(string(got), "\r\n0\r\n\r\n") {
			t.Errorf("got %q, %v; want %s", got, err, status)
		}
	}
	piece := "10000\r\n" + strings.Repeat("x", 65536) + "\r\n"
	want(s.connect("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"+strings.Repeat(piece, 40)+"zz\r\n"), "400")
	part := " HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n" + strings.Repeat("x", 600000)
	want(s.halfClosed("POST /"+part), "400")
	want(s.halfClosed("POST /begun"+part), "200")
}

// TestWSGIWritesWaitForASlowClient checks that a client that does not read stops the
// application, and that it gets all of the content in the end.
func TestWSGIWritesWaitForASlowClient(t *testing.T) {
	s := serve(t, `
from asgibox import state

def app(environ, start_response):
    write = start_response("200 OK", [])
    for n in range(64):
        write(bytes([n]) * (1 << 20))
        state.set("written", n)
    return []
`)
	conn := s.connect("GET / HTTP/1.0\r\n\r\n")
	written := func() int64 { n, _ := s.state("written").(int64); return n }
	var before int64
	s.until("the application waits", func() bool {
		now := written()
		stands := now > 0 && now == before
		before = now
		time.Sleep(200 * time.Millisecond) // to see that nothing happens
		return stands
	})
	if before >= 60 {
		t.Errorf("the application has written %d MiB to a client that does not read", before)
	}
	content, err := io.ReadAll(conn)
	if _, body, _ := strings.Cut(string(content), "\r\n\r\n"); len(body) != 64<<20 || body[len(body)-1] != 63 || err != nil {
		t.Errorf("the client got %d bytes, %v", len(body), err)
	}
}

// TestWSGILeavesABodyUnread checks that the client gets its response and can use the
// connection again.
func TestWSGILeavesABodyUnread(t *testing.T) {
	s := serve(t, `
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
`)
	conn := s.connect("")
	responses := bufio.NewReader(conn)
	for range 3 {
		go fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n%s", strings.Repeat("x", 1000000))
		resp, err := http.ReadResponse(responses, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != "ok" || err != nil {
			t.Errorf("got %q, %v", body, err)
		}
		if resp.Close {
			conn = s.connect("")
			responses = bufio.NewReader(conn)
		}
	}
}

// TestWSGIErrors checks the page of an error, the end of a response that has begun,
// and a handler that takes too long.
func TestWSGIErrors(t *testing.T) {
	c := setup{pool: workerpool.Options{HandlerTimeout: 3 * time.Second}}
	s := c.serve(t, `
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/spin":
        while True:
            pass
    if path == "/late":
        start_response("200 OK", [])
        return late()
    if path == "/ok":
        start_response("200 OK", [])
        return [b"ok"]
    number = 42
    raise ValueError("number is bad")

def late():
    yield b"begin"
    raise KeyError("late")
`)
	s.want("/", 500, "number is bad", "app.py", "raise ValueError")
	s.log.has("number is bad")
	if r, err := s.try("GET", "/late", ""); err == nil {
		t.Errorf("got %v, want a response that is cut off", r)
	}
	s.want("/spin", 500)
	for range 10 {
		s.want("/ok", 200, "ok")
	}
}

// TestWSGIReload checks that no request fails while files change.
func TestWSGIReload(t *testing.T) {
	const source = `
import other
def app(environ, start_response):
    start_response("200 OK", [])
    return [other.TEXT, b"!"]
`
	c := setup{files: map[string]string{"other.py": "TEXT = b'0'\n"}}
	s := c.serve(t, source)
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if r, err := s.try("GET", "/", ""); err != nil || r.status != 200 {
					t.Errorf("got %v, %v", r, err)
					return
				}
			}
		})
	}
	for n := 1; n <= 5; n++ {
		s.write("other.py", fmt.Sprintf("TEXT = b'%d'\n", n))
		if err := s.reload(source); err != nil {
			t.Error(err)
		}
		s.want("/", 200, fmt.Sprintf("%d!", n))
	}
	s.write("other.py", "TEXT = (\n")
	if err := s.reload(source); err == nil || !strings.Contains(err.Error(), "other.py") {
		t.Errorf("a broken module loads: %v", err)
	}
	s.want("/", 200, "5!")
	stop()
	clients.Wait()
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// connect opens a connection and writes the beginning of a request.
func (s *site) connect(request string) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, request); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// needModule skips the test if the interpreter does not have a module.
func needModule(t *testing.T, name string) {
	t.Helper()
	if interpreter() == "" {
		t.Skip("Python 3.8 or later is not installed")
	}
	if err := exec.Command(interpreter(), "-c", "import "+name).Run(); err != nil {
		t.Skipf("%s has no module %s: install the package python3-%s", interpreter(), name, name)
	}
}

// TestFlask runs an application of Debian's Flask.
func TestFlask(t *testing.T) {
	needModule(t, "flask")
	s := serve(t, `
from flask import Flask, jsonify, request, session, stream_with_context

app = Flask(__name__)
app.secret_key = "secret"

@app.route("/hello/<name>")
def hello(name):
    session["n"] = session.get("n", 0) + 1
    return "Hello %s %d from %s\n" % (name, session["n"], request.url)

@app.route("/form", methods=["POST"])
def form():
    file = request.files["file"]
    return jsonify(text=request.form["text"], name=file.filename, size=len(file.read()))

@app.route("/stream")
def stream():
    @stream_with_context
    def lines():
        for n in range(3):
            yield "%s %d\n" % (request.path, n)
    return app.response_class(lines(), mimetype="text/plain")

@app.route("/raw", methods=["POST"])
def raw():
    return str(len(request.get_data()))

@app.route("/fail")
def fail():
    raise ValueError("flask failed")
`)
	r := s.want("/hello/"+"%C3%A4", 200, "Hello ä 1 from "+s.url)
	if r := s.get("/hello/x", "Cookie", strings.Split(r.header.Get("Set-Cookie"), ";")[0]); !strings.Contains(r.body, "Hello x 2") {
		t.Errorf("the session is lost: %v", r)
	}
	content := strings.Repeat("x", 1500000)
	form := "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhé\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n" + content + "\r\n--b--\r\n"
	if r := s.do("POST", "/form", form, "Content-Type", "multipart/form-data; boundary=b"); !strings.Contains(r.body, `"size":1500000`) || !strings.Contains(r.body, `"a.txt"`) {
		t.Errorf("got %v", r)
	}
	s.want("/stream", 200, "/stream 0\n/stream 1\n/stream 2\n")
	s.chunked("/raw", content, "1500000")
	s.want("/nowhere", 404, "Not Found")
	s.want("/fail", 500)
	s.log.has("flask failed")
}

// chunked posts a body without a length.
func (s *site) chunked(path, content, want string) {
	s.t.Helper()
	resp, err := http.Post(s.url+path, "text/plain", io.MultiReader(strings.NewReader(content)))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != want || err != nil {
		s.t.Errorf("POST %s in chunks: got %q, %v; want %q\n%s", path, body, err, want, s.log)
	}
}

// TestDjango runs a project of Debian's Django.
func TestDjango(t *testing.T) {
	needModule(t, "django")
	s := serve(t, `
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(DEBUG=False, SECRET_KEY="secret", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"])

def index(request):
    return HttpResponse("Hello %s from %s" % (request.GET.get("name"), request.build_absolute_uri()))

@csrf_exempt
def form(request):
    return JsonResponse({"text": request.POST["text"], "size": request.FILES["file"].size})

@csrf_exempt
def raw(request):
    return HttpResponse(str(len(request.body)))

def stream(request):
    return StreamingHttpResponse("line %d\n" % n for n in range(3))

def source(request):
    return FileResponse(open(__file__, "rb"))

def fail(request):
    raise ValueError("django failed")

urlpatterns = [path("", index), path("form", form), path("raw", raw), path("stream", stream), path("source", source), path("fail", fail)]
application = get_wsgi_application()
`)
	s.want("/?name=%C3%A4", 200, "Hello ä from "+s.url+"/?name=%C3%A4")
	form := "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhé\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n" + strings.Repeat("x", 1500000) + "\r\n--b--\r\n"
	if r := s.do("POST", "/form", form, "Content-Type", "multipart/form-data; boundary=b"); !strings.Contains(r.body, `"size": 1500000`) {
		t.Errorf("got %v", r)
	}
	s.chunked("/raw", "a small body", "12")
	if r := s.do("POST", "/raw", strings.Repeat("x", 1500000)); r.body != "1500000" {
		t.Errorf("got %v", r)
	}
	s.want("/stream", 200, "line 0\nline 1\nline 2\n")
	s.want("/source", 200, "urlpatterns")
	if r := s.do("POST", "/stream", "x=1"); r.status != 403 {
		t.Errorf("a POST without a CSRF token: %v", r)
	}
	s.want("/nowhere", 404, "Not Found")
	s.want("/fail", 500, "Server Error")
}

// TestWSGIClientsThatDoNothingMakeWay checks that clients that neither read a response
// nor send a body do not stop the application.
func TestWSGIClientsThatDoNothingMakeWay(t *testing.T) {
	c := setup{process: process.Options{Processes: 1, Threads: 2}}
	s := c.serve(t, `
def app(environ, start_response):
    if environ["PATH_INFO"] == "/body":
        size = len(environ["wsgi.input"].read())
    elif environ["PATH_INFO"] == "/big":
        start_response("200 OK", [])
        return (b"x" * 65536 for _ in range(1000000))
    start_response("200 OK", [])
    return [b"fast"]
`)
	s.connect("GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
	s.connect("POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 600_000))
	busy := func() bool {
		n := 0
		for _, w := range s.pool.Workers() {
			if w.Busy {
				n++
			}
		}
		return n == 2
	}
	s.until("both threads wait", busy)
	s.want("/", 200, "fast")
}
