package inspector

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/asgi/remote"
)

// TestCallsThatWaitForTheApplicationAreLimited makes calls of different kinds when others
// wait, or hold as much as they may.
func TestCallsThatWaitForTheApplicationAreLimited(t *testing.T) {
	arrived, respond := make(chan struct{}), make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-respond
	}))
	defer app.Close()
	b := newBench(t, func(o *Options) { o.App = app.URL })
	play := object{"method": "GET", "path": "/", "headers": []any{}}
	send := object{"channel": "jobs", "message": object{"a": 1}, "wait": 10}
	refuses := func(path string, args object) {
		t.Helper()
		var refused remote.Error
		if status := b.call(path, args, &refused); status != 503 || refused.Kind != remote.TooManyBodies {
			t.Errorf("%s: %d %v", path, status, refused)
		}
	}
	played := make(chan int)
	go func() { played <- b.call("/api/play", play, nil) }()
	defer func() {
		close(respond)
		if status := <-played; status != 200 {
			t.Errorf("a request that was played: %d", status)
		}
	}()
	<-arrived
	var leave []func()
	for range b.server.waiting.calls - 1 {
		o, err := b.server.Outcome(1, "jobs", asgi.Message{})
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, o.Close)
	}
	refuses("/api/play", play)
	refuses("/api/send", send)
	delete(send, "wait")
	b.mustCall("/api/send", send, nil)
	send["wait"] = 10
	for _, f := range leave {
		f()
	}
	b.mustCall("/api/send", send, nil)
	if _, err := b.server.waiting.enter(b.server.waiting.bytes - b.server.waiting.held); err != nil {
		t.Fatal(err)
	}
	refuses("/api/send", send)
}

// TestRecordingsThatArePlayedAreLimited plays a recording while others have all memory.
func TestRecordingsThatArePlayedAreLimited(t *testing.T) {
	b := newBench(t, nil)
	leave, err := b.server.playing.enter(b.server.playing.bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{503, 200} {
		resp, err := http.Post(b.url+"/api/playback", "application/x-ndjson", strings.NewReader(`{"message": {}}`))
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%v, %v, want status %d", resp, err, want)
		}
		resp.Body.Close()
		if want == 503 {
			leave()
		}
	}
}

// TestLongHeadsAreRefused sends a head that a waiting call would hold.
func TestLongHeadsAreRefused(t *testing.T) {
	b := newBench(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- b.server.Serve(t.Context(), l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"+strings.Repeat("a:\r\n", 100_000)+"\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 431 {
		t.Errorf("%v, %v, want status 431", resp, err)
	}
	c.Close()
	if err := errors.Join(b.server.Shutdown(t.Context()), <-served); err != nil {
		t.Error(err)
	}
}

func TestLongPathsAreNotIgnored(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Ignore = func(string) { t.Error("it was ignored") } })
	if status := b.call("/api/ignore", object{"file": "/" + strings.Repeat("x", maxPath)}, nil); status != 400 {
		t.Errorf("status %d", status)
	}
}

type noChaos struct{}

func (noChaos) Rules() []string         { return nil }
func (noChaos) SetRules([]string) error { return nil }

func TestTheRulesOfChaosAreLimited(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Chaos = noChaos{} })
	rules := make([]string, maxRules+1)
	if status := b.call("/api/chaos", object{"rules": rules}, nil); status != 400 {
		t.Errorf("too many rules: status %d", status)
	}
	if status := b.call("/api/chaos", object{"rules": []string{strings.Repeat("x", maxRule+1)}}, nil); status != 400 {
		t.Errorf("a long rule: status %d", status)
	}
	b.mustCall("/api/chaos", object{"rules": rules[1:]}, nil)
}
