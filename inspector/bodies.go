package inspector

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/semaphore"

	"asgibox/asgi/remote"
	"asgibox/inspector/playback"
)

const (
	// bodyTimeout is how long a client may take to send the body of a request,
	// so that a slow client does not hold a connection forever.
	bodyTimeout = time.Minute
	// silenceTimeout is how long a client may send nothing of a body, or read nothing of
	// an answer.
	silenceTimeout = 10 * time.Second
	// maxHead is the longest head of a request, in bytes. A call holds it while it waits.
	maxHead = 64 << 10
	// unreadTimeout is how long the response to a request is delayed for the rest
	// of a body that no handler has read, for example because the request was
	// refused. The connection can be used again if the body arrives in this time.
	unreadTimeout = 100 * time.Millisecond

	// bodyMemory is the most bytes of all bodies that are being read. A body that
	// does not fit waits until others have been read.
	bodyMemory = playback.MaxBytes
	// freeBody is how much of a body is read without counting it.
	freeBody = 16 << 10
)

// limitBodies applies bodyTimeout, silenceTimeout and bodyMemory to all
// requests, also to those that are refused.
func (s *Server) limitBodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			c := http.NewResponseController(w)
			end := time.Now().Add(bodyTimeout)
			if c.SetReadDeadline(end) == nil {
				// The original request keeps net/http's own body. Otherwise net/http
				// would wait for a body that no handler reads, however long it is.
				r = r.WithContext(r.Context())
				body := &limitedBody{ReadCloser: r.Body, c: c, end: end, life: s.life, memory: s.bodies, length: r.ContentLength}
				r.Body = body
				defer body.finish()
			}
		}
		next.ServeHTTP(w, r)
	})
}

// A limitedBody removes the deadline at the end of the body, because the server
// then continues to read in order to notice a closed connection.
type limitedBody struct {
	io.ReadCloser
	c    *http.ResponseController
	end  time.Time // when it must have been read
	done bool      // it was read to its end, or reading it has failed

	life   context.Context // ends the wait for memory
	memory *semaphore.Weighted
	length int64 // negative if the client has not declared it
	read   int64
	held   int64 // bytes of memory
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.read < freeBody {
		p = p[:min(int64(len(p)), freeBody-b.read)]
	} else if err := b.hold(); err != nil {
		b.done = true
		return 0, err
	}
	_ = b.c.SetReadDeadline(earlier(b.end, time.Now().Add(silenceTimeout)))
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if err != nil {
		b.done = true
		b.release()
	}
	if err == io.EOF {
		_ = b.c.SetReadDeadline(time.Time{}) // works because setting it did
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = remote.Errorf(remote.RequestTimeout, "the body of the request came too slowly: no part of it within %v, or not all of it within %v", silenceTimeout, bodyTimeout)
	}
	return n, err
}

// hold waits until the whole body fits in the memory. A body of unknown length
// needs all of it, because bodies that hold a part and wait for more could wait
// for each other.
func (b *limitedBody) hold() error {
	if b.held > 0 {
		return nil
	}
	held := int64(bodyMemory)
	if b.length >= 0 {
		held = min(held, b.length)
	}
	ctx, cancel := context.WithTimeout(b.life, bodyTimeout)
	defer cancel()
	if b.memory.Acquire(ctx, held) != nil {
		return remote.Errorf(remote.TooManyBodies, "too many long bodies of requests are arriving; try again in a moment")
	}
	b.held = held
	b.end = time.Now().Add(bodyTimeout)
	return nil
}

func (b *limitedBody) release() {
	b.memory.Release(b.held)
	b.held = 0
}

// finish shortens the deadline for a body that was not read to its end.
func (b *limitedBody) finish() {
	b.release()
	if !b.done {
		_ = b.c.SetReadDeadline(time.Now().Add(unreadTimeout))
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
