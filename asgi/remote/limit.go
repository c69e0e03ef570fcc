package remote

import "net/http"

// An AnswerHolder is a [http.ResponseWriter] that limits the memory of the answers that
// clients have not read. [Handler] calls HoldAnswer once before it writes the result of a
// call, with about its length. If it fails, the call fails, and a message that it received
// goes back to its queue.
type AnswerHolder interface{ HoldAnswer(bytes int64) error }

// LimitBody limits the body of a request. It fails with an
// [http.MaxBytesError] at once if the client declares a longer one, and closes
// the connection after the response, so that the server does not wait for a
// body that it refuses.
func LimitBody(w http.ResponseWriter, r *http.Request, limit int64) error {
	for { // MaxBytesReader must see the writer of the server
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = outer.Unwrap()
	}
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return &http.MaxBytesError{Limit: limit}
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	return nil
}
