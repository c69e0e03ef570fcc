package inspector

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/internal/budget"
	"asgibox/store"
)

// An answerBench is a control server whose connections are in memory, on a layer with
// values whose JSON is six times as long. It runs in a bubble of a synctest.
type answerBench struct {
	*testing.T
	*Server
	conns onPipe
	wg    sync.WaitGroup
}

func newAnswerBench(t *testing.T) *answerBench {
	layer := store.Memory(store.Options{})
	h := remote.NewHandler(layer, remote.Options{})
	b := &answerBench{T: t, conns: make(onPipe, 1)}
	var err error
	if b.Server, err = New(Options{Layer: layer, Store: layer.Debug(), Token: "secret", Remote: h}); err != nil {
		t.Fatal(err)
	}
	b.wg.Go(func() { _ = b.http.Serve(b.conns) })
	t.Cleanup(func() {
		close(b.conns)
		h.Close()
		_ = b.Shutdown(t.Context())
		b.http.Close()
		b.wg.Wait()
		synctest.Wait()
		if used, answers, waiting := b.answers.Usage(); used != 0 || answers != 0 || waiting != 0 {
			t.Errorf("answers that have ended use %d bytes; %d answers, %d wait", used, answers, waiting)
		}
		_ = layer.Close(t.Context())
	})
	long := strings.Repeat("\x01", 1_000_000)
	for range 4 {
		if err := layer.Send(t.Context(), nil, "jobs", asgi.MustMessage(asgi.Field{Key: "text", Value: long[:250_000]})); err != nil {
			t.Fatal(err)
		}
	}
	if err := layer.Set(t.Context(), nil, "state/long", long, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// ask sends a request and reads nothing.
func (b *answerBench) ask(request, body string) net.Conn {
	client, server := net.Pipe()
	b.Cleanup(func() { client.Close() })
	b.conns <- server
	_, err := fmt.Fprintf(client, "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\nContent-Length: %d\r\n\r\n%s", request, len(body), body)
	if err != nil {
		b.Fatal(err)
	}
	return client
}

// read returns the status of an answer, and its body.
func (b *answerBench) read(c net.Conn) (int, []byte) {
	b.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		b.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return resp.StatusCode, body
}

// TestAnswersThatAreNotReadShareMemory has clients that do not read long answers of the
// layer and of the inspector.
func TestAnswersThatAreNotReadShareMemory(t *testing.T) {
	for _, c := range []struct{ request, body string }{
		{"POST /layer/state/get", `{"key": "long"}`},
		{"GET /api/waiting?channel=jobs", ""},
		{"GET /api/state", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newAnswerBench(t)
			began := time.Now()
			var silent []net.Conn
			for range 14 {
				silent = append(silent, b.ask(c.request, c.body))
			}
			synctest.Wait()
			const longest = answerMemory
			if used, _, _ := b.answers.Usage(); used > answerMemory+longest {
				t.Errorf("%s: unread answers use %d bytes", c.request, used)
			}
			status, body := b.read(b.ask("POST /layer/state/get", `{"key": "short"}`))
			if status != 200 || time.Since(began) > 0 {
				t.Errorf("%s: a short answer has status %d after %v: %s", c.request, status, time.Since(began), body)
			}
			time.Sleep(4 * budget.SilentTimeout)
			status, body = b.read(b.ask(c.request, c.body))
			if status != 200 || len(body) < 5_000_000 || time.Since(began) > answerWait/2 {
				t.Errorf("%s: status %d after %v with %d bytes", c.request, status, time.Since(began), len(body))
			}
			for _, s := range silent {
				s.Close()
			}
		})
	}
}

// TestAMessageWhoseAnswerHasNoMemoryGoesBack receives while answers are not read.
func TestAMessageWhoseAnswerHasNoMemoryGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newAnswerBench(t)
		for range 30 {
			b.ask("POST /layer/state/get", `{"key": "long"}`)
		}
		synctest.Wait()
		var refused remote.Error
		status, body := b.read(b.ask("POST /layer/receive", `{"channels": ["jobs"]}`))
		if err := json.Unmarshal(body, &refused); status != 503 || err != nil || refused.Kind != remote.TooManyAnswers {
			t.Errorf("status %d: %s", status, body)
		}
		if n := b.opts.Store.Totals().MessagesPending; n != 4 {
			t.Errorf("%d messages wait, not 4", n)
		}
	})
}

// TestAnswersEndWithASilentClient has clients that read nothing while no other waits.
func TestAnswersEndWithASilentClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newAnswerBench(t)
		for _, request := range []string{"GET /", "GET /metrics", "GET /debug/pprof/cmdline", "GET /api/status", "GET /api/har", "GET /api/live?view=flow", "GET /nothing", "POST /layer/flush"} {
			c := b.ask(request, "")
			time.Sleep(2*silenceTimeout + time.Second)
			if n, err := io.Copy(io.Discard, c); n > 0 || err != nil {
				t.Errorf("%s: after the silence the client can read %d bytes, %v", request, n, err)
			}
		}
	})
}

// TestALongAnswerMayTakeLong has a client that reads slowly.
func TestALongAnswerMayTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newAnswerBench(t)
		c := b.ask("POST /layer/state/get", `{"key": "long"}`)
		buf := make([]byte, answerPiece)
		for n := 0; n < 6_000_000; {
			time.Sleep(silenceTimeout / 4)
			got, err := c.Read(buf)
			if err != nil {
				t.Fatalf("after %d bytes: %v", n, err)
			}
			n += got
		}
	})
}
