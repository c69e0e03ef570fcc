package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/store"
	"asgibox/workerpool"
	"asgibox/workerpool/process/wire"
)

// A fakeLoop is the event loop of a process. It records the frames that it gets.
type fakeLoop struct {
	t    *testing.T
	out  chan loopFrame
	ctx  context.Context
	kill context.CancelCauseFunc

	mu          sync.Mutex // guards the rest
	in          []asgi.Fields
	hung        bool          // it does not reply to pings
	full        chan struct{} // writes wait until it is closed; nil if they do not
	pinged      int64
	blocked     int64 // the task that an exception ends, or 0
	interrupted error
	condemned   error
}

func (f *fakeLoop) ended() context.Context { return f.ctx }
func (f *fakeLoop) interrupt(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.interrupted = why
	if f.blocked != 0 {
		f.hung = false
		blocked, pinged, full := f.blocked, f.pinged, f.full
		f.full = nil
		go func() {
			f.say("done", blocked, failureOf("Cancelled", "at app.py:5"))
			if full != nil {
				close(full) // the ping is among what waits
				return
			}
			f.say("pong", pinged)
		}()
	}
}

func (f *fakeLoop) condemn(why error) {
	f.mu.Lock()
	f.condemned = why
	f.mu.Unlock()
	f.die(why)
}

// die ends the process.
func (f *fakeLoop) die(why error) { f.kill(why) }

func (f *fakeLoop) isCondemned() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.condemned
}

func (f *fakeLoop) read() (loopFrame, error) {
	select {
	case frame := <-f.out:
		return frame, nil
	case <-f.ctx.Done():
		return loopFrame{}, io.EOF
	}
}

func (f *fakeLoop) Close() error { return nil }

func (f *fakeLoop) Write(heads ...asgi.Fields) error {
	for _, head := range heads {
		if err := f.get(head); err != nil {
			return err
		}
	}
	return nil
}

