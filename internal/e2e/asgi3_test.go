package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// starlette is an application with the text in place of VERSION.
const starlette = `
import os, time
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

version = "VERSION"


@asynccontextmanager
async def lifespan(app):
    print("startup of", version)
    app.state.started = version
    yield
    print("shutdown of", version)


async def home(request):
    return PlainTextResponse(request.app.state.started)


async def length(request):
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return PlainTextResponse(str(size))


async def stream(request):
    async def pieces():
        for i in range(int(request.query_params["n"])):
            yield b"x" * 1000
    return StreamingResponse(pieces())


async def endless(request):
    async def pieces():
        try:
            while True:
                yield b"piece\n"
                import asyncio
                await asyncio.sleep(0.01)
        finally:
            print("the stream has ended")
    return StreamingResponse(pieces())


async def wait(request):
    import asyncio
    print("waiting in", os.getpid())
    await asyncio.sleep(60)


async def block(request):
    while True:
        time.sleep(0.01)


async def fail(request):
    raise LookupError("nothing here")


async def pid(request):
    return PlainTextResponse(str(os.getpid()))


async def echo(websocket):
    await websocket.accept(headers=[(b"set-cookie", b"a=b")])
    try:
        while True:
            text = await websocket.receive_text()
            if text == "close":
                await websocket.close(4001)
                return
            if text == "fail":
                raise LookupError("nothing here")
            await websocket.send_text(f"{version} {os.getpid() if text == 'pid' else text}")
    except WebSocketDisconnect:
        print("a client has left")


app = Starlette(lifespan=lifespan, routes=[
    Route("/", home), Route("/length", length, methods=["POST"]), Route("/stream", stream), Route("/endless", endless),
    Route("/wait", wait), Route("/block", block), Route("/fail", fail), Route("/pid", pid), WebSocketRoute("/ws", echo),
])
`

// startASGI runs an application in a Python file with the interpreter that has
// Debian's packages.
func startASGI(t *testing.T, source string, args ...string) *program {
	t.Helper()
	const debian = "/usr/bin/python3"
	if exec.CommandContext(t.Context(), debian, "-c", "import starlette").Run() != nil {
		t.Skip("Debian's packages python3 and python3-starlette are not installed")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.py"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	p := startIn(t, dir, "app.py", append([]string{"--python", debian, "--control", "off"}, args...)...)
	p.waitFor("generation 1|does not load")
	return p
}

func version(name string) string { return strings.Replace(starlette, "VERSION", name, 1) }

func TestStarletteApplication(t *testing.T) {
	p := startASGI(t, version("one"))
	if status, body := p.get("/"); status != 200 || body != "one" {
		t.Errorf("%d %q", status, body)
	}
	if status, _ := p.get("/nothing"); status != 404 {
		t.Error(status)
	}
	const size = 5 << 20
	r, err := http.Post(p.url+"/length", "text/plain", io.MultiReader(bytes.NewReader(make([]byte, size)))) // chunked
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(r.Body)
	r.Body.Close()
	if string(body) != strconv.Itoa(size) {
		t.Errorf("the application has read %q bytes", body)
	}
	if _, body := p.get("/stream?n=20000"); len(body) != 20_000_000 {
		t.Errorf("%d bytes", len(body))
	}
	if status, _ := p.get("/fail"); status != 500 {
		t.Error(status)
	}
	p.waitFor(`nothing here`)
	p.waitFor(`app\.py:62`)

	s := p.dial("/ws")
	if got := s.exchange("x"); got != "one x" {
		t.Error(got)
	}
	s.send("close")
	if end := s.waitClosed(); end.Code != 4001 {
		t.Error(end)
	}
	s = p.dial("/ws")
	s.send("fail")
	if end := s.waitClosed(); end.Code != 1011 {
		t.Error(end)
	}
	s = p.dial("/ws")
	s.exchange("x")
	s.c.CloseNow()
	p.waitFor("a client has left")

	ctx, leave := context.WithCancel(t.Context())
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/endless", nil)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = http.DefaultClient.Do(q); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(r.Body).ReadString('\n'); line != "piece\n" {
		t.Error(line, err)
	}
	leave()
	r.Body.Close()
	p.waitFor("the stream has ended")

	p.waitFor("startup of one")
	if strings.Contains(p.out.String(), "shutdown of") {
		t.Error("the application was shut down too early")
	}
	p.stop()
	p.waitFor("shutdown of one")
}

