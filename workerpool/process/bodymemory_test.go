package process_test

import (
	"strings"
	"testing"
	"time"

	"asgibox/workerpool"
	"asgibox/workerpool/process"
)

// TestBodiesInPythonShareTheirMemory checks the limit of one body, of several, and of the
// values of JSON.
func TestBodiesInPythonShareTheirMemory(t *testing.T) {
	s := setup{process: process.Options{Processes: 1, Threads: 3, Memory: 8 << 20}}.serve(t, `
import threading
from asgibox import view

held, release = threading.Event(), threading.Event()

def size(request):
    return str(len(request.body))

def hold(request):
    n = len(request.body)
    held.set()
    release.wait()
    return str(n)

def holds(request):
    held.wait()
    return "yes"

def free(request):
    release.set()
    return "free"

def decode(request):
    return str(len(request.json(default=[])))

def files(request):
    f = request.FILES["f"]
    return "%d %s %s" % (f.size, f.read() == f.content == b"y" * f.size, request.POST["a"])

def fields(request):
    return "%d" % len(request.POST["a"])

def pieces(request):
    return str(sum(len(p) for p in request.pieces()))

channel_routing = [view("/" + f.__name__, f) for f in (size, hold, holds, free, decode, files, fields, pieces)]
`)
	post := func(path string, size int, want string) {
		t.Helper()
		if r := s.do("POST", path, strings.Repeat("x", size)); !strings.Contains(r.String(), want) {
			t.Errorf("POST %s: %.300s", path, r)
		}
	}
	for range 3 { // what a handler has used is free when it has ended
		post("/size", 6<<20, "200 6291456")
		post("/size", 9<<20, "413 ")
		post("/pieces", 9<<20, "200 9437184")
	}
	held := make(chan reply)
	go func() { held <- s.do("POST", "/hold", strings.Repeat("x", 6<<20)) }()
	s.want("/holds", 200, "yes")
	post("/size", 6<<20, "503 ")
	post("/size", 1<<20, "200 1048576")
	s.want("/free", 200, "free")
	if r := <-held; r.String() != "200 6291456" {
		t.Errorf("got %v", r)
	}
	post("/size", 6<<20, "200 6291456")
	json := func(items int, want string) {
		t.Helper()
		if r := s.do("POST", "/decode", "["+strings.Repeat("{},", items)+"1]"); !strings.Contains(r.String(), want) {
			t.Errorf("JSON of %d items: %.300s", items, r)
		}
	}
	json(50_000, "200 50001")
	json(100_000, "413 ")
	urlencoded := func(escapes int, want string) {
		t.Helper()
		if r := s.do("POST", "/fields", "a="+strings.Repeat("%61", escapes), "content-type", "application/x-www-form-urlencoded"); !strings.HasPrefix(r.String(), want) {
			t.Errorf("a form with %d escapes: %.300s", escapes, r)
		}
	}
	urlencoded(300_000, "200 300000")
	urlencoded(600_000, "413 ")
	field := func(size int, want string) {
		t.Helper()
		form := "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n" + strings.Repeat("y", size) + "\U0001F600\r\n--b--\r\n"
		if r := s.do("POST", "/fields", form, "content-type", "multipart/form-data; boundary=b"); !strings.HasPrefix(r.String(), want) {
			t.Errorf("a field of %d bytes: %.300s", size, r)
		}
	}
	field(1<<20, "200 1048577")
	field(2<<20, "413 ")
	form := "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\none\r\n--b\r\ncontent-disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n" + strings.Repeat("y", 6<<20) + "\r\n--b--\r\n"
	if r := s.do("POST", "/files", form, "content-type", "multipart/form-data; boundary=b"); r.String() != "200 6291456 True one" {
		t.Errorf("a form: %.300s", r)
	}
}

// TestABodyThatHasComeIsNotAwaited waits for more of a body than there is.
func TestABodyThatHasComeIsNotAwaited(t *testing.T) {
	c := setup{process: process.Options{Processes: 1, Threads: 1}, pool: workerpool.Options{HandlerTimeout: 300 * time.Millisecond}}
	s := c.serve(t, `
from asgibox import layer, view
def again(request):
    len(request.body)
    layer.receive_many([request.message.content["body_channel"]], block=True)
channel_routing = [view("/", again)]
`)
	if r := s.do("POST", "/", strings.Repeat("x", 2<<20)); r.status != 500 || !strings.Contains(r.body, "300ms") {
		t.Errorf("got %.300s", r)
	}
}
