// Package budget limits the memory of what arrives from clients and is not complete:
// request bodies, WebSocket messages and frames of programs. It also limits the memory
// of answers that clients have not read.
package budget

import (
	"container/list"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// ConnBytes is how much of its arrivals each connection may always buffer.
const ConnBytes = 16 << 10

// fillTime is the time in which a client must send as much as it holds, while others
// wait.
const fillTime = 2 * time.Minute

var (
	// ErrSilent is the reason why an arrival was refused.
	ErrSilent = errors.New("the client sent too slowly while others waited for memory")
	// ErrNoRoom: there was no memory in time.
	ErrNoRoom = errors.New("too many request bodies and frames are arriving")
)

// A Budget limits the memory of all arrivals. If an arrival needs more memory
// than is left, it waits. One at a time, the oldest that waits may exceed the
// limit, so there is always one that can complete. While an arrival waits, the
// budget refuses the one whose client has been silent longest, if that is longer
// than SilentTimeout. A client counts as silent if it sends too slowly to fill what it
// holds within fillTime.
type Budget struct {
	limit int64
	life  context.Context // when it is done, no arrival waits any more

	mu       sync.Mutex // guards the rest, and the shared fields of all arrivals
	used     int64
	arrivals list.List   // of *Arrival, the oldest first
	waiting  int         // number of arrivals that wait
	made     int64       // bytes of answers that are made already and wait
	favored  *Arrival    // may exceed the limit until it has ended, or nil
	check    *time.Timer // wakes one arrival that waits, to look for a silent client
}

// An Arrival is the memory of a request body or a WebSocket message that has not
// arrived completely, or that waits for the application. It uses either the part
// that its connection may always hold, or the budget. Its methods, except
// Shrink, are for the goroutine that reads it.
type Arrival struct {
	budget   *Budget
	sender   Sender
	patience time.Duration // how long it may wait for memory; no limit if negative
	conn     *atomic.Int64 // bytes of its connection outside of the budget
	free     int64         // its bytes in conn
	counted  bool          // its connection calls Heard
	since    atomic.Int64  // start of the client's silence, if a Read runs that uses the budget, in Unix nanoseconds; or zero
	quiet    time.Duration // length of the silence at the end of the last Read
	made     bool          // its memory is in use while it waits; see HoldAnswer
	input    atomic.Int64  // bytes that have come in the silence
	granted  chan struct{}

	// Shared fields.
	place   *list.Element // nil until it uses the budget
	held    atomic.Int64  // changes under the mutex
	head    int64         // the part of free and held that is for the head of the request
	need    int64         // more bytes that it waits for
	refused bool
}

// A Sender is the connection that an arrival comes from. The budget calls it.
type Sender interface {
	// Interrupt makes the running Read fail. It must not block.
	Interrupt()
	// Pause is called with true before a wait for memory, and with false after
	// it. Nothing is read in between.
	Pause(on bool)
}

// New returns a budget of limit bytes. When life is done, no arrival waits any more.
func New(limit int64, life context.Context) *Budget {
	check := time.NewTimer(SilentTimeout)
	check.Stop()
	return &Budget{limit: limit, life: life, check: check}
}

// Usage returns how many bytes and arrivals use the budget, and how many arrivals wait.
func (b *Budget) Usage() (bytes int64, arrivals, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, b.arrivals.Len(), b.waiting
}

// Arrival returns an arrival. Conn counts what its connection holds without the budget.
// Patience is how long the arrival may wait for memory; there is no limit if it is
// negative.
func (b *Budget) Arrival(s Sender, conn *atomic.Int64, patience time.Duration) *Arrival {
	return &Arrival{budget: b, sender: s, conn: conn, patience: patience}
}

// Reserve reserves size more bytes in the part that each connection may always
// hold. If they are more than that, it reserves all bytes that may still come,
// and waits until they are available. It reserves them at once because an arrival
// that waits for more would keep what it has from the others. The wait fails with
// [context.Canceled] when stop is closed.
func (a *Arrival) Reserve(stop <-chan struct{}, size, all int64) error {
	if a.conn.Add(size) <= ConnBytes {
		a.free += size
		return nil
	}
	a.conn.Add(-size)
	granted, err := a.request(all + a.free)
	if err != nil {
		return err
	}
	if !granted {
		a.sender.Pause(true)
		defer a.sender.Pause(false)
		if err := a.wait(stop); err != nil {
			return err
		}
	}
	a.conn.Add(-a.free)
	a.free = 0
	return nil
}

// HoldHead reserves the memory of the head of a request, which has arrived already,
// and reports whether there was enough.
func (a *Arrival) HoldHead(size int64) bool {
	if a.conn.Add(size) <= ConnBytes {
		a.free, a.head = size, size
		return true
	}
	a.conn.Add(-size)
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting > 0 || b.used+size > b.limit {
		return false
	}
	a.place = b.arrivals.PushBack(a)
	a.holdLocked(size)
	a.head = size
	return true
}

// holdLocked adds n bytes to those that the arrival holds.
func (a *Arrival) holdLocked(n int64) {
	a.budget.used += n
	a.held.Add(n)
}

// request asks for n bytes and reports whether they are granted already.
func (a *Arrival) request(n int64) (granted bool, err error) {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	fits := b.waiting == 0 && b.used+n <= b.limit
	if !fits && a.made && b.made > 0 && b.made+n > b.limit {
		return false, ErrNoRoom
	}
	if a.place == nil {
		a.place = b.arrivals.PushBack(a)
	}
	if fits {
		a.holdLocked(n)
		return true, nil
	}
	a.granted = make(chan struct{})
	a.need = n
	b.waiting++
	if a.made {
		b.made += n
	}
	b.reviewLocked()
	return a.need == 0, nil
}

// stopWaitingLocked ends the wait of an arrival.
func (b *Budget) stopWaitingLocked(a *Arrival) {
	if a.made {
		b.made -= a.need
	}
	a.need = 0
	b.waiting--
}

func (a *Arrival) wait(stop <-chan struct{}) error {
	var late <-chan time.Time
	if a.patience >= 0 {
		t := time.NewTimer(a.patience)
		defer t.Stop()
		late = t.C
	}
	b := a.budget
	for {
		select {
		case <-a.granted:
			return nil
		case <-b.check.C:
			b.review()
		case <-late:
			return a.giveUp(ErrNoRoom)
		case <-stop:
			return a.giveUp(context.Canceled)
		case <-b.life.Done():
			return a.giveUp(ErrNoRoom)
		}
	}
}

// giveUp ends a wait. It returns the error, unless the memory was granted meanwhile.
func (a *Arrival) giveUp(err error) error {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.need == 0 {
		return nil
	}
	b.stopWaitingLocked(a)
	b.reviewLocked()
	return err
}

// Shrink gives back all but the head and keep bytes. It may be called from any
// goroutine.
func (a *Arrival) Shrink(keep int64) {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.place == nil {
		return
	}
	a.holdLocked(min(0, keep+a.head-a.held.Load()))
	if b.favored == a && b.used <= b.limit {
		b.favored = nil
	}
	b.reviewLocked()
}

// IsRefused reports whether the arrival was refused. After a Read has returned,
// the result stays the same until the next Read.
func (a *Arrival) IsRefused() bool {
	if a.place == nil {
		return false
	}
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	return a.refused
}

// End gives back the memory and reports whether the arrival was refused. Then
// the arrival may be used for the next message.
func (a *Arrival) End() (refused bool) {
	a.conn.Add(-a.free)
	a.free = 0
	if a.place == nil {
		return false
	}
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arrivals.Remove(a.place)
	a.holdLocked(-a.held.Load())
	if b.favored == a {
		b.favored = nil
	}
	refused = a.refused
	a.place, a.head, a.refused = nil, 0, false
	a.quiet = 0
	a.input.Store(0)
	b.reviewLocked()
	return refused
}

// reviewLocked grants memory to the arrivals that wait, the oldest first. If
// memory is short, it refuses one whose client is silent.
func (b *Budget) reviewLocked() {
	for e := b.arrivals.Front(); b.waiting > 0; e = e.Next() {
		a := e.Value.(*Arrival)
		if a.need == 0 {
			continue
		}
		if b.used+a.need > b.limit {
			if b.favored != nil && b.favored != a {
				b.refuseLocked()
				return
			}
			b.favored = a
		}
		a.holdLocked(a.need)
		b.stopWaitingLocked(a)
		close(a.granted)
	}
}

// refuseLocked refuses the arrival that has been silent longest, or sets the time of
// the next check for it. It refuses one at a time, because that may free enough memory.
func (b *Budget) refuseLocked() {
	now := time.Now().UnixNano()
	var silent *Arrival
	first := now // start of the longest silence
	for e := b.arrivals.Front(); e != nil; e = e.Next() {
		a := e.Value.(*Arrival)
		if a.refused { // its memory has not come back yet
			silent, first = a, 0
			break
		}
		if since := a.since.Load(); 0 < since && since < first && a.held.Load() > 0 {
			silent, first = a, since
		}
	}
	left := SilentTimeout - time.Duration(now-first)
	if silent != nil && left <= 0 {
		silent.refused = true
		silent.sender.Interrupt()
		left = SilentTimeout
	}
	b.check.Reset(left)
}

func (b *Budget) review() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reviewLocked()
}

