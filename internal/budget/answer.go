package budget

import "time"

// HoldAnswer reserves n bytes for an answer that is made already, until End. If there is
// no memory, the answer waits, but all that wait may have only as many bytes as the
// limit, or there may be one. Above that, HoldAnswer fails with [ErrNoRoom] at once.
//
// An answer that is not made yet reserves its memory like an arrival.
func (a *Arrival) HoldAnswer(stop <-chan struct{}, n int64) error {
	a.made = true
	return a.Reserve(stop, n, n)
}

// Write calls f, which writes an answer or a part of it. While f runs, the client counts as
// silent, so the budget may refuse the answer. Interrupt must make f fail.
func (a *Arrival) Write(f func() error) error {
	if a.place == nil {
		return f()
	}
	a.since.Store(time.Now().UnixNano())
	defer a.since.Store(0)
	return f()
}