// get gets a frame, when there is room for it.
func (f *fakeLoop) get(head asgi.Fields) error {
	f.mu.Lock()
	full := f.full
	f.mu.Unlock()
	if full != nil {
		select {
		case <-full:
		case <-f.ctx.Done():
			return net.ErrClosed
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if head[0].Key == "ping" {
		f.pinged = head[0].Value.(int64)
		if !f.hung {
			go func() { f.say("pong", head[0].Value.(int64)) }()
		}
		return nil
	}
	f.in = append(f.in, head)
	return nil
}

// say sends a frame to the server.
func (f *fakeLoop) say(kind string, id int64, fields ...asgi.Field) {
	frame, err := newLoopFrame(append(asgi.Fields{{Key: kind, Value: id}}, fields...), nil)
	f.put(frame, err)
}

// sayHead sends a frame with a head as it stands.
func (f *fakeLoop) sayHead(head string) {
	b := rawFrame(head)
	f.put(readLoopFrame(wire.NewReader(bytes.NewReader(b), len(b))))
}

func (f *fakeLoop) put(frame loopFrame, err error) {
	if err != nil {
		f.t.Error(err)
		return
	}
	select {
	case f.out <- frame:
	case <-f.ctx.Done():
	}
}

// want checks the frames that have come: their kinds, numbers and some fields.
func (f *fakeLoop) want(want ...string) []asgi.Fields {
	f.t.Helper()
	synctest.Wait()
	f.mu.Lock()
	in := f.in
	f.in = nil
	f.mu.Unlock()
	var got []string
	for _, head := range in {
		text := fmt.Sprintf("%s %d", head[0].Key, head[0].Value)
		for _, key := range []string{"content", "more", "resumed", "force", "code"} {
			if v, ok := head.Get(key); ok && v != false {
				text += fmt.Sprintf(" %s=%v", key, v)
			}
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("the event loop got %q, want %q", got, want)
	}
	return in
}

// A stage is a pool with generations of an ASGI 3 application, each with one event
// loop, and clients.
type stage struct {
	t       *testing.T
	layer   *store.Store
	pool    *workerpool.Pool
	sockets *sockets
	options workerpool.Options
	limit   int
	loops   []*fakeLoop            // of the generations
	latest  *asgi3                 // generation
	other   workerpool.Application // loaded next, if not nil
	logs    strings.Builder
	serving sync.WaitGroup

	mu       sync.Mutex // guards the rest
	replies  map[string][]asgi.Message
	gone     map[string]bool
	full     bool
	failures []error
	ended    []uint64 // generations whose processes were ended
}

func (g *stage) release(generation uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = append(g.ended, generation)
}

// wantReleased checks the generations whose processes were ended.
func (g *stage) wantReleased(want ...uint64) {
	g.t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Equal(g.ended, want) {
		g.t.Errorf("the processes of generations %v were ended, want %v", g.ended, want)
	}
}

func newStage(t *testing.T, o workerpool.Options, resume bool) *stage {
	g := &stage{t: t, layer: store.Memory(store.Options{MaxMessage: 32 << 20}), options: o, limit: 10, replies: map[string][]asgi.Message{}, gone: map[string]bool{}}
	g.options.Grace = 10 * time.Second
	g.options.Workers = 20
	g.options.Report = func(f workerpool.Failure) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.failures = append(g.failures, f.Err)
	}
	log := slog.New(slog.NewTextHandler(&g.logs, nil))
	g.options.Log = log
	g.sockets = newSockets(g.layer, log, resume, &g.serving)
	unbind, err := g.layer.Bind("front!", g.deliver)
	if err != nil {
		t.Fatal(err)
	}
	g.pool, err = workerpool.New(g.layer, g, g.options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = g.pool.Run(ctx)
	}()
	t.Cleanup(func() {
		for _, f := range g.loops {
			f.die(errors.New("the test has ended"))
		}
		stop()
		<-ended
		synctest.Wait() // for handlers that did not stop; the last one closes its generation
		g.serving.Wait()
		unbind()
		if err := g.layer.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	time.Sleep(2 * time.Second)
	synctest.Wait()
	return g
}

func (g *stage) deliver(d asgi.Delivery) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.gone[d.Channel]:
		return asgi.ErrGone
	case d.Probe:
		return nil
	case g.full:
		return asgi.ErrChannelFull
	}
	g.replies[d.Channel] = append(g.replies[d.Channel], d.Message)
	return nil
}

// Load makes a generation with one event loop.
func (g *stage) Load(_ context.Context, generation uint64) (workerpool.Application, error) {
	if g.other != nil {
		return g.other, nil
	}
	a := newASGI3Generation(generation, g.sockets, g.limit, g.options.Grace, func() { g.release(generation) })
	f := &fakeLoop{t: g.t, out: make(chan loopFrame)}
	f.ctx, f.kill = context.WithCancelCause(context.Background())
	g.loops = append(g.loops, f)
	g.serving.Go(func() {
		time.Sleep(time.Second) // the connection of the event loop is slow
		_ = a.serve(f, g.options.HandlerTimeout, f.read, f)
	})
	old := g.latest
	g.latest = a
	return &staged{a, old}, nil
}

// A staged is a generation that retires the one before, as its set does.
type staged struct {
	*asgi3
	old *asgi3 // may be nil
}

func (a *staged) Current() {
	if a.old != nil {
		a.old.retire()
	}
	a.asgi3.Current()
}

func (g *stage) reload() *fakeLoop {
	g.t.Helper()
	if _, err := g.pool.Reload(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	return g.loops[len(g.loops)-1]
}

// message sends a message of a connection.
func (g *stage) message(channel, name string, fields ...asgi.Field) {
	g.t.Helper()
	m := asgi.MustMessage(append(asgi.Fields{
		{Key: "reply_channel", Value: "front!" + name}, {Key: "path", Value: "/a b"}, {Key: "scheme", Value: "http"},
		{Key: "http_version", Value: "1.1"}, {Key: "method", Value: "GET"}, {Key: "root_path", Value: ""},
		{Key: "headers", Value: []any{[]any{asgi.Bytes("host"), asgi.Bytes("x")}, []any{asgi.Bytes("sec-websocket-protocol"), asgi.Bytes("a, b")}}},
	}, fields...)...)
	if err := g.layer.Send(g.t.Context(), nil, channel, m, asgi.Volatile); err != nil {
		g.t.Fatal(err)
	}
	synctest.Wait()
}

func (g *stage) text(name, text string) {
	g.message("websocket.receive", name, asgi.Field{Key: "text", Value: text})
}

// open opens a WebSocket whose task has the number id on an event loop.
func (g *stage) open(f *fakeLoop, name string, id int64) {
	g.t.Helper()
	g.message("websocket.connect", name)
	f.want(fmt.Sprintf("websocket %d", id))
	f.say("taken", id)
	f.say("accept", id)
	g.want(name, "{accept: true, subprotocol: <nil>, headers: []}")
}

// want checks what a client has got since the last call.
func (g *stage) want(name string, want ...string) {
	g.t.Helper()
	synctest.Wait()
	g.mu.Lock()
	messages := g.replies["front!"+name]
	delete(g.replies, "front!"+name)
	g.mu.Unlock()
	var got []string
	for _, m := range messages {
		got = append(got, describe(m.Dict))
	}
	if !slices.Equal(got, want) {
		g.t.Errorf("%s got %q, want %q", name, got, want)
	}
}

func describe(v any) string {
	var parts []string
	switch v := v.(type) {
	case asgi.Dict:
		for key, item := range v.All() {
			parts = append(parts, key+": "+describe(item))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case asgi.List:
		for _, item := range v.All() {
			parts = append(parts, describe(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

func (g *stage) leave(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone["front!"+name] = true
}

func (g *stage) setFull(full bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.full = full
}

// failed checks the failures that were reported since the last call.
func (g *stage) failed(want ...string) {
	g.t.Helper()
	synctest.Wait()
	g.mu.Lock()
	got := g.failures
	g.failures = nil
	g.mu.Unlock()
	if len(got) != len(want) {
		g.t.Errorf("failures %q, want %q", got, want)
		return
	}
	for i, err := range got {
		if !strings.Contains(err.Error(), want[i]) {
			g.t.Errorf("failure %q, want %q", err, want[i])
		}
	}
}

var (
	status200 = asgi.Field{Key: "status", Value: int64(200)}
	more      = asgi.Field{Key: "more", Value: true}
	ack       = asgi.Field{Key: "ack", Value: true}
	isDone    = asgi.Field{Key: "done", Value: true}
)

func content(text string) asgi.Field { return asgi.Field{Key: "content", Value: asgi.Bytes(text)} }

func failure(text string) asgi.Field { return failureOf("ValueError", text) }

func failureOf(kind, text string) asgi.Field {
	m := asgi.MustMessage(asgi.Field{Key: "type", Value: kind}, asgi.Field{Key: "message", Value: text})
	return asgi.Field{Key: "error", Value: m.Dict}
}

func onStage(t *testing.T, o workerpool.Options, test func(g *stage, f *fakeLoop)) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, o, true)
		test(g, g.loops[0])
	})
}

func TestASGIRequest(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.message("http.request", "a", asgi.Field{Key: "body", Value: asgi.Bytes("b")}, asgi.Field{Key: "query_string", Value: asgi.Bytes("q")})
		head := f.want("http 1")[0]
		for key, want := range map[string]any{
			"path": "/a b", "raw": "/a%20b", "query": asgi.Bytes("q"), "body": asgi.Bytes("b"), "method": "GET",
			"shared": asgi.Bytes(`{"http_version":"1.1","scheme":"http","root_path":"","client":null,"server":null}` + "\nhost\nx\nsec-websocket-protocol\na, b"),
		} {
			if got, _ := head.Get(key); got != want {
				t.Errorf("%s is %v, want %v", key, got, want)
			}
		}
		f.say("start", 1, status200, asgi.Field{Key: "headers", Value: asgi.Bytes("a\nb\nc\nd")}, content("hello"), isDone)
		g.want("a", "{status: 200, headers: [[a, b], [c, d]], content: hello, more_content: false}")
		g.failed()
		if n := g.loops[0].load(g); n != 0 {
			t.Errorf("%d tasks are left", n)
		}
	})
}

func (f *fakeLoop) load(g *stage) (n int) {
	a := g.sockets.current.Load()
	a.mu.Lock()
	defer a.mu.Unlock()
	for l := range a.loops {
		n += l.load()
	}
	return n
}

func TestASGIRequestCountsUntilTheApplicationReturns(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, _ *fakeLoop) {
		g.limit = 1
		f := g.reload()
		g.message("http.request", "a")
		f.want("http 1")
		f.say("start", 1, status200, content(""))
		g.want("a", "{status: 200, headers: [], content: , more_content: false}")
		g.message("http.request", "b")
		g.failed("--concurrency")
		f.say("done", 1)
		synctest.Wait()
		g.message("http.request", "c")
		f.want("http 2")
	})
}

func TestASGIFailures(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		for i, c := range []struct {
			frames func(id int64)
			want   string
		}{
			{func(id int64) { f.say("done", id, failure("oops")) }, "oops"},
			{func(id int64) { f.say("done", id) }, "without a response"},
			{func(id int64) { f.say("start", id, status200, content("x"), more); f.say("done", id) }, "before the response was complete"},
		} {
			name := fmt.Sprint(i)
			g.message("http.request", name)
			c.frames(int64(i + 1))
			g.failed(c.want)
			if replies := g.replies["front!"+name]; len(replies) == 0 || !replies[len(replies)-1].Has("abort") {
				t.Errorf("%s: replies %v", c.want, replies)
			}
		}
	})
}

