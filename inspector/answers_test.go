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
		for _, memory := range []*budget.Budget{b.shortAnswers, b.longAnswers} {
			if used, answers, waiting := memory.Usage(); used != 0 || answers != 0 || waiting != 0 {
				t.Errorf("answers that have ended use %d bytes; %d answers, %d wait", used, answers, waiting)
			}
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
			const longest = 8 << 20
			if used, _, _ := b.longAnswers.Usage(); used > longMemory+longest {
				t.Errorf("%s: unread answers use %d bytes", c.request, used)
			}
			status, body := b.read(b.ask("POST /layer/state/get", `{"key": "short"}`))
			if status != 200 || time.Since(began) > 0 {
				t.Errorf("%s: a short answer has status %d after %v: %s", c.request, status, time.Since(began), body)
			}
			time.Sleep(4 * budget.SilentTimeout)
			status, body = b.read(b.ask(c.request, c.body))
			if status != 200 || len(body) < 5_000_000 || time.Since(began) > 4*budget.SilentTimeout {
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
		for _, request := range []string{"GET /", "GET /metrics", "GET /debug/pprof/cmdline", "GET /api/status", "GET /api/har", "GET /api/live?view=flow", "GET /api/tail", "GET /nothing", "POST /layer/flush"} {
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

// recordBodies adds requests to the history, with bodies whose JSON is six times as long.
func (b *answerBench) recordBodies(requests, bytes int) {
	r := &record{history: b.history, ids: 1000}
	for i := range requests {
		r.request(i, asgi.TraceID(i+1), fmt.Sprintf("web!%d", i), "/", asgi.Field{Key: "headers", Value: mustList()}, asgi.Field{Key: "body", Value: asgi.Bytes(strings.Repeat("\x01", bytes))})
	}
}

// readSlowly reads an answer a little at a time, so that its client is never silent.
func (b *answerBench) readSlowly(c net.Conn) {
	b.wg.Go(func() {
		for {
			if _, err := io.ReadFull(c, make([]byte, answerPiece)); err != nil {
				return
			}
			time.Sleep(budget.SilentTimeout / 5)
		}
	})
	b.Cleanup(func() { c.Close() })
}

// TestALongAnswerHoldsUpNoShortOne has a client that slowly reads an archive that needs
// more memory than there is.
func TestALongAnswerHoldsUpNoShortOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newAnswerBench(t)
		b.recordBodies(1, 6<<20)
		b.readSlowly(b.ask("GET /api/har", ""))
		synctest.Wait()
		if used, _, _ := b.longAnswers.Usage(); used <= longMemory {
			t.Fatalf("the archive uses %d bytes", used)
		}
		began := time.Now()
		var long []net.Conn
		for _, request := range []string{"GET /api/har", "GET /api/state", "POST /layer/state/get"} {
			long = append(long, b.ask(request, `{"key": "long"}`))
		}
		synctest.Wait()
		for _, request := range []string{"GET /api/status", "GET /api/messages", "GET /api/requests", "GET /api/channels", "GET /api/state?prefix=none", "POST /layer/state/get", "GET /metrics"} {
			status, body := b.read(b.ask(request, `{"key": "short"}`))
			if status != 200 || time.Since(began) > 0 {
				t.Errorf("%s: status %d after %v: %s", request, status, time.Since(began), body)
			}
		}
		for i, c := range long {
			var refused remote.Error
			status, body := b.read(c)
			if err := json.Unmarshal(body, &refused); status != 503 || err != nil || refused.Kind != remote.TooManyAnswers || time.Since(began) > answerWait {
				t.Errorf("long answer %d: status %d after %v: %.100s", i, status, time.Since(began), body)
			}
		}
	})
}

// TestArchivesAreReadSideBySide has clients that slowly read archives of several requests.
func TestArchivesAreReadSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newAnswerBench(t)
		b.recordBodies(3, 2_600_000)
		for range 2 {
			b.readSlowly(b.ask("GET /api/har", ""))
		}
		synctest.Wait()
		began := time.Now()
		status, body := b.read(b.ask("GET /api/har", ""))
		if status != 200 || len(body) < 3*6*2_600_000 || time.Since(began) > 0 {
			t.Errorf("status %d after %v with %d bytes", status, time.Since(began), len(body))
		}
	})
}

// TestAnArchiveKeepsNoMessages clears the history while a client reads an archive.
func TestAnArchiveKeepsNoMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newAnswerBench(t)
		b.recordBodies(2, 100_000)
		c := b.ask("GET /api/har", "")
		synctest.Wait()
		b.history.clear()
		var got struct{ Log struct{ Entries []harEntry } }
		status, body := b.read(c)
		if err := json.Unmarshal(body, &got); status != 200 || err != nil || len(got.Log.Entries) != 2 {
			t.Fatalf("status %d, %v, %d entries", status, err, len(got.Log.Entries))
		}
		if e := got.Log.Entries; e[0].Request.Body == nil || e[1].Request.Body != nil || e[1].Comment == "" {
			t.Errorf("the second request still has its body, or the first one has none: %.200s", body)
		}
	})
}

// TestMetricsAreLimited has clients that do not read them.
func TestMetricsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newAnswerBench(t)
		for range maxCalls {
			b.ask("GET /metrics", "")
		}
		synctest.Wait()
		if status, body := b.read(b.ask("GET /metrics", "")); status != 503 {
			t.Errorf("status %d: %.100s", status, body)
		}
		time.Sleep(2 * silenceTimeout)
		if status, body := b.read(b.ask("GET /metrics", "")); status != 200 {
			t.Errorf("status %d: %.100s", status, body)
		}
	})
}