// InBudget reports whether the arrival uses the budget.
func (a *Arrival) InBudget() bool { return a.place != nil }

// Reserved returns how many bytes are reserved, without those of the head.
func (a *Arrival) Reserved() int64 { return a.free + a.held.Load() - a.head }

// CountsItself says that the connection calls Heard, because its Reads return only when
// they have enough bytes.
func (a *Arrival) CountsItself() { a.counted = true }

// Heard records that n bytes have come from the client. When there are enough of
// them, the silence of the client starts again. A connection calls it if its
// Reads return only when they have enough.
func (a *Arrival) Heard(n int) {
	least := max(LeastMoved, a.held.Load()/int64(fillTime/SilentTimeout))
	if a.input.Add(int64(n)) < least {
		return
	}
	a.input.Store(0)
	if since := a.since.Load(); since != 0 {
		a.since.CompareAndSwap(since, time.Now().UnixNano())
	}
}

// Read reads r once. The time between the Reads is not part of the silence.
func (a *Arrival) Read(r io.Reader, buf []byte) (n int, err error) {
	if a.place == nil {
		return r.Read(buf)
	}
	a.since.Store(time.Now().Add(-a.quiet).UnixNano())
	n, err = r.Read(buf)
	if !a.counted {
		a.Heard(n)
	}
	a.quiet = time.Since(time.Unix(0, a.since.Swap(0)))
	return n, err
}