// TestABadValueEndsItsTaskOnly sends values that no message may have.
func TestABadValueEndsItsTaskOnly(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.message("http.request", "other")
		f.want("http 1")
		g.message("http.request", "status")
		f.sayHead(`{"start":2,"status":18446744073709551616}`)
		g.failed("does not fit in 64 bits")
		f.want("http 2", "cancel 2")
		g.message("http.request", "piece")
		f.sayHead(`{"piece":3,"content":"\ud800"}`)
		g.failed("surrogate")
		f.want("http 3", "cancel 3")
		g.message("http.request", "done")
		f.sayHead(`{"done":4,"error":1e400}`)
		g.failed("without a reason")
		f.want("http 4")
		g.open(f, "socket", 5)
		f.sayHead(`{"close":5,"code":18446744073709551616}`)
		f.say("done", 5)
		g.failed("does not fit in 64 bits")
		f.want("cancel 5")
		if m := g.replies["front!socket"][0]; m.Int("close") != 1011 {
			t.Errorf("replies %v", m)
		}
		f.say("start", 1, status200, content("x"), isDone)
		g.want("other", "{status: 200, headers: [], content: x, more_content: false}")
		g.failed()
	})
}

func TestASGIBodyIsReadWhenTheApplicationWaits(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.message("http.request", "a", asgi.Field{Key: "body_channel", Value: "body?x"})
		f.want("http 1 more=true")
		piece := func(order int, more bool, fields ...asgi.Field) {
			m := asgi.MustMessage(append(asgi.Fields{{Key: "content", Value: asgi.Bytes(fmt.Sprint(order))}, {Key: "more_content", Value: more}, {Key: "order", Value: order}}, fields...)...)
			if err := g.layer.Send(g.t.Context(), nil, "body?x", m); err != nil {
				t.Fatal(err)
			}
		}
		piece(1, true)
		f.want()
		f.say("wait", 1)
		f.want("body 1 content=1 more=true")
		f.say("wait", 1)
		f.say("wait", 1, asgi.Field{Key: "off", Value: true})
		f.want()
		f.say("wait", 1)
		piece(2, false)
		f.want("body 1 content=2")
		f.say("wait", 1)
		f.say("start", 1, status200, content(""), isDone)
		g.failed()

		for i, reply := range []string{"b", "c"} {
			id := int64(i + 2)
			g.message("http.request", reply, asgi.Field{Key: "body_channel", Value: "body?x"})
			f.want(fmt.Sprintf("http %d more=true", id))
			f.say("wait", id)
			piece(1, false, asgi.Field{Key: "closed", Value: true})
			f.want(fmt.Sprintf("gone %d", id))
			if reply == "b" {
				g.leave("b")
			}
			f.say("done", id)
		}
		g.failed(asgi.ErrBodyClosed.Error()) // for c, whose client waits for a response

		for i, started := range []bool{false, true} { // the first piece is lost
			id := int64(i + 4)
			g.message("http.request", fmt.Sprint(started), asgi.Field{Key: "body_channel", Value: "body?x"})
			if started {
				f.say("start", id, status200, content("x"), more)
			}
			f.say("wait", id)
			piece(2, false)
			f.want(fmt.Sprintf("http %d more=true", id), fmt.Sprintf("gone %d", id))
			f.say("done", id)
			g.failed(asgi.ErrBodyLost.Error())
		}
	})
}

