package script_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"asgibox/asgi"
	"asgibox/store"
	"asgibox/workerpool"
)

// TestALentWorkerIsFreeBeforeItsOutputIsOnDisk checks that a response that waits for
// the disk holds up neither the worker nor the goroutine that was lent.
func TestALentWorkerIsFreeBeforeItsOutputIsOnDisk(t *testing.T) {
	for kind, source := range map[string]string{
		"routed": `
def handle(message):
    if message["path"] == "/durable":
        Channel("jobs").send({})
    message.reply_channel.send({"status": 200, "content": message["path"]})
channel_routing = {"http.request": handle}
`,
		"loop": `
while True:
    channel, message = layer.receive(["http.request"], block=True)
    if message["path"] == "/durable":
        layer.send("jobs", {})
    layer.send(message["reply_channel"], {"status": 200, "content": message["path"]})
`,
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				held := &heldDisk{}
				clients := newPipes()
				setup{
					layer:    func(l asgi.Layer) asgi.Layer { held.Store = l.(*store.Store); return held },
					listener: clients,
					pool:     workerpool.Options{Workers: 1},
				}.serve(t, source)
				synctest.Wait() // until the worker is parked
				durable := clients.get(t, "/durable")
				if *durable != "" || held.ran.Load() != 1 {
					t.Errorf("before the disk: got %q; %d handlers have run on lent goroutines", *durable, held.ran.Load())
				}
				if other := clients.get(t, "/other"); *other != "200 OK /other" {
					t.Errorf("another request got %q", *other)
				}
				held.release()
				synctest.Wait()
				if *durable != "200 OK /durable" {
					t.Errorf("after the disk: got %q", *durable)
				}
			})
		})
	}
}

// A heldDisk is a layer whose messages on the channel jobs reach the disk when the
// test says so. It counts the handlers that have run on lent goroutines.
type heldDisk struct {
	*store.Store
	ran atomic.Int32

	mu      sync.Mutex // guards the rest
	passed  bool
	waiters []func(error)
}

func (h *heldDisk) Send(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if channel == "jobs" {
		c.Raise(asgi.NewBarrier(h, 1))
	}
	return h.Store.Send(ctx, c, channel, m, opts...)
}

func (h *heldDisk) Accept(a asgi.Acceptor) (asgi.Offering, error) {
	return h.Store.Accept(&countingAcceptor{a, &h.ran})
}

func (h *heldDisk) ReceiveOrRun(ctx context.Context, c *asgi.Cause, run func(asgi.Delivery) []string, channels ...string) (asgi.Delivery, bool, error) {
	return h.Store.ReceiveOrRun(ctx, c, func(d asgi.Delivery) []string {
		defer h.ran.Add(1)
		return run(d)
	}, channels...)
}

type countingAcceptor struct {
	asgi.Acceptor
	ran *atomic.Int32
}

func (a *countingAcceptor) Run(ticket any) {
	a.Acceptor.Run(ticket)
	a.ran.Add(1)
}

// Passed implements [asgi.Watermark].
func (h *heldDisk) Passed(uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.passed
}

// Notify implements [asgi.Watermark].
func (h *heldDisk) Notify(_ uint64, f func(error)) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiters = append(h.waiters, f)
	return func() {}
}

// release lets the disk go on.
func (h *heldDisk) release() {
	h.mu.Lock()
	h.passed = true
	waiters := h.waiters
	h.mu.Unlock()
	for _, f := range waiters {
		f(nil)
	}
}

// pipes is a listener of connections in memory, for use in a bubble.
type pipes struct {
	conns chan net.Conn
	close func()
}

func newPipes() *pipes {
	conns := make(chan net.Conn)
	return &pipes{conns, sync.OnceFunc(func() { close(conns) })}
}

func (p *pipes) Accept() (net.Conn, error) {
	if c := <-p.conns; c != nil {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p *pipes) Close() error { p.close(); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// get sends a request on a new connection and waits until the server does nothing
// more. The result is empty until the response has come.
func (p *pipes) get(t *testing.T, path string) *string {
	got, _ := p.send(t, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
	return got
}

// send is get for the bytes of a request. The function that it returns closes the
// connection.
func (p *pipes) send(t *testing.T, request string) (response *string, leave func() error) {
	return p.stream(t, strings.NewReader(request))
}

// stream is send for the bytes that a reader returns in time.
func (p *pipes) stream(t *testing.T, request io.Reader) (response *string, leave func() error) {
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	p.conns <- server
	got := new(string)
	go io.Copy(client, request)
	go func() {
		res, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			*got = err.Error()
			return
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Error(err)
		}
		*got = res.Status + " " + string(body)
	}()
	synctest.Wait()
	return got, client.Close
}
