package inspector

import (
	"io"
	"net/http"
	"time"
)

// bodyTimeout is how long a client may take to send the body of a request, so
// that a slow client does not hold a connection forever.
const bodyTimeout = time.Minute

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
				r.Body = &timedBody{r.Body, c}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// A timedBody removes the deadline at the end of the body, because the server
// then continues to read in order to notice a closed connection.
type timedBody struct {
	io.ReadCloser
	c *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.c.SetReadDeadline(time.Time{}) // works because setting it did
	}
	return n, err
}
