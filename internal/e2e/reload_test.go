package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

func TestSaveReloadsTheApplicationAndKeepsSockets(t *testing.T) {
	p := start(t, echoApp("one"))
	a, b := p.dial("/a"), p.dial("/b")
	if got := a.exchange("x"); got != "one x" {
		t.Fatal(got)
	}
	p.save("app.star", echoApp("two"))
	p.waitFor(`reloaded app\.star, generation 2, [^,]+, 2 sockets kept`)
	for _, s := range []*socket{a, b} {
		if got := s.exchange("x"); got != "two x" {
			t.Error(got)
		}
	}
	p.save("app.star", "def broken(:\n")
	p.waitFor(`reload of app\.star failed; generation 2 continues: app\.star:1:`)
	if got := a.exchange("x"); got != "two x" {
		t.Error(got)
	}
}

func TestASaveEndsALoadThatDoesNotEnd(t *testing.T) {
	const forever = "print(\"it loads\")\ndef loop():\n    for i in range(1 << 30):\n        for j in range(1 << 30): pass\nloop()\n"
	p := start(t, forever)
	p.waitFor(`it loads`)
	p.save("app.star", echoApp("one"))
	p.waitFor(`the application has changed again; its load was cancelled`)
	p.waitFor(`loaded app\.star, generation 1, `)
	p.save("app.star", forever)
	p.waitFor(`it loads`)
	p.save("app.star", echoApp("two"))
	p.waitFor(`reloaded app\.star, generation 2, `)
	if got := p.dial("/").exchange("x"); got != "two x" {
		t.Error(got)
	}
}

func TestLoadedFilesAreWatched(t *testing.T) {
	dir := t.TempDir()
	p := &program{TB: t, dir: dir}
	p.save("lib.star", `word = "one"`)
	p.save("app.star", `
load("lib.star", "word")

def request(message):
    message.reply_channel.send({"status": 200, "content": word})

channel_routing = {"http.request": request}
`)
	p = startIn(t, dir, "app.star")
	p.waitFor("loaded app")
	p.save("lib.star", `word = "two"`)
	p.waitFor(`reloaded lib\.star, generation 2, `)
	if _, body := p.get("/"); body != "two" {
		t.Error(body)
	}
}

// The folder ignores hidden files, so this file is watched only as one that the
// application loads.
func TestHiddenLoadedFileIsWatchedAfterEachKindOfLoad(t *testing.T) {
	dir := t.TempDir()
	p := &program{TB: t, dir: dir}
	p.save(".lib.star", "word =")
	p.save("app.star", `
load(".lib.star", "word")

def request(message):
    message.reply_channel.send({"status": 200, "content": word})

channel_routing = {"http.request": request}
`)
	p = startIn(t, dir, "app.star", "--store", "memory")
	p.waitFor("app.star does not load")
	p.save(".lib.star", `word = "after the first load failed"`)
	p.waitFor(`reloaded \.lib\.star, generation 1, `)
	p.save(".lib.star", "word =")
	p.waitFor(`reload of \.lib\.star failed; generation 1 continues`)
	p.save(".lib.star", `word = "after a failed load"`)
	p.waitFor(`reloaded \.lib\.star, generation 2, `)
	p.requestReload()
	p.waitFor(`reloaded app\.star, generation 3, `)
	p.save(".lib.star", `word = "after a load on request"`)
	p.waitFor(`reloaded \.lib\.star, generation 4, `)
	if _, body := p.get("/"); body != "after a load on request" {
		t.Error(body)
	}
}

// A second program watches the same files. After it has reloaded them twice, the
// first program would have reloaded them too.
func TestNoReloadFlag(t *testing.T) {
	p := start(t, echoApp("one"), "--no-reload", "--store", "memory")
	other := startIn(t, p.dir, "app.star", "--store", "memory")
	p.waitFor("loaded")
	other.waitFor("loaded")
	for generation, content := range []string{"two", "three"} {
		p.save("app.star", echoApp(content))
		other.waitFor(fmt.Sprintf(`reloaded app\.star, generation %d, `, generation+2))
	}
	if _, body := p.get("/"); body != "one" {
		t.Error(body)
	}
	p.requestReload()
	p.waitFor(`reloaded app\.star, generation 2, `)
}

// A thousand clients send requests while the file is saved ten times.
func TestNoRequestFailsDuringReloads(t *testing.T) {
	const clients, saves = 1000, 10
	p := start(t, echoApp("0"))
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}

	var (
		done    = make(chan struct{})
		replies atomic.Int64
		running sync.WaitGroup
		started sync.WaitGroup
	)
	newest := make(chan string, 1) // version in the latest reply
	started.Add(clients)
	for range clients {
		running.Go(func() {
			for first := true; ; first = false {
				version, err := getBody(client, p.url)
				if err != nil {
					t.Errorf("a request failed: %v", err)
				}
				replies.Add(1)
				if first {
					started.Done()
				}
				select {
				case newest <- version:
				case <-done:
					return
				default:
				}
				if t.Failed() {
					return
				}
			}
		})
	}
	started.Wait()
	for i := 1; i <= saves && !t.Failed(); i++ {
		version := strconv.Itoa(i)
		p.save("app.star", echoApp(version))
		for <-newest != version && !t.Failed() {
		}
	}
	close(done)
	running.Wait()
	t.Logf("%d requests had a reply", replies.Load())
}
