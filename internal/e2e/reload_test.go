package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

func TestASaveReplacesTheApplicationAndKeepsItsSockets(t *testing.T) {
	p := start(t, echoApp("one"))
	a, b := p.dial("/a"), p.dial("/b")
	if got := a.ask("x"); got != "one x" {
		t.Fatal(got)
	}
	p.save("app.star", echoApp("two"))
	p.saw(`reloaded app\.star, generation 2, [^,]+, 2 sockets kept`)
	for _, s := range []*socket{a, b} {
		if got := s.ask("x"); got != "two x" {
			t.Error(got)
		}
	}
	p.save("app.star", "def broken(:\n")
	p.saw(`reload of app\.star failed; generation 2 continues: app\.star:1:`)
	if got := a.ask("x"); got != "two x" {
		t.Error(got)
	}
}

func TestAFileThatTheApplicationLoadsIsWatched(t *testing.T) {
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
	p.saw("loaded app")
	p.save("lib.star", `word = "two"`)
	p.saw(`reloaded lib\.star, generation 2, `)
	if _, body := p.get("/"); body != "two" {
		t.Error(body)
	}
}

// The file is hidden, so only following it notices a change.
func TestAHiddenFileIsWatchedAfterEveryKindOfLoad(t *testing.T) {
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
	p.saw("app.star does not load")
	p.save(".lib.star", `word = "after the first load failed"`)
	p.saw(`reloaded \.lib\.star, generation 1, `)
	p.save(".lib.star", "word =")
	p.saw(`reload of \.lib\.star failed; generation 1 continues`)
	p.save(".lib.star", `word = "after a failed load"`)
	p.saw(`reloaded \.lib\.star, generation 2, `)
	p.loadAgain()
	p.saw(`reloaded app\.star, generation 3, `)
	p.save(".lib.star", `word = "after a load on request"`)
	p.saw(`reloaded \.lib\.star, generation 4, `)
	if _, body := p.get("/"); body != "after a load on request" {
		t.Error(body)
	}
}

// A second program watches the same files. When it has reloaded them twice, the
// first one would have too.
func TestNoReloadLeavesTheApplicationAsItIs(t *testing.T) {
	p := start(t, echoApp("one"), "--no-reload", "--store", "memory")
	witness := startIn(t, p.dir, "app.star", "--store", "memory")
	p.saw("loaded")
	witness.saw("loaded")
	for generation, content := range []string{"two", "three"} {
		p.save("app.star", echoApp(content))
		witness.saw(fmt.Sprintf(`reloaded app\.star, generation %d, `, generation+2))
	}
	if _, body := p.get("/"); body != "one" {
		t.Error(body)
	}
	p.loadAgain()
	p.saw(`reloaded app\.star, generation 2, `)
}

// A thousand requests are on their way all the time while the file is saved
// ten times.
func TestNoRequestFailsWhileTheApplicationIsSaved(t *testing.T) {
	const clients, saves = 1000, 10
	p := start(t, echoApp("0"))
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}

	var (
		done     = make(chan struct{})
		answered atomic.Int64
		running  sync.WaitGroup
		begun    sync.WaitGroup
	)
	newest := make(chan string, 1) // the version that was answered last
	begun.Add(clients)
	for range clients {
		running.Go(func() {
			for first := true; ; first = false {
				version, err := ask(client, p.url)
				if err != nil {
					t.Errorf("a request failed: %v", err)
				}
				answered.Add(1)
				if first {
					begun.Done()
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
	begun.Wait()
	for i := 1; i <= saves && !t.Failed(); i++ {
		version := itoa(i)
		p.save("app.star", echoApp(version))
		for <-newest != version && !t.Failed() {
		}
	}
	close(done)
	running.Wait()
	t.Logf("%d requests were answered", answered.Load())
}
