package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

const (
	// stagedLimit is how many bytes may be staged before durable sends wait.
	stagedLimit = 64 << 20
	// lingerFor is how long the journal lets messages be taken, and so never
	// written, while nobody waits for it.
	lingerFor = 5 * time.Millisecond
	// retryFirst and retryLast are how soon a failed commit is tried again.
	retryFirst = 50 * time.Millisecond
	retryLast  = time.Second
)

// A journal writes what must outlive the process. What is staged gets a
// number; one goroutine commits what is staged, a batch at a time, in the
// order of the numbers; the watermark says how far the disk is.
//
// A nil journal is that of a store in memory: it takes everything and writes
// nothing.
type journal struct {
	disk       disk
	log        *slog.Logger
	now        func() int64
	wakeBy     func(int64)   // have failLate called by then
	lingerTime time.Duration // how long it lingers: lingerFor

	work           chan struct{} // of one: something is staged
	hurry          chan struct{} // of one: somebody waits, or there is enough
	expectedStaged chan struct{} // of one: as many ops are staged as were expected
	stop           chan struct{}
	done           chan struct{}
	watermark      atomic.Uint64 // the watermark
	failed         atomic.Pointer[failure]

	mu          sync.Mutex // guards the rest; taken last
	last        uint64     // the newest number
	firstStaged uint64     // the first number whose write has not begun
	batches     []*batch   // whose write has not begun, oldest first; never empty
	bytes       int        // staged or being written
	room        chan struct{}
	waits       waitList
	expected    int // how many ops make the crowd complete; zero if nobody looks

	// Of the goroutine that commits.
	lastWaiters int           // who waited when the last batch was written
	lastCommit  time.Duration // its commit
}

// A failure is why the last commit did not succeed.
type failure struct {
	err   error
	final bool // nothing helps but starting again
}

func (f *failure) Error() string {
	if f.final {
		return fmt.Sprintf("%v: %v; what is on disk is uncertain until asgibox is started again", asgi.ErrStoreFailed, f.err)
	}
	return fmt.Sprintf("%v: %v; it is tried again until it succeeds", asgi.ErrStoreFailed, f.err)
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

// start says what is on disk already, before anything is staged.
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

// linger reports whether something is staged. If it is and nobody waits for it
// it waits a little first, since what is taken meanwhile need not be written.
func (j *journal) linger() bool {
	j.mu.Lock()
	staged := len(j.batches[0].ops) > 0
	hurry := len(j.waits.bySeq) > 0 || len(j.batches) > 1
	if !hurry {
		clearSignal(j.hurry) // it is from those who waited for an earlier batch
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

// gather gives those who waited when the last batch was written a moment to
// stage what they do next. Without it the first of them to come would have a
// commit of its own, and all others wait for two.
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

// next begins the write of the oldest batch.
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

// write commits a batch, trying until it is on disk. It gives up only where
// trying again cannot help or the journal is closed, and answers false then.
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
			j.log.Error("the store cannot be written", "error", f)
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

// written moves the watermark past the batch.
func (j *journal) advance(b *batch) {
	if j.failed.Swap(nil) != nil {
		j.log.Info("the store can be written again")
	}
	j.mu.Lock()
	j.bytes -= b.bytes
	j.watermark.Store(b.end() - 1)
	crowd := len(j.waits.bySeq)
	passed := j.waits.takePassed(b.end() - 1)
	j.releaseRoomLocked()
	j.mu.Unlock()
	b.release()
	j.lastWaiters = crowd
	for _, w := range passed {
		w.report(nil)
	}
}

// openLocked lets in those who wait for room.
func (j *journal) releaseRoomLocked() {
	if j.room != nil && (j.bytes < stagedLimit || j.failed.Load() != nil) {
		close(j.room)
		j.room = nil
	}
}

// fail tells those who wait for room and, if nothing helps, for the
// watermark.
func (j *journal) reportFailure(f *failure) {
	var waits []*wait
	j.mu.Lock()
	j.releaseRoomLocked()
	if f.final {
		waits = j.waits.takeAll()
	}
	j.mu.Unlock()
	for _, w := range waits {
		w.report(f)
	}
}

// admit refuses durable work while the disk fails, and lets it wait while
// too much is staged.
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

// failing answers why durable work is refused now, nil if it is not.
func (j *journal) err() error {
	if j == nil {
		return nil
	}
	if f := j.failed.Load(); f != nil {
		return f
	}
	return nil
}

// close commits what is staged and closes the disk. What could not be written
// is an error.
func (j *journal) close(ctx context.Context) error {
	if j == nil {
		return nil
	}
	close(j.stop)
	select {
	case <-j.done:
	case <-ctx.Done():
		return fmt.Errorf("the last commit of the store: %w", context.Cause(ctx))
	}
	f := j.failed.Load()
	if f == nil {
		f = &failure{err: asgi.ErrClosed}
	}
	j.mu.Lock()
	waits := j.waits.takeAll()
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
