package inspector

import (
	"net/http"
	"sync"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/inspector/playback"
)

// newWaiting returns the bound of the calls that wait for the application. Each holds its
// arguments and perhaps a response.
func newWaiting() *bound {
	return &bound{what: "calls wait for the application", calls: 256, bytes: 64 << 20}
}

// newPlaying returns the bound of the recordings that are played.
func newPlaying() *bound {
	return &bound{what: "recordings are played", calls: 4, bytes: playback.MaxBytes}
}

// A bound limits the calls of some kinds that run at once, and the memory that they hold.
type bound struct {
	what         string // the calls do
	calls, bytes int    // at most

	mu      sync.Mutex // guards the rest
	running int
	held    int
}

// enter counts a call that holds a number of bytes, until its caller calls leave. It
// fails if there is no room.
func (b *bound) enter(bytes int) (leave func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running >= b.calls || b.running > 0 && b.held+bytes > b.bytes {
		return nil, remote.Errorf(remote.TooManyBodies, "too many %s: at most %d may, and hold %d MiB; try again when one has ended", b.what, b.calls, b.bytes>>20)
	}
	b.running++
	b.held += bytes
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.running--
		b.held -= bytes
	}, nil
}

// waits makes a call that waits for a response of the application.
func (s *Server) waits(f func(*http.Request, *asgi.Cause, args) (any, error)) call {
	return change(func(r *http.Request, c *asgi.Cause, a args) (any, error) {
		size := maxBody
		for _, field := range a.Fields {
			size += asgi.FootprintOf(field.Value)
		}
		leave, err := s.waiting.enter(size)
		if err != nil {
			return nil, err
		}
		defer leave()
		return f(r, c, a)
	})
}
