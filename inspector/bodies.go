package inspector

import (
	"io"
	"net/http"
	"time"
)

// bodyWithin is how long the body of a request may take to come. A caller that
// dawdles must not hold a connection for ever.
const bodyWithin = time.Minute

// hurried bounds the time that bodies take, those of refused requests too.
// What the answer takes is no concern of its.
func hurried(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			c := http.NewResponseController(w)
			if c.SetReadDeadline(time.Now().Add(bodyWithin)) == nil {
				r.Body = &hurriedBody{r.Body, c}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// hurriedBody lifts the bound once all is there: the server goes on reading,
// to learn whether the caller hangs up.
type hurriedBody struct {
	io.ReadCloser
	c *http.ResponseController
}

func (b *hurriedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.c.SetReadDeadline(time.Time{}) // it could be set
	}
	return n, err
}
