package inspector

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"asgibox/asgi/remote"
	"asgibox/internal/budget"
)

const (
	// answerMemory is the most bytes of all answers that are being made or written.
	answerMemory = 64 << 20
	// answerPiece is how much of an answer the client must take within silenceTimeout,
	// in bytes.
	answerPiece = 16 << 10
	// answerWait is how long an answer waits for memory.
	answerWait = time.Minute
	// maxProfiles is how many calls of /debug/pprof/ may run at once.
	maxProfiles = 4
)

// limitAnswers limits the time in which clients must take answers, and lets handlers
// limit the memory of answers.
func (s *Server) limitAnswers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &answer{ResponseWriter: w, c: http.NewResponseController(w), stop: r.Context().Done()}
		a.memory = s.answers.Arrival(a, &a.free, answerWait)
		defer a.memory.End()
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
	memory *budget.Arrival
	free   atomic.Int64 // bytes that need no memory of the budget
}

// reserve waits for n bytes for an answer that is not made yet.
func (a *answer) reserve(n int64) error { return answerError(a.memory.Reserve(a.stop, n, n)) }

// HoldAnswer waits for the memory of an answer of n bytes. If memory was reserved before
// the answer was made, it gives back the rest.
func (a *answer) HoldAnswer(n int64) error {
	if a.memory.InBudget() {
		a.memory.Shrink(n)
		return nil
	}
	return answerError(a.memory.HoldAnswer(a.stop, n))
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

// large makes a call with a result that may be long. It waits for all memory of answers
// before f makes the result, so that usually one is made at a time.
func large(f func(*http.Request) (any, error)) call {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := w.(*answer).reserve(answerMemory); err != nil {
			return err
		}
		return query(f)(w, r)
	}
}
