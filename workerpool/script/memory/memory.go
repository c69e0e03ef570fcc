// Package memory limits the memory that all handlers of an application use
// together for what clients send: request bodies, and values decoded from text.
// The interpreter can only check a handler between two steps, and one step may
// read a body or decode a text of any length.
package memory

import (
	"fmt"
	"net/http"
	"sync"

	"go.starlark.net/starlark"
)

// free is how many bytes each handler may use besides the limit, so that small
// requests are served while large ones use all memory.
const free = 64 << 10

// An Account has the memory that all handlers share.
type Account struct {
	limit int64 // negative means no limit

	mu   sync.Mutex // guards used
	used int64
}

// NewAccount returns an account of some bytes. A negative number means no limit.
func NewAccount(limit int64) *Account { return &Account{limit: limit} }

// A Share is what one handler uses of an account. It belongs to one goroutine. A
// nil Share has no limit.
type Share struct {
	account *Account
	used    int64
	decoded int64 // of used, for the largest text that was decoded
}

// NewShare returns an empty share.
func (a *Account) NewShare() *Share { return &Share{account: a} }

// Set changes a reservation of *held bytes to n bytes. It fails with an [Error]
// and changes nothing if n is larger and there is not enough memory.
func (s *Share) Set(held *int64, n int64) error {
	if s == nil || s.account.limit < 0 || n == *held {
		return nil
	}
	before, after := max(0, s.used-free), max(0, s.used+n-*held-free)
	if a := s.account; before != after {
		a.mu.Lock()
		defer a.mu.Unlock()
		if after > before && a.used+after-before > a.limit {
			return &Error{Limit: a.limit, Busy: after <= a.limit}
		}
		a.used += after - before
	}
	s.used += n - *held
	*held = n
	return nil
}

// Fits returns an [Error] if n more bytes exceed the limit even while no other
// handler uses memory.
func (s *Share) Fits(n int64) error {
	if s == nil || s.account.limit < 0 || s.used+n-free <= s.account.limit {
		return nil
	}
	return &Error{Limit: s.account.limit}
}

// Decode reserves n bytes for the values that a text is decoded to. The
// reservations for several texts are not added, because a handler may drop the
// values of one before it decodes the next.
func (s *Share) Decode(n int64) error {
	if s == nil || n <= s.decoded {
		return nil
	}
	return s.Set(&s.decoded, n)
}

// Release ends all reservations.
func (s *Share) Release() {
	all := s.used
	s.Set(&all, 0) // cannot fail: it is less
	s.decoded = 0
}

// An Error means that there is not enough memory.
type Error struct {
	Limit int64
	Busy  bool // because other handlers use some of it
}

func (e *Error) Error() string {
	if e.Busy {
		return fmt.Sprintf("other requests use too much of the %d MiB of memory for what clients send (--memory); try again later", e.Limit>>20)
	}
	return fmt.Sprintf("this needs more than %d MiB of memory (--memory)", e.Limit>>20)
}

// Status returns the HTTP status for a request with this error.
func (e *Error) Status() int {
	if e.Busy {
		return http.StatusServiceUnavailable
	}
	return http.StatusRequestEntityTooLarge
}

const local = "memory" // the key of a thread's share

// Use makes the code of a thread use a share.
func (s *Share) Use(thread *starlark.Thread) { thread.SetLocal(local, s) }

// Of returns the share of a thread, or nil.
func Of(thread *starlark.Thread) *Share {
	s, _ := thread.Local(local).(*Share)
	return s
}
