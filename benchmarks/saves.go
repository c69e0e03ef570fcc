package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"asgibox/internal/load"
)

// The conditions under which saves are measured.
const (
	saves     = 200
	watching  = 50                     // open WebSockets
	saveLoad  = 200                    // requests per second
	saveLimit = 30 * time.Second       // for one save
	savePause = 100 * time.Millisecond // after each, so that two are not one
)

// The applications that are saved. VERSION stands for the response.
const (
	savedLoop = `
while True:
    channel, message = layer.receive_many(["http.request", "websocket.connect"], block=True)
    if channel == "websocket.connect":
        layer.send(message["reply_channel"], {"accept": True})
    else:
        layer.send(message["reply_channel"], {"status": 200, "content": "VERSION"})
`
	savedRoutes = `
from asgibox import route, view


def connect(message):
    message.reply_channel.send({"accept": True})


def page(request):
    return "VERSION"


channel_routing = [view("/", page), route("websocket.connect", connect)]
`
	savedASGI3 = `
async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"VERSION"})
    elif scope["type"] == "websocket":
        while True:
            event = await receive()
            if event["type"] == "websocket.connect":
                await send({"type": "websocket.accept"})
            elif event["type"] == "websocket.disconnect":
                return
`
)

// startSaved starts an application in a folder of its own.
func startSaved(ctx context.Context, o options, r *row) (*process, error) {
	file, err := scratchApp("app.py", r.saves)
	if err != nil {
		return nil, err
	}
	r.run = []string{"--python", debianPython, "--workers", "2", file}
	p, err := startProduct(ctx, o.asgibox, r)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(filepath.Dir(file)))
	}
	p.app = file
	return p, nil
}

// measureSaves saves the application many times, while there is load, and measures
// the time until the new code responds. The result has the numbers of requests that
// failed and of WebSockets that closed.
func measureSaves(ctx context.Context, r *row, o options) (res result, err error) {
	ctx, stop := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer stop()

	var closed atomic.Int64
	for range watching {
		c, _, err := websocket.Dial(ctx, "ws://"+r.p.addr+"/", nil)
		if err != nil {
			return res, fmt.Errorf("open a WebSocket: %w", err)
		}
		background.Go(func() {
			defer c.CloseNow()
			if _, _, err := c.Read(ctx); ctx.Err() == nil {
				closed.Add(1)
				fmt.Fprintln(os.Stderr, "a WebSocket closed:", err)
			}
		})
	}
	newClient, err := httpClients(ctx, r.p.addr)
	if err != nil {
		return res, err
	}
	meter := &load.Meter{}
	loading, unload := context.WithCancel(ctx)
	defer unload()
	ended := make(chan error, 1)
	background.Go(func() {
		ended <- load.Run(loading, newClient, load.Options{Connections: 8, Duration: time.Hour, Rate: saveLoad}, meter)
	})

	count := saves
	if o.quick {
		count = 5
	}
	took, starts := make([]time.Duration, count), make([]time.Duration, count)
	for i := range took {
		if took[i], err = save(ctx, r, strconv.Itoa(i+1)); err != nil {
			return res, err
		}
		progress("%s: save %d of %d took %v", r.name, i+1, count, took[i].Round(time.Millisecond))
		began := time.Now()
		if err := exec.CommandContext(ctx, debianPython, "-c", "pass").Run(); err != nil {
			return res, err
		}
		starts[i] = time.Since(began)
		time.Sleep(savePause)
	}
	unload()
	<-ended
	for _, f := range meter.Failures() {
		if !errors.Is(f.Example, context.Canceled) {
			fmt.Fprintf(os.Stderr, "%d requests failed, one of them with this error: %v\n", f.Count, f.Example)
			res.failed += int(f.Count)
		}
	}
	for status, n := range meter.Statuses() {
		if status != http.StatusOK {
			res.failed += int(n)
		}
	}
	slices.Sort(took)
	slices.Sort(starts)
	res.starts = [2]time.Duration{starts[count/2], starts[count*95/100]}
	res.p50, res.p95, res.slowest = took[count/2], took[count*95/100], took[count-1]
	res.closed, res.saves = int(closed.Load()), count
	return res, nil
}

// save writes a version of the application and returns the time until it responds.
func save(ctx context.Context, r *row, version string) (time.Duration, error) {
	began := time.Now()
	text := strings.ReplaceAll(r.saves, "VERSION", version)
	if err := os.WriteFile(r.p.app, []byte(text), 0o644); err != nil {
		return 0, err
	}
	for time.Since(began) < saveLimit {
		resp, err := http.Get("http://" + r.p.addr + "/")
		if err != nil {
			return 0, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return 0, err
		}
		if string(body) == version {
			return time.Since(began), nil
		}
		time.Sleep(time.Millisecond)
	}
	return 0, fmt.Errorf("version %s does not respond within %v", version, saveLimit)
}
