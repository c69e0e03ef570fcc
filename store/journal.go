package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

const (
	// stagedLimit is how many bytes may be staged before durable changes wait.
	stagedLimit = 64 << 20
	// lingerFor is how long the journal delays a commit that no caller waits
	// for. A message that is taken meanwhile need not be written.
	lingerFor = 5 * time.Millisecond
	// retryFirst and retryLast are the first and the longest pause before a
	// failed commit is tried again.
	retryFirst = 50 * time.Millisecond
	retryLast  = time.Second
)

// A journal writes changes that must outlive the process. Each staged change
// gets a number. One goroutine commits the staged changes in batches, in the
// order of their numbers. The watermark is the last number on disk.
//
// The journal of a store in memory is nil: it accepts all changes and writes
// none.
type journal struct {
	disk       disk
	log        *slog.Logger
	now        func() int64
	wakeBy     func(int64)   // makes the keeper call failOverdue by then
	lingerTime time.Duration // lingerFor, except in tests

	work           chan struct{} // of one: an op is staged
	hurry          chan struct{} // of one: a caller waits, or a batch is full
	expectedStaged chan struct{} // of one: the expected number of ops is staged
	stop           chan struct{}
	done           chan struct{}
	watermark      atomic.Uint64 // the last number on disk
	failed         atomic.Pointer[failure]

	mu          sync.Mutex // guards the rest; taken last
	last        uint64     // the newest number
	firstStaged uint64     // the first number whose write has not started
	batches     []*batch   // whose write has not started, oldest first; never empty
	bytes       int        // staged or being written
	room        chan struct{}
	waits       waitList
	expected    int // number of ops that gather waits for; zero if it does not run

	// Of the goroutine that commits.
	lastWaiters int           // callers that waited when the last batch was written
	lastCommit  time.Duration // duration of the last commit
}

// A failure is the reason why the last commit failed.
type failure struct {
	err   error
	final bool // only a restart of the program helps
}

func (f *failure) Error() string {
	if f.final {
		return fmt.Sprintf("%v: %v; the contents of the disk are uncertain; restart asgibox", asgi.ErrStoreFailed, f.err)
	}
	return fmt.Sprintf("%v: %v; asgibox tries again until the write succeeds", asgi.ErrStoreFailed, f.err)
}

func (f *failure) Is(target error) bool { return target == asgi.ErrStoreFailed }
func (f *failure) Unwrap() error        { return f.err }

func newJournal(d disk, log *slog.Logger, now func() int64, wakeBy func(int64)) *journal {
	return &journal{
		disk:           d,
		log:            log,
		now:            now,
		wakeBy:         wakeBy,
		lingerTime:     lingerFor,
		work:           make(chan struct{}, 1),
		hurry:          make(chan struct{}, 1),
		expectedStaged: make(chan struct{}, 1),
		stop:           make(chan struct{}),
		done:           make(chan struct{}),
		firstStaged:    1,
		batches:        []*batch{newBatch(1)},
	}
}

// setWatermark sets the last number that is on disk, before any op is staged.
func (j *journal) setWatermark(last uint64) {
	j.last, j.firstStaged = last, last+1
	j.batches[0].first = last + 1
	j.watermark.Store(last)
}

// run commits until the journal is closed.
func (j *journal) run() {
	defer close(j.done)
	for {
		select {
		case <-j.work:
		case <-j.stop:
		}
		for j.linger() {
			if !j.write(j.next()) {
				return
			}
		}
		select {
		case <-j.stop:
			return
		default:
		}
	}
}

// linger reports whether an op is staged. If no caller waits for the staged ops
// it pauses first, because a message that is taken meanwhile need not be
// written.
func (j *journal) linger() bool {
	j.mu.Lock()
	staged := len(j.batches[0].ops) > 0
	hurry := len(j.waits.bySeq) > 0 || len(j.batches) > 1
	if !hurry {
		clearSignal(j.hurry) // a signal of callers that waited for an earlier batch
	}
	j.mu.Unlock()
	switch {
	case !staged:
		return false
	case hurry:
		j.gather()
		return true
	}
	timer := time.NewTimer(j.lingerTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-j.hurry:
	case <-j.stop:
	}
	return true
}

