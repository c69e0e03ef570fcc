package asgi

import (
	"cmp"
	"fmt"
	"sync/atomic"
)

// MaxWaitingNames is the maximum number of names that the waiting receives of a layer
// have together, because each name takes memory. Receives with few names have a share
// of the same size, which those with long lists cannot use up.
const MaxWaitingNames = 200_000

// fewNames is the largest number of names of a receive with few names.
const fewNames = 16

// WaitingNames counts the names of the receives that wait. Its zero value counts none.
// It may be used from any goroutine.
type WaitingNames struct {
	Limit int // maximum number of names, instead of MaxWaitingNames; none

	few, many atomic.Int64
}

// Add counts a receive with n names, until Remove. It fails with [ErrTooManyNames] if
// there are too many names.
func (w *WaitingNames) Add(n int) error {
	limit := cmp.Or(w.Limit, MaxWaitingNames)
	if w.share(n).Add(int64(n)) > int64(limit) {
		w.Remove(n)
		return fmt.Errorf("%w: the receives that wait may name %d channels together; name fewer, or wait until some have ended", ErrTooManyNames, limit)
	}
	return nil
}

// Remove ends the count of a receive with n names.
func (w *WaitingNames) Remove(n int) { w.share(n).Add(-int64(n)) }

func (w *WaitingNames) share(n int) *atomic.Int64 {
	if n <= fewNames {
		return &w.few
	}
	return &w.many
}
