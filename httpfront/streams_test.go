package httpfront

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"asgibox/asgi"
)

// posts sends POST requests over one connection, and the status of each response to the
// channel.
func posts(ctx context.Context, c *http.Client, count int, body func() io.Reader, length int64, statuses chan<- int) (wait func()) {
	var wg sync.WaitGroup
	for range count {
		wg.Go(func() {
			r, err := http.NewRequestWithContext(ctx, "POST", "http://h/", body())
			if err != nil {
				panic(err) // a mistake in the test
			}
			r.ContentLength = length
			res, err := c.Do(r)
			if err != nil {
				return
			}
			res.Body.Close()
			statuses <- res.StatusCode
		})
	}
	return wg.Wait
}

// TestABodyThatWaitsDoesNotHoldUpOthersOfItsConnection sends bodies that are not read.
func TestABodyThatWaitsDoesNotHoldUpOthersOfItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{H2C: true})
		const count, size = 90, 2 << 20
		ctx, cancel := context.WithCancel(t.Context())
		statuses := make(chan int, count)
		wait := posts(ctx, s.http2Client(), count, func() io.Reader { return strings.NewReader(strings.Repeat("x", size)) }, size, statuses)
		var last asgi.Message
		for range count {
			last = s.next("http.request")
		}
		n := len(last.Bytes("body"))
		for more := any(true); more == true; {
			piece := s.next(last.Text("body_channel"))
			n += len(piece.Bytes("content"))
			more, _ = piece.Get("more_content")
		}
		if n != size {
			t.Errorf("got %d bytes of the last body, want %d", n, size)
		}
		s.reply(last, msg{"status": 200})
		if status := <-statuses; status != 200 {
			t.Errorf("got %d, want 200", status)
		}
		cancel()
		wait()
	})
}

// TestBodiesOfAConnectionShareTheBudget sends more than the budget over one connection.
func TestBodiesOfAConnectionShareTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{H2C: true, BodyMemory: 1 << 20})
		const count, size = 90, 500 << 10
		statuses := make(chan int, count)
		wait := posts(t.Context(), s.http2Client(), count, func() io.Reader { return strings.NewReader(strings.Repeat("x", size)) }, size, statuses)
		for range count {
			s.reply(s.next("http.request"), msg{"status": 200})
			if status := <-statuses; status != 200 {
				t.Errorf("got %d, want 200", status)
			}
		}
		wait()
	})
}

// TestBodiesOverHTTP2AreBounded opens streams whose bodies do not come.
func TestBodiesOverHTTP2AreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{H2C: true})
		const conns, allowed = 11, streamsMemory/streamBuffer + 11
		go func() {
			for {
				select {
				case <-s.seen:
				case <-t.Context().Done():
					return
				}
			}
		}()
		ctx, cancel := context.WithCancel(t.Context())
		refused := make(chan int, conns*maxStreams)
		silent := func() io.Reader {
			r, _ := io.Pipe()
			return r
		}
		var waits []func()
		for range conns {
			waits = append(waits, posts(ctx, s.http2Client(), maxStreams, silent, -1, refused))
			synctest.Wait()
		}
		if got := conns*maxStreams - len(refused); got != allowed {
			t.Errorf("%d requests run, want %d", got, allowed)
		}
		for len(refused) > 0 {
			if status := <-refused; status != 503 {
				t.Errorf("got %d, want 503", status)
			}
		}
		cancel()
		for _, wait := range waits {
			wait()
		}
		synctest.Wait()
		if n := s.front.ahead.Load(); n != 0 {
			t.Errorf("%d bytes of ended requests still count", n)
		}
	})
}
