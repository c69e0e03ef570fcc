package store

import (
	"errors"
	"io/fs"
	"sync"
	"syscall"
	"testing"
)

// A faultyDisk is a disk whose commits fail or wait as a test sets it.
type faultyDisk struct {
	disk

	mu      sync.Mutex
	commits int
	fail    error         // the result of commits
	after   bool          // commits that fail write all the same
	hold    chan struct{} // commits wait for it to be closed
}

var errNoSpace = &fs.PathError{Op: "write", Path: "channels.db", Err: syscall.ENOSPC}
var errSync = errors.New("input/output error")

func (d *faultyDisk) commit(ops []op, now int64) error {
	d.mu.Lock()
	fail, after, hold := d.fail, d.after, d.hold
	if len(ops) > 0 {
		d.commits++
	}
	d.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if fail == nil {
		return d.disk.commit(ops, now)
	}
	if after {
		return errors.Join(fail, d.disk.commit(ops, now))
	}
	return fail
}

func (d *faultyDisk) set(fail error, after bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail, d.after = fail, after
}

// A twiceDisk commits everything twice, as the journal does if a commit succeeds
// but returns an error.
type twiceDisk struct{ disk }

func (d twiceDisk) commit(ops []op, now int64) error {
	return errors.Join(d.disk.commit(ops, now), d.disk.commit(ops, now))
}

// openFaulty opens a store in a new file with a faulty disk.
func openFaulty(t testing.TB) (*Store, *faultyDisk) {
	t.Helper()
	faulty := &faultyDisk{}
	s, err := open(newPath(t), Options{}, func(d disk) disk { faulty.disk = d; return faulty })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s, faulty
}