// TestASGIWaitsForTheBodyAreNotQueued lets an application call receive() again and again
// while its response waits for the client.
func TestASGIWaitsForTheBodyAreNotQueued(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.message("http.request", "a", asgi.Field{Key: "body_channel", Value: "body?x"})
		g.setFull(true)
		f.say("start", 1, status200, content("x"), more)
		for range 1000 {
			f.say("wait", 1)
			f.say("wait", 1, asgi.Field{Key: "off", Value: true})
		}
		f.want("http 1 more=true")
		for l := range g.latest.loops {
			if n := len(l.tasks[1].(*request).frames); n != 0 {
				t.Errorf("%d frames wait", n)
			}
		}
		g.setFull(false)
		f.say("done", 1, failure("enough"))
		time.Sleep(time.Second)
		g.failed("enough")
	})
}

// TestAMessageThatIsNoRequestFailsAlone sends messages that only other programs send.
func TestAMessageThatIsNoRequestFailsAlone(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		for _, c := range []struct{ channel, missing, key string }{
			{"http.request", "path", "method"}, {"http.request", "method", "path"}, {"websocket.connect", "path", "method"},
		} {
			m := asgi.MustMessage(asgi.Field{Key: "reply_channel", Value: "front!a"}, asgi.Field{Key: c.key, Value: "/"}, asgi.Field{Key: c.missing, Value: 1})
			if err := g.layer.Send(g.t.Context(), nil, c.channel, m, asgi.Volatile); err != nil {
				t.Fatal(err)
			}
			g.failed("no text \"" + c.missing + "\"")
		}
		f.want()
		g.message("http.request", "odd", asgi.Field{Key: "client", Value: 5}, asgi.Field{Key: "server", Value: "x"}, asgi.Field{Key: "body", Value: "text"})
		head := f.want("http 1")[0]
		if shared := string(find[asgi.Bytes](head, "shared")); !strings.Contains(shared, `"client":null,"server":null`) || find[asgi.Bytes](head, "body") != "text" {
			t.Errorf("the frame is %v", head)
		}
		f.say("start", 1, status200, content("x"), isDone)
		g.failed()
	})
}

