package store

import (
	"fmt"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

// barrierTimeout is how long an output may wait for its barrier before it fails.
const barrierTimeout = int64(10 * time.Second)

var _ asgi.Watermark = (*journal)(nil)

// A waitList holds all waits for the watermark.
type waitList struct {
	bySeq      schedule[*wait]
	byDeadline list[*wait]
}

// A wait calls f when the watermark reaches seq.
type wait struct {
	seq          uint64
	deadline     int64 // when it fails
	heapIndex    int
	deadlineLink link[*wait]
	done         atomic.Bool // reported or stopped
	f            func(error)
}

func (w *wait) when() int64 { return int64(w.seq) }
func (w *wait) tie() uint64 { return 0 }
func (w *wait) index() *int { return &w.heapIndex }

func (w *wait) report(err error) {
	if w.done.CompareAndSwap(false, true) {
		w.f(err)
	}
}

// Passed reports whether everything up to seq is on disk.
func (j *journal) Passed(seq uint64) bool { return seq <= j.watermark.Load() }

// Notify calls f when seq is on disk or was not written in time. See
// [asgi.Watermark].
func (j *journal) Notify(seq uint64, f func(error)) (stop func()) {
	w := &wait{seq: seq, deadline: j.now() + barrierTimeout, heapIndex: -1, f: f}
	w.deadlineLink.entry = w
	j.mu.Lock()
	if err, known := j.outcomeLocked(seq); known {
		j.mu.Unlock()
		f(err)
		return func() {}
	}
	j.waits.add(w)
	j.mu.Unlock()
	signal(j.hurry)
	j.wakeBy(w.deadline)
	return func() { j.cancelWait(w) }
}

// outcomeLocked returns the outcome of the write of seq, if it is known.
func (j *journal) outcomeLocked(seq uint64) (err error, known bool) {
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

func (j *journal) cancelWait(w *wait) {
	if !w.done.CompareAndSwap(false, true) {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if w.heapIndex >= 0 {
		j.waits.remove(w)
	}
}

// failOverdue fails the waits that have waited too long, and returns when the
// next one will have.
func (j *journal) failOverdue(now int64) (next int64) {
	if j == nil {
		return never
	}
	var late []*wait
	next = never
	j.mu.Lock()
	for j.waits.byDeadline.first != nil {
		w := j.waits.byDeadline.first.entry
		if w.deadline > now {
			next = w.deadline
			break
		}
		j.waits.remove(w)
		late = append(late, w)
	}
	j.mu.Unlock()
	if len(late) == 0 {
		return next
	}
	err := j.err()
	if err == nil {
		err = &failure{err: fmt.Errorf("no write succeeded for %v", time.Duration(barrierTimeout))}
	}
	for _, w := range late {
		w.report(err)
	}
	return next
}

func (l *waitList) add(w *wait) {
	l.bySeq.add(w)
	l.byDeadline.push(&w.deadlineLink)
}

func (l *waitList) remove(w *wait) {
	l.bySeq.remove(w)
	l.byDeadline.remove(&w.deadlineLink)
}

// takePassed removes and returns the waits that the watermark has reached.
func (l *waitList) takePassed(mark uint64) (passed []*wait) {
	for len(l.bySeq) > 0 && l.bySeq[0].seq <= mark {
		w := l.bySeq[0]
		l.remove(w)
		passed = append(passed, w)
	}
	return passed
}
