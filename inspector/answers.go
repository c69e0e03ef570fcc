package inspector

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"asgibox/asgi/remote"
	"asgibox/internal/budget"
)

const (
	// shortAnswer is the length of the longest short answer, in bytes.
	shortAnswer = 1 << 20
	// shortMemory is the most bytes of all short answers that are being written. They
	// have memory of their own, so that they never wait for long ones.
	shortMemory = 32 << 20
	// longMemory is the most bytes of all other answers that are being written.
	longMemory = 64 << 20
	// answerPiece is how much of an answer the client must take within silenceTimeout,
	// in bytes.
	answerPiece = 16 << 10
	// answerWait is how long an answer waits for memory.
	answerWait = 10 * time.Second
	// maxProfiles is how many calls of /debug/pprof/ may run at once.
	maxProfiles = 4
	// maxArchives is how many calls of /api/har may run at once.
	maxArchives = 8
)

// limitAnswers limits the time in which clients must take answers, and lets handlers
// limit the memory of answers.
func (s *Server) limitAnswers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &answer{ResponseWriter: w, c: http.NewResponseController(w), stop: r.Context().Done(), long: s.longAnswers}
		a.memory = s.shortAnswers.Arrival(a, &a.free, answerWait)
		defer func() { a.memory.End() }()
		_ = a.c.SetWriteDeadline(time.Time{}) // of the last answer on the connection
		next.ServeHTTP(a, r)
		_ = a.c.SetWriteDeadline(time.Now().Add(silenceTimeout)) // for what is still buffered
	})
}

// An answer is the writer of an answer. It implements [remote.AnswerHolder] and
// [budget.Sender].
type answer struct {
	http.ResponseWriter
	c      *http.ResponseController
	stop   <-chan struct{} // closed when the client has left
	long   *budget.Budget  // of long answers
	memory *budget.Arrival // of short answers, until size knows that this one is long
	free   atomic.Int64    // bytes that need no memory of the budget
}

// reserve waits for n bytes for an answer that is not made yet.
func (a *answer) reserve(n int64) error { return answerError(a.size(n).Reserve(a.stop, n, n)) }

// HoldAnswer waits for the memory of an answer of n bytes.
func (a *answer) HoldAnswer(n int64) error { return answerError(a.size(n).HoldAnswer(a.stop, n)) }

// size returns the memory for an answer of n bytes. It is called once.
func (a *answer) size(n int64) *budget.Arrival {
	if n > shortAnswer {
		a.memory = a.long.Arrival(a, &a.free, answerWait)
	}
	return a.memory
}

func answerError(err error) error {
	if errors.Is(err, budget.ErrNoRoom) {
		return remote.ErrTooManyAnswers
	}
	return err
}

// Write writes an answer or a part of it. The client must take it in time.
func (a *answer) Write(p []byte) (n int, err error) {
	for {
		piece := p[n:min(len(p), n+answerPiece)]
		_ = a.c.SetWriteDeadline(time.Now().Add(silenceTimeout))
		err = a.memory.Write(func() error {
			m, err := a.ResponseWriter.Write(piece)
			n += m
			return err
		})
		if err == nil && a.memory.IsRefused() {
			err = context.Canceled // the next deadline would replace that of Interrupt
		}
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// FlushError is for [http.ResponseController]. The client must take in time what is
// still buffered, such as a head that no Write has followed.
func (a *answer) FlushError() error {
	_ = a.c.SetWriteDeadline(time.Now().Add(silenceTimeout))
	return a.c.Flush()
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Interrupt makes the running Write fail.
func (a *answer) Interrupt() { _ = a.c.SetWriteDeadline(time.Unix(1, 0)) }

// Pause has no effect, because a wait for memory sets no deadline.
func (a *answer) Pause(bool) {}

// large makes a call with a result that may be long. Results are made one at a time, so
// that only one takes memory that the budgets do not count. A client that reads slowly
// does not hold up the next one.
func (s *Server) large(f func(*http.Request) (any, error)) call {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := s.makeAlone(r, f)
		if err != nil {
			return err
		}
		return writeBody(w, body)
	}
}

// makeAlone returns the JSON of the result of f, once no other result is being made.
func (s *Server) makeAlone(r *http.Request, f func(*http.Request) (any, error)) (*bytes.Buffer, error) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWait)
	defer cancel()
	if s.making.Acquire(ctx, 1) != nil {
		return nil, remote.Errorf(remote.TooManyAnswers, "other answers have been made for %v; try again in a moment", answerWait)
	}
	defer s.making.Release(1)
	v, err := f(r)
	if err != nil {
		return nil, err
	}
	return encodeJSON(v)
}