func TestASGITaskLearnsThatItsClientHasLeft(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.message("http.request", "a")
		f.want("http 1")
		g.leave("a")
		time.Sleep(2 * checkEvery)
		f.want("gone 1")
		f.say("done", 1)
		g.failed()
		g.message("http.request", "a")
		f.say("start", 2, status200, content("x"), more, ack)
		f.want("http 2", "gone 2", "room 2")
		f.say("done", 2)
		g.failed()
	})
}

func TestASGIStreamWaitsForItsClient(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.message("http.request", "a")
		f.want("http 1")
		g.setFull(true)
		f.say("start", 1, status200, content("x"), more, ack)
		f.say("piece", 1, content("y"), isDone)
		time.Sleep(time.Second)
		f.want()
		g.setFull(false)
		time.Sleep(time.Second)
		f.want("room 1")
		g.want("a", "{status: 200, headers: [], content: x, more_content: true}", "{content: y, more_content: false}")

		g.open(f, "s", 2)
		g.setFull(true)
		f.say("text", 2, content("x"))
		f.say("text", 2, content("y"), ack)
		f.want()
		g.setFull(false)
		time.Sleep(time.Second)
		f.want("room 2")
		f.say("text", 2, content("z"), ack)
		f.want("room 2")
		g.want("s", "{text: x}", "{text: y}", "{text: z}")
	})
}

