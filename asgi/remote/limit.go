package remote

import "net/http"

// LimitBody limits the body of a request. It fails with an
// [http.MaxBytesError] at once if the client declares a longer one, and closes
// the connection after the response, so that the server does not wait for a
// body that it refuses.
func LimitBody(w http.ResponseWriter, r *http.Request, limit int64) error {
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return &http.MaxBytesError{Limit: limit}
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	return nil
}
