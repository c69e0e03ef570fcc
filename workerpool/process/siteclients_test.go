package process_test

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"asgibox/workerpool/process"
)

// Sites of three frameworks that do the same: /fast sends 64 MiB and /slow three letters.
// When a response has ended, they write a file with the name of its tag.
const (
	flaskSite = `
from flask import Flask, request
app = Flask(__name__)
@app.route("/<kind>", methods=["GET", "POST"])
def page(kind):
    if kind == "upload":
        return str(len(request.stream.read()))
    if kind == "sent":
        return str(sent)
    return pieces(kind, **request.args), {"content-type": "text/plain"}
`
	djangoSite = `
from django.conf import settings
settings.configure(SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
def page(request, kind):
    if kind == "upload":
        return HttpResponse(str(sum(map(len, iter(lambda: request.read(65536), b"")))))
    if kind == "sent":
        return HttpResponse(str(sent))
    return StreamingHttpResponse(pieces(kind, **request.GET.dict()))
urlpatterns = [path("<kind>", page)]
app = get_wsgi_application()
`
	starletteSite = `
import asyncio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
async def page(request):
    kind = request.path_params["kind"]
    if kind == "upload":
        return PlainTextResponse(str(len(await request.body())))
    if kind == "sent":
        return PlainTextResponse(str(sent))
    if kind == "watch":
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)
        return PlainTextResponse("")
    return StreamingResponse(pieces(kind, **request.query_params), media_type="text/plain")
site = Starlette(routes=[Route("/{kind}", page, methods=["GET", "POST"])])
async def app(scope, receive, send):
    try:
        await site(scope, receive, send)
    finally:
        if b"tag=" in scope.get("query_string", b""):
            open(scope["query_string"].rpartition(b"=")[2], "w").close()
`
	sitePieces = `
import asyncio, time
sent = 0
DEF pieces(kind, tag, pause="0"):
    global sent
    try:
        for n in range(1024 if kind == "fast" else 3):
            SLEEP(float(pause))
            yield b"x" * 65536 if kind == "fast" else b"%d" % n
            sent += 1
    finally:
        END
`
)

// halfClosed sends a request and closes the sending half of the connection.
func (s *site) halfClosed(request string) net.Conn {
	s.t.Helper()
	conn := s.connect(request)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// TestClientsOfSitesThatAreSlowLeaveOrCloseOneHalf checks what the specification says about
// such clients for each framework.
func TestClientsOfSitesThatAreSlowLeaveOrCloseOneHalf(t *testing.T) {
	plain := strings.NewReplacer("DEF", "def", "SLEEP", "time.sleep", "END", `open(tag, "w").close()`)
	async := strings.NewReplacer("DEF", "async def", "SLEEP", "await asyncio.sleep", "END", "pass")
	for name, source := range map[string]string{
		"flask": plain.Replace(sitePieces) + flaskSite, "django": plain.Replace(sitePieces) + djangoSite, "starlette": async.Replace(sitePieces) + starletteSite,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needModule(t, name)
			s := setup{process: process.Options{Processes: 1, Threads: 8}}.serve(t, source)
			ended := func(tag string) {
				t.Helper()
				s.until(tag+" ends", func() bool { return exists(filepath.Join(s.dir, tag)) })
			}
			body := func(conn net.Conn) string {
				t.Helper()
				data, _ := io.ReadAll(conn)
				_, body, _ := strings.Cut(string(data), "\r\n\r\n")
				return body
			}

			conn := s.connect("GET /fast?tag=slow HTTP/1.0\r\n\r\n")
			before := ""
			s.until("the site waits", func() bool {
				now := s.get("/sent").body
				stands := now != "0" && now == before
				before = now
				time.Sleep(200 * time.Millisecond) // to see that nothing happens
				return stands
			})
			if exists(filepath.Join(s.dir, "slow")) {
				t.Error("the site has sent 64 MiB to a client that does not read")
			}
			if n := len(body(conn)); n != 64<<20 {
				t.Errorf("a slow client got %d bytes", n)
			}
			ended("slow")

			conn = s.connect("GET /fast?tag=left HTTP/1.0\r\n\r\n")
			if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			ended("left")
			if name == "starlette" {
				s.connect("GET /watch?tag=watched HTTP/1.0\r\n\r\n").Close()
				ended("watched")
			}

			silent := s.halfClosed("GET /slow?pause=2.5&tag=silent HTTP/1.0\r\n\r\n")
			s.halfClosed("GET /fast?tag=reads-nothing HTTP/1.0\r\n\r\n")
			if got := body(s.halfClosed("GET /slow?pause=0.1&tag=half HTTP/1.0\r\n\r\n")); got != "012" {
				t.Errorf("a client that has closed its sending half got %q", got)
			}
			if n := len(body(s.halfClosed("GET /fast?tag=long HTTP/1.0\r\n\r\n"))); n != 64<<20 {
				t.Errorf("a client that has closed its sending half got %d bytes", n)
			}
			upload := "POST /upload HTTP/1.0\r\nContent-Length: 1000000\r\n\r\n"
			if got := body(s.halfClosed(upload + strings.Repeat("x", 1000000))); got != "1000000" {
				t.Errorf("a whole upload got %q", got)
			}
			head := make([]byte, len("HTTP/1.1 500"))
			if _, err := io.ReadFull(s.halfClosed(upload+strings.Repeat("x", 600000)), head); err != nil || head[9] != '4' && head[9] != '5' {
				t.Errorf("a part of an upload got %q, %v", head, err)
			}
			if got := body(silent); got != "" {
				t.Errorf("a client that counts as gone got %q", got)
			}
			ended("silent")
			ended("reads-nothing")
		})
	}
}

// TestSendsOfATaskFailWhenItsClientIsLost checks that a task learns from its next send that
// its WebSocket has ended, although it has not received all that came before.
func TestSendsOfATaskFailWhenItsClientIsLost(t *testing.T) {
	s := serve(t, `
async def app(scope, receive, send):
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    try:
        while True:
            await send({"type": "websocket.send", "text": "x" * 16384})
    except OSError:
        open("raised", "w").close()
    while (event := await receive())["type"] == "websocket.receive":
        pass
    open(str(event["code"]), "w").close()
`)
	ws := s.dial("/")
	for n := range 3 {
		ws.send(fmt.Sprint(n))
	}
	ws.read()
	ws.conn.CloseNow()
	s.until("the send raises", func() bool { return exists(filepath.Join(s.dir, "raised")) })
	s.until("the task gets the disconnect", func() bool { return exists(filepath.Join(s.dir, "1006")) })
}