// TestASGIMessagesThatTheApplicationDoesNotTakeAreLimited sends long messages to tasks
// that do not call receive().
func TestASGIMessagesThatTheApplicationDoesNotTakeAreLimited(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		var senders sync.WaitGroup
		defer senders.Wait()
		long := strings.Repeat("a", 20<<20)
		send := func(name string) {
			m := asgi.MustMessage(asgi.Field{Key: "reply_channel", Value: "front!" + name}, asgi.Field{Key: "text", Value: long}, asgi.Field{Key: "order", Value: 1})
			senders.Go(func() {
				if err := g.layer.SendWhenRoom(context.Background(), nil, time.Hour, "websocket.receive", m, asgi.Volatile); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		want := func(tasks ...int64) {
			t.Helper()
			synctest.Wait()
			f.mu.Lock()
			defer f.mu.Unlock()
			var got []int64
			for _, head := range f.in {
				got = append(got, head[0].Value.(int64))
			}
			f.in = nil
			slices.Sort(got)
			if !slices.Equal(got, tasks) {
				t.Errorf("tasks %v got messages, want %v", got, tasks)
			}
		}
		for i := range 5 {
			g.open(f, fmt.Sprint(i), int64(i+1))
			f.say("taken", int64(i+1))
		}
		for i := range 5 {
			send(fmt.Sprint(i))
		}
		want(1, 2, 3)
		g.open(f, "small", 6) // small ones need no room
		g.text("small", "x")
		want(6)
		f.say("taken", 1)
		f.say("taken", 2)
		want(4, 5)
		for i := range 3 {
			f.say("taken", int64(i+3))
		}
		send("0")
		want(1)
		f.say("taken", 1)
	})
}

func TestASGIHandlerTimeout(t *testing.T) {
	onStage(t, workerpool.Options{HandlerTimeout: 10 * time.Second}, func(g *stage, f *fakeLoop) {
		g.message("http.request", "waits")
		g.message("http.request", "sends")
		g.message("http.request", "hangs")
		f.want("http 1", "http 2", "http 3")
		f.say("wait", 1)
		for i := range 30 {
			time.Sleep(time.Second)
			if i == 0 {
				f.say("start", 2, status200, content("x"), more)
			} else {
				f.say("piece", 2, content("x"), more)
			}
		}
		f.want("cancel 3")
		f.say("done", 3, failure("cancelled"))
		g.failed("--handler-timeout")
	})
}

func TestASGIEventLoopThatHangsIsReplaced(t *testing.T) {
	for _, reads := range []bool{true, false} {
		onStage(t, workerpool.Options{HandlerTimeout: 10 * time.Second}, func(g *stage, f *fakeLoop) {
			g.open(f, "s", 1)
			time.Sleep(time.Minute)
			if err := f.isCondemned(); err != nil {
				t.Fatal(err)
			}
			f.hang(0, reads)
			time.Sleep(14 * time.Second)
			if f.isCondemned() != nil {
				t.Error("it was condemned too early")
			}
			time.Sleep(3 * time.Second)
			var hung *HungError
			if !errors.As(f.isCondemned(), &hung) || !errors.As(f.interrupted, &hung) {
				t.Errorf("condemned for %v, interrupted for %v", f.isCondemned(), f.interrupted)
			}
			g.want("s", "{close: 1011, reason: the application failed}")
		})
	}
}

// hang makes the event loop hang until an exception ends the task blocked. If it does not
// read, there is no room for what the server writes.
func (f *fakeLoop) hang(blocked int64, reads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hung, f.blocked = true, blocked
	if !reads {
		f.full = make(chan struct{})
	}
}

func TestASGITaskThatBlocksTheEventLoopGetsAnException(t *testing.T) {
	for _, reads := range []bool{true, false} {
		onStage(t, workerpool.Options{HandlerTimeout: 10 * time.Second}, func(g *stage, f *fakeLoop) {
			g.open(f, "s", 1)
			g.message("http.request", "a")
			f.hang(2, reads)
			time.Sleep(11 * time.Second)
			f.want("http 2", "cancel 2")
			g.failed("--handler-timeout")
			time.Sleep(time.Minute)
			g.want("s") // it stays open
			if err := f.isCondemned(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestASGIEventLoopThatDoesNotReadHoldsUpNothing lets an event loop hang between two pings
// while messages come, so that the next ping waits behind them.
func TestASGIEventLoopThatDoesNotReadHoldsUpNothing(t *testing.T) {
	for _, timeout := range []time.Duration{0, 10 * time.Second} {
		onStage(t, workerpool.Options{HandlerTimeout: timeout}, func(g *stage, f *fakeLoop) {
			g.open(f, "a", 1)
			g.open(f, "b", 2)
			g.message("http.request", "r")
			time.Sleep(pingEvery + pingEvery/2)
			f.hang(0, false)
			g.text("a", "x")
			g.text("b", "x")
			g.message("http.request", "s")
			g.leave("s")
			if timeout == 0 {
				next := g.reload()
				g.message("http.request", "t")
				next.want("http 1")
				next.say("start", 1, status200, content("x"), isDone)
				g.want("t", "{status: 200, headers: [], content: x, more_content: false}")
				time.Sleep(g.options.Grace + forceWait - time.Second)
				g.wantReleased()
				time.Sleep(2 * time.Second)
				g.wantReleased(1)
				return
			}
			time.Sleep(timeout + interruptWait + pingEvery + timeout/4)
			var hung *HungError
			if !errors.As(f.isCondemned(), &hung) || !errors.As(f.interrupted, &hung) {
				t.Errorf("condemned for %v, interrupted for %v", f.isCondemned(), f.interrupted)
			}
			g.want("a", "{close: 1011, reason: the application failed}")
		})
	}
}

func TestASGIProcessThatDies(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.open(f, "s", 1)
		g.text("s", "x") // not taken
		g.message("websocket.connect", "h")
		g.message("http.request", "a")
		f.die(errors.New("worker 1 ended (signal: killed)"))
		g.want("s", "{close: 1011, reason: the application failed}")
		g.failed("signal: killed", "signal: killed")
		for _, name := range []string{"a", "h"} {
			if replies := g.replies["front!"+name]; len(replies) != 1 {
				t.Errorf("%s got %v", name, replies)
			}
		}
		g.message("websocket.disconnect", "s", asgi.Field{Key: "code", Value: 1011})
		if n := len(g.sockets.all); n != 0 {
			t.Errorf("%d sockets are known", n)
		}
	})
}

func TestASGIRequestFailsIfNoProcessCanStart(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		f.die(errors.New("killed"))
		synctest.Wait()
		g.message("http.request", "a")
		g.failed() // it waits for the next process
		g.sockets.current.Load().notStarted(errors.New("worker 1 ended while it loaded"))
		g.failed("while it loaded")
		g.message("http.request", "b")
		g.failed("while it loaded")
	})
}

func TestASGIWebSocketMessageIsHandledWhenItIsTaken(t *testing.T) {
	onStage(t, workerpool.Options{HandlerTimeout: time.Second}, func(g *stage, f *fakeLoop) {
		g.message("websocket.connect", "s")
		g.text("s", "one")
		g.text("s", "two")
		head := f.want("websocket 1")[0]
		if shared := find[asgi.Bytes](head, "shared"); !strings.Contains(string(shared), `{"subprotocols":["a","b"],`) {
			t.Errorf("scope %s", shared)
		}
		f.say("taken", 1)
		f.say("accept", 1, asgi.Field{Key: "subprotocol", Value: "a"}, asgi.Field{Key: "headers", Value: asgi.Bytes("x\ny")})
		f.want("text 1 content=one")
		g.want("s", "{accept: true, subprotocol: a, headers: [[x, y]]}")
		time.Sleep(time.Minute)
		f.want()
		f.say("taken", 1)
		f.want("text 1 content=two")
		f.say("taken", 1)
		g.message("websocket.disconnect", "s", asgi.Field{Key: "code", Value: 1001})
		f.want("closed 1 code=1001")
		f.say("taken", 1)
		f.say("done", 1)
		g.failed()
		if n := len(g.sockets.all); n != 0 {
			t.Errorf("%d sockets are known", n)
		}
	})
}

// A task that goes on although its client has left must not count for ever.
func TestASGIWebSocketTaskThatOutlivesItsClientIsCancelled(t *testing.T) {
	onStage(t, workerpool.Options{HandlerTimeout: 10 * time.Second}, func(g *stage, f *fakeLoop) {
		g.open(f, "ignores", 1)
		g.open(f, "cleans", 2)
		g.open(f, "stays", 3)
		for i, name := range []string{"ignores", "cleans"} {
			id := int64(i + 1)
			g.message("websocket.disconnect", name, asgi.Field{Key: "code", Value: 1001})
			f.want(fmt.Sprintf("closed %d code=1001", id))
			if name == "cleans" {
				f.say("taken", id)
			}
			time.Sleep(9900 * time.Millisecond)
			f.want()
			time.Sleep(checkEvery)
			f.want(fmt.Sprintf("cancel %d", id))
			f.say("done", id, failureOf("asyncio.exceptions.CancelledError", ""))
			g.failed("did not end within 10s after its client had left")
		}
		time.Sleep(time.Minute)
		f.want()
		if n := len(g.sockets.all); n != 1 {
			t.Errorf("%d sockets are known", n)
		}
	})
}

func TestASGIWebSocketEnds(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.open(f, "returns", 1)
		f.say("done", 1)
		g.want("returns", "{close: 1000, reason: }")
		g.open(f, "closes", 2)
		f.say("close", 2, asgi.Field{Key: "code", Value: int64(4000)}, asgi.Field{Key: "reason", Value: "r"})
		f.say("done", 2)
		g.want("closes", "{close: 4000, reason: r}")
		g.failed()
		g.open(f, "raises", 3)
		f.say("done", 3, failure("oops"))
		g.failed("oops")
		if m := g.replies["front!raises"][0]; m.Int("close") != 1011 {
			t.Errorf("replies %v", m)
		}
		g.message("websocket.connect", "refuses")
		f.say("close", 4, asgi.Field{Key: "code", Value: int64(1000)})
		g.want("refuses", "{accept: false}")
		g.message("websocket.connect", "denies")
		f.say("deny", 5, asgi.Field{Key: "status", Value: int64(401)}, content("no"))
		g.want("denies", "{close: true, response: {status: 401, headers: [], content: no}}")
		f.say("done", 4)
		f.say("done", 5)
		g.message("websocket.connect", "undecided")
		f.say("done", 6)
		g.failed("without accepting")
		f.want("websocket 4", "websocket 5", "websocket 6")
		g.open(f, "waits", 7)
		g.setFull(true)
		f.say("text", 7, content("x"))
		f.say("done", 7)
		synctest.Wait()
		if n := len(g.sockets.all); n != 1 {
			t.Errorf("%d sockets are known, want the one whose messages wait", n)
		}
		g.setFull(false)
		time.Sleep(time.Second)
		g.want("waits", "{text: x}", "{close: 1000, reason: }")
		if n := len(g.sockets.all); n != 0 { // although no websocket.disconnect has come
			t.Errorf("%d sockets are known", n)
		}
	})
}