// gather gives the callers that waited for the last batch a moment to stage
// their next ops. Without it the first caller would get a commit of its own,
// and all others would wait for two commits.
func (j *journal) gather() {
	j.mu.Lock()
	if j.lastWaiters < 2 || len(j.batches[0].ops) >= j.lastWaiters || len(j.batches) > 1 {
		j.mu.Unlock()
		return
	}
	j.expected = j.lastWaiters
	j.mu.Unlock()
	timer := time.NewTimer(j.lastCommit / 4)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-j.expectedStaged:
	case <-j.stop:
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.expected = 0
	clearSignal(j.expectedStaged)
}

// next removes the oldest batch from the journal, to be written.
func (j *journal) next() *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.batches[0]
	if len(j.batches) == 1 {
		j.batches[0] = newBatch(j.last + 1)
	} else {
		j.batches[0] = nil
		j.batches = j.batches[1:]
	}
	j.firstStaged = j.batches[0].first
	return b
}

// write commits a batch and tries until it is on disk. It returns false if
// trying again cannot help or the journal is closed.
func (j *journal) write(b *batch) bool {
	pause := retryFirst
	for {
		err := j.commit(b)
		if err == nil {
			j.advance(b)
			return true
		}
		f := &failure{err, isFinal(err)}
		if j.failed.Swap(f) == nil || f.final {
			j.log.Error("cannot write the store", logkey.Error, f)
		}
		j.reportFailure(f)
		if f.final {
			return false
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			pause = min(2*pause, retryLast)
		case <-j.stop:
			timer.Stop()
			if err := j.commit(b); err != nil {
				return false
			}
			j.advance(b)
			return true
		}
	}
}

func (j *journal) commit(b *batch) error {
	if b.live == 0 {
		return nil
	}
	start := time.Now()
	err := j.disk.commit(b.ops, j.now())
	j.lastCommit = time.Since(start)
	return err
}

// advance moves the watermark past the batch.
func (j *journal) advance(b *batch) {
	if j.failed.Swap(nil) != nil {
		j.log.Info("the store is writable again")
	}
	j.mu.Lock()
	j.bytes -= b.bytes
	j.watermark.Store(b.end() - 1)
	waiters := len(j.waits.bySeq)
	passed := j.waits.takePassed(b.end() - 1)
	j.releaseRoomLocked()
	j.mu.Unlock()
	b.release()
	j.lastWaiters = waiters
	for _, w := range passed {
		w.report(nil)
	}
}

// releaseRoomLocked wakes the calls that wait in admit, if they can continue.
func (j *journal) releaseRoomLocked() {
	if j.room != nil && (j.bytes < stagedLimit || j.failed.Load() != nil) {
		close(j.room)
		j.room = nil
	}
}

// reportFailure wakes the calls that wait in admit and, if the failure is
// final, reports it to all that wait for the watermark.
func (j *journal) reportFailure(f *failure) {
	var waits []*wait
	j.mu.Lock()
	j.releaseRoomLocked()
	if f.final {
		waits = j.waits.takePassed(math.MaxUint64)
	}
	j.mu.Unlock()
	for _, w := range waits {
		w.report(f)
	}
}

// admit fails while the disk fails, and waits while too much is staged. It is
// called before a durable change.
func (j *journal) admit(ctx context.Context) error {
	if j == nil {
		return nil
	}
	for {
		if f := j.failed.Load(); f != nil {
			return f
		}
		j.mu.Lock()
		if j.bytes < stagedLimit {
			j.mu.Unlock()
			return nil
		}
		if j.room == nil {
			j.room = make(chan struct{})
		}
		room := j.room
		j.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-j.done:
			return asgi.ErrClosed
		}
	}
}

// err returns the reason why durable calls fail now, or nil.
func (j *journal) err() error {
	if j == nil {
		return nil
	}
	if f := j.failed.Load(); f != nil {
		return f
	}
	return nil
}

// close commits all staged ops and closes the disk. It fails if they cannot be
// written.
func (j *journal) close(ctx context.Context) error {
	if j == nil {
		return nil
	}
	close(j.stop)
	select {
	case <-j.done:
	case <-ctx.Done():
		return fmt.Errorf("wait for the last commit of the store: %w", context.Cause(ctx))
	}
	f := j.failed.Load()
	if f == nil {
		f = &failure{err: asgi.ErrClosed}
	}
	j.mu.Lock()
	waits := j.waits.takePassed(math.MaxUint64)
	j.mu.Unlock()
	for _, w := range waits {
		w.report(f)
	}
	err := j.disk.close(j.now())
	if j.failed.Load() != nil {
		return errors.Join(f, err)
	}
	return err
}
