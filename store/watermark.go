package store

import (
	"fmt"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

// barrierPatience is how long an output's barrier may wait before it fails.
const barrierPatience = int64(10 * time.Second)

var _ asgi.Watermark = (*journal)(nil)

// waits are those who wait for the watermark.
type waits struct {
	bySeq          schedule[*wait]
	oldest, newest *wait // in the order in which they began
}

// A wait is for one number.
type wait struct {
	seq        uint64
	late       int64 // when it has waited too long
	at         int
	prev, next *wait
	over       atomic.Bool // told, or stopped
	f          func(error)
}

func (w *wait) when() int64  { return int64(w.seq) }
func (w *wait) turn() uint64 { return 0 }
func (w *wait) place() *int  { return &w.at }

func (w *wait) tell(err error) {
	if w.over.CompareAndSwap(false, true) {
		w.f(err)
	}
}

// Passed reports whether everything up to seq is on disk.
func (j *journal) Passed(seq uint64) bool { return seq <= j.mark.Load() }

// Notify calls f when seq is on disk, or will not be in time. See
// [asgi.Watermark].
func (j *journal) Notify(seq uint64, f func(error)) (stop func()) {
	w := &wait{seq: seq, late: j.now() + barrierPatience, at: -1, f: f}
	j.mu.Lock()
	if err, known := j.knownLocked(seq); known {
		j.mu.Unlock()
		f(err)
		return func() {}
	}
	j.waits.add(w)
	j.mu.Unlock()
	signal(j.hurry)
	j.wakeBy(w.late)
	return func() { j.forget(w) }
}

// knownLocked answers what became of seq, if that is settled.
func (j *journal) knownLocked(seq uint64) (err error, known bool) {
	if j.Passed(seq) {
		return nil, true
	}
	if f := j.failed.Load(); f != nil && f.final {
		return f, true
	}
	select {
	case <-j.done:
		return &failure{err: asgi.ErrClosed}, true
	default:
		return nil, false
	}
}

func (j *journal) forget(w *wait) {
	if !w.over.CompareAndSwap(false, true) {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if w.at >= 0 {
		j.waits.remove(w)
	}
}

// failLate fails those who have waited too long and answers when the next
// will have.
func (j *journal) failLate(now int64) (next int64) {
	if j == nil {
		return never
	}
	var late []*wait
	next = never
	j.mu.Lock()
	for w := j.waits.oldest; w != nil; w = j.waits.oldest {
		if w.late > now {
			next = w.late
			break
		}
		j.waits.remove(w)
		late = append(late, w)
	}
	j.mu.Unlock()
	if len(late) == 0 {
		return next
	}
	err := j.failing()
	if err == nil {
		err = &failure{err: fmt.Errorf("nothing was written for %v", time.Duration(barrierPatience))}
	}
	for _, w := range late {
		w.tell(err)
	}
	return next
}

func (l *waits) add(w *wait) {
	l.bySeq.add(w)
	w.prev = l.newest
	if l.newest == nil {
		l.oldest = w
	} else {
		l.newest.next = w
	}
	l.newest = w
}

func (l *waits) remove(w *wait) {
	l.bySeq.remove(w)
	if w.prev == nil {
		l.oldest = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.newest = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
}

// passed takes out those whose number the watermark has reached.
func (l *waits) passed(mark uint64) (passed []*wait) {
	for len(l.bySeq) > 0 && l.bySeq[0].seq <= mark {
		w := l.bySeq[0]
		l.remove(w)
		passed = append(passed, w)
	}
	return passed
}

// all takes out everybody.
func (l *waits) all() (all []*wait) {
	for l.oldest != nil {
		w := l.oldest
		l.remove(w)
		all = append(all, w)
	}
	return all
}