func TestASGIWebSocketIsHandedOver(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.open(f, "s", 1)
		g.text("s", "one")
		f.want("text 1 content=one")
		f.say("taken", 1)
		next := g.reload()
		f.want("yield 1")
		f.say("text", 1, content("reply to one"))
		g.wantReleased()
		f.say("yielded", 1)
		f.say("text", 1, content("too late"))
		next.want("websocket 1 resumed=true")
		g.wantReleased(1)
		g.text("s", "two")
		next.say("taken", 1) // websocket.connect
		next.say("taken", 1)
		next.say("text", 1, content("reply to two"))
		next.want("text 1 content=two")
		g.want("s", "{text: reply to one}", "{text: reply to two}")
		g.failed()
	})
}

func TestASGIClosedWebSocketIsNotHandedOver(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.open(f, "s", 1)
		f.say("close", 1, asgi.Field{Key: "code", Value: int64(4000)})
		next := g.reload()
		f.want("yield 1")
		f.say("yielded", 1)
		next.want()
		g.want("s", "{close: 4000, reason: }")
		g.wantReleased(1)
		g.failed()
	})
}

func TestASGIMessagesWaitDuringTheHandOver(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.open(f, "s", 1)
		g.text("s", "one")
		f.say("taken", 1)
		next := g.reload()
		f.want("text 1 content=one", "yield 1")
		g.text("s", "two") // on its way when the task yields by force
		g.text("s", "three")
		f.want("text 1 content=two")
		time.Sleep(g.options.Grace)
		f.want("yield 1 force=true")
		f.say("yielded", 1, asgi.Field{Key: "lost", Value: true})
		next.want("websocket 1 resumed=true", "text 1 content=two")
		next.say("taken", 1)
		next.say("taken", 1)
		next.want("text 1 content=three")
		synctest.Wait()
		if !strings.Contains(g.logs.String(), "is lost") {
			t.Errorf("log %q", g.logs.String())
		}
		g.failed()
	})
}

