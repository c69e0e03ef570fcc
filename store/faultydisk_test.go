package store

import (
	"errors"
	"io/fs"
	"sync"
	"syscall"
	"testing"
)

// A faultyDisk is the disk behind a seam that a test works.
type faultyDisk struct {
	disk

	mu      sync.Mutex
	commits int
	fail    error         // what commits answer
	after   bool          // they do their work all the same
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

// A twiceDisk commits everything twice, as a disk does whose commit succeeded
// without being able to say so.
type twiceDisk struct{ disk }

func (d twiceDisk) commit(ops []op, now int64) error {
	return errors.Join(d.disk.commit(ops, now), d.disk.commit(ops, now))
}

// openFaulty opens a store in a new file behind a seam.
func openFaulty(t testing.TB) (*Store, *faultyDisk) {
	t.Helper()
	seam := &faultyDisk{}
	s, err := open(newPath(t), Options{}, func(d disk) disk { seam.disk = d; return seam })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s, seam
}
