package inspector

import (
	"io"
	"net/http"
	"time"
)

const (
	// bodyTimeout is how long a client may take to send the body of a request,
	// so that a slow client does not hold a connection forever.
	bodyTimeout = time.Minute
	// unreadTimeout is how long the response to a request is delayed for the rest
	// of a body that no handler has read, for example because the request was
	// refused. The connection can be used again if the body arrives in this time.
	unreadTimeout = 100 * time.Millisecond
)

// limitBodyTime applies bodyTimeout to all requests, also to those that are
// refused. It does not limit the time of responses.
func limitBodyTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			c := http.NewResponseController(w)
			if c.SetReadDeadline(time.Now().Add(bodyTimeout)) == nil {
				// The original request keeps net/http's own body. Otherwise net/http
				// would wait for a body that no handler reads, however long it is.
				r = r.WithContext(r.Context())
				body := &timedBody{ReadCloser: r.Body, c: c}
				r.Body = body
				defer body.finish()
			}
		}
		next.ServeHTTP(w, r)
	})
}

// A timedBody removes the deadline at the end of the body, because the server
// then continues to read in order to notice a closed connection.
type timedBody struct {
	io.ReadCloser
	c    *http.ResponseController
	done bool // it was read to its end, or reading it has failed
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.done = b.done || err != nil
	if err == io.EOF {
		_ = b.c.SetReadDeadline(time.Time{}) // works because setting it did
	}
	return n, err
}

// finish shortens the deadline for a body that was not read to its end.
func (b *timedBody) finish() {
	if !b.done {
		_ = b.c.SetReadDeadline(time.Now().Add(unreadTimeout))
	}
}