func TestASGITaskThatDoesNotYieldEndsWithItsProcess(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.open(f, "s", 1)
		g.reload()
		time.Sleep(g.options.Grace + forceWait - time.Second)
		f.want("yield 1", "yield 1 force=true")
		g.wantReleased()
		time.Sleep(2 * time.Second)
		g.wantReleased(1)
	})
}

func TestASGIHandshakeThatIsUndecidedIsHandedOver(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.message("websocket.connect", "s")
		f.say("taken", 1)
		next := g.reload()
		f.want("websocket 1", "yield 1")
		f.say("yielded", 1)
		next.want("websocket 1")
		next.say("taken", 1)
		next.say("accept", 1)
		g.want("s", "{accept: true, subprotocol: <nil>, headers: []}")
	})
}

func TestASGIStreamEndsAfterGrace(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.message("http.request", "a")
		f.say("start", 1, status200, content("x"), more)
		g.reload()
		f.want("http 1")
		f.say("piece", 1, content("y"), more)
		time.Sleep(g.options.Grace + time.Second)
		f.want("cancel 1")
		f.say("done", 1, failure("cancelled"))
		synctest.Wait()
		g.wantReleased(1)
	})
}

func TestASGIResumeOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, workerpool.Options{}, false)
		f := g.loops[0]
		g.open(f, "s", 1)
		g.reload()
		g.want("s", "{close: 1012, reason: the application was replaced}")
		g.message("websocket.disconnect", "s", asgi.Field{Key: "code", Value: 1012})
		f.want("closed 1 code=1012")
		f.say("taken", 1)
		f.say("done", 1)
		synctest.Wait()
		g.failed()
		g.wantReleased(1)
	})
}

// A routed application of another kind.
type otherKind struct{ asgi3 }

func (*otherKind) Live(context.Context, bool) error          { return nil }
func (*otherKind) Current()                                  {}
func (*otherKind) Close()                                    {}
func (*otherKind) Route(d asgi.Delivery) workerpool.Consumer { return nil }

func TestASGIApplicationIsReplacedByAnotherKind(t *testing.T) {
	onStage(t, workerpool.Options{}, func(g *stage, f *fakeLoop) {
		g.open(f, "s", 1)
		g.other = new(otherKind)
		if _, err := g.pool.Reload(g.t.Context()); err != nil {
			t.Fatal(err)
		}
		f.want("yield 1")
		f.say("yielded", 1)
		g.want("s") // it stays open
		g.wantReleased(1)
		if n := len(g.sockets.all); n != 0 {
			t.Errorf("%d sockets are known", n)
		}
		g.other = nil
		g.reload().want()
		g.text("s", "x")
		g.want("s", "{close: 1012, reason: the application was replaced}")
	})
}

// TestLoopFramesAreScannedAsTheyAreDecoded checks the fast reader of frames against the
// decoder.
func TestLoopFramesAreScannedAsTheyAreDecoded(t *testing.T) {
	for head, fast := range map[string]bool{
		"{\"start\":12,\"status\":200,\"headers\":\"\uffff\ufffe0\",\"content\":\"\uffff\ufffe1\",\"done\":true}": true,
		"{\"piece\":12,\"content\":\"\uffff\ufffe1\",\"more\":true,\"ack\":true}":                                 true,
		`{"yielded":7,"lost":false}`:       true,
		`{"wait":7,"off":true}`:            true,
		`{"pong":7}`:                       true,
		`{"done":7,"error":"x"}`:           false,
		`{"done": 7}`:                      false,
		`{"taken":-7}`:                     false,
		`{"taken":07}`:                     false,
		`{"taken":7.5}`:                    false,
		`{"taken":7}{`:                     false,
		`{"taken":7,}`:                     false,
		`{"taken":7`:                       false,
		`{"taken"`:                         false,
		`{}`:                               false,
		``:                                 false,
		`{"accept":7,"headers":"\uffffa"}`: false,
		"{\"piece\":1,\"content\":\"\uffff\ufffe2\",\"ack\":true}": false,
		`{"wait":123456789012345678}`:                              true,
		`{"wait":1234567890123456789}`:                             false,
	} {
		segments := codec.Segments{All: []asgi.Bytes{"a\nb", "\xff"}}
		got, ok := scanLoopFrame([]byte(head), segments.All)
		if ok != fast {
			t.Errorf("%s: scanned %v, want %v", head, ok, fast)
		}
		if !ok {
			continue
		}
		fields, err := segments.DecodeFields([]byte(head))
		if err != nil {
			t.Errorf("%s: %v", head, err)
			continue
		}
		want, err := newLoopFrame(fields, nil)
		want.head = nil
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: scanned %+v, decoded %+v, %v", head, got, want, err)
		}
	}
}