func TestWebSocketsOfStarletteStayOpenOverReloads(t *testing.T) {
	p := startASGI(t, version("v0"))
	sockets := make([]*socket, 50)
	for i := range sockets {
		sockets[i] = p.dial("/ws")
		sockets[i].exchange("x")
	}
	var requests, failed atomic.Int64
	done := make(chan struct{})
	var load sync.WaitGroup
	for range 2 {
		load.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := getBody(http.DefaultClient, p.url+"/"); err != nil {
					failed.Add(1)
					t.Log(err)
				}
				requests.Add(1)
			}
		})
	}
	for i := 1; i <= 3; i++ {
		name := "v" + strconv.Itoa(i)
		p.save("app.py", version(name))
		p.waitFor(fmt.Sprintf(`reloaded app\.py, generation %d, .*50 sockets kept`, i+1))
		for n, s := range sockets {
			text := strconv.Itoa(n)
			if got := s.exchange(text); got != name+" "+text {
				t.Fatalf("socket %d: %q, want %q", n, got, name+" "+text)
			}
		}
	}
	close(done)
	load.Wait()
	if failed.Load() > 0 || requests.Load() == 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), requests.Load())
	}
	p.waitFor("shutdown of v0")
}

func TestBrokenCodeAndFailedStartupsKeepTheOldCode(t *testing.T) {
	p := startASGI(t, version("one"))
	s := p.dial("/ws")
	p.save("app.py", strings.Replace(version("two"), `    print("startup of", version)`, `    raise LookupError("no database")`, 1))
	p.waitFor(`reload of app\.py failed; generation 1 continues: .*no database`)
	if got := s.exchange("x"); got != "one x" {
		t.Error(got)
	}
	p.save("app.py", version("three"))
	p.waitFor(`reloaded app\.py`)
	if got := s.exchange("x"); got != "three x" {
		t.Error(got)
	}
}

func TestKilledProcessOfAnASGIApplication(t *testing.T) {
	p := startASGI(t, version("one"), "--workers", "1")
	s := p.dial("/ws")
	pid, err := strconv.Atoi(strings.TrimPrefix(s.exchange("pid"), "one "))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan int, 1)
	go func() {
		r, err := http.Get(p.url + "/wait")
		if err != nil {
			ended <- -1
			return
		}
		r.Body.Close()
		ended <- r.StatusCode
	}()
	p.waitFor("waiting in")
	killProcess(t, pid)
	select {
	case status := <-ended:
		if status != 500 {
			t.Errorf("status %d", status)
		}
	case <-time.After(patience):
		t.Error("the request does not end")
	}
	if end := s.waitClosed(); end.Code != 1011 {
		t.Error(end)
	}
	if status, body := p.get("/"); status != 200 {
		t.Errorf("%d %q", status, body)
	}
}

func killProcess(t *testing.T, pid int) {
	t.Helper()
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestTaskThatBlocksTheEventLoopIsEnded(t *testing.T) {
	p := startASGI(t, version("one"), "--workers", "1", "--handler-timeout", "1s")
	s := p.dial("/ws")
	if status, _ := p.get("/block"); status != 500 {
		t.Error(status)
	}
	p.waitFor("the event loop has not run for|the handler ran longer than")
	if got := s.exchange("x"); got != "one x" {
		t.Error(got)
	}
}

func TestAnASGIApplicationNeedsTheLayerOfItsServer(t *testing.T) {
	p := startASGI(t, version("one"), "--layer", startRedis(t).url())
	p.waitFor("an ASGI 3 application runs only beside its own server")
}

func TestResumeOffClosesWebSockets(t *testing.T) {
	p := startASGI(t, version("one"), "--resume", "off")
	s := p.dial("/ws")
	s.exchange("x")
	p.save("app.py", version("two"))
	if end := s.waitClosed(); end.Code != 1012 {
		t.Error(end)
	}
	p.waitFor("shutdown of one")
	if got := p.dial("/ws").exchange("x"); got != "two x" {
		t.Error(got)
	}
}
