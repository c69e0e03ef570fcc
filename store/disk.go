package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"

	bolt "go.etcd.io/bbolt"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// A disk is the storage that the journal writes to: bbolt, or in tests one that
// fails.
type disk interface {
	// commit makes all changes durable. After an error they may be durable or
	// not. The same ops may be committed again.
	commit(ops []op, now int64) error
	close(now int64) error
}

// A boltDisk is a bbolt file that is open for writing.
type boltDisk struct {
	db    *bolt.DB
	arena arena
	place place
}

func (d *boltDisk) commit(ops []op, now int64) (err error) {
	defer recoverInto(&err)
	defer d.arena.reset()
	defer d.place.check()
	return d.db.Update(func(tx *bolt.Tx) error {
		w := newWriter(tx, &d.arena)
		for i := range ops {
			if err := w.apply(&ops[i]); err != nil {
				return err
			}
		}
		return w.putAlive(now)
	})
}

// close stores the time until which the store ran, and closes the file.
func (d *boltDisk) close(now int64) error {
	return errors.Join(d.commit(nil, now), d.place.restore(d.db), d.db.Close())
}

// errDamaged means that the file has invalid contents.
var errDamaged = errors.New("the file is damaged")

// recoverInto turns a panic into an error. bbolt panics if a page is invalid,
// and reading a mapped file faults if the disk cannot be read.
func recoverInto(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", errDamaged, p)
	}
}

// panicOnFault turns faults in this goroutine into panics until restore is
// called.
func panicOnFault() (restore func()) {
	old := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(old) }
}

// isFinal reports whether a commit that failed with err must not be tried
// again. After a failed fsync the kernel may regard pages as written that never
// reached the disk, so the next fsync may succeed without writing them.
func isFinal(err error) bool {
	var path *fs.PathError
	if errors.As(err, &path) && path.Op == "write" {
		return false
	}
	return !strings.HasPrefix(err.Error(), "file resize error")
}

// A writer applies ops in one transaction.
type writer struct {
	messages, taken, groups, values, meta *bolt.Bucket
	tx                                    *bolt.Tx
	arena                                 *arena
	key                                   []byte
}

func newWriter(tx *bolt.Tx, a *arena) *writer {
	w := &writer{tx: tx, arena: a}
	w.values, w.meta = tx.Bucket(valuesBucket), tx.Bucket(metaBucket)
	w.openMessages()
	return w
}

func (w *writer) openMessages() {
	w.messages, w.taken, w.groups = w.tx.Bucket(messagesBucket), w.tx.Bucket(takenBucket), w.tx.Bucket(groupsBucket)
	w.messages.FillPercent = 0.95 // ids only increase
}

func (w *writer) apply(o *op) error {
	switch o.kind {
	case opMessage:
		return w.putMessage(o, kindMessage, o.item.(*record))
	case opLater:
		return w.putMessage(o, kindDelayed, &o.item.(*delayed).record)
	case opCopies:
		c := o.item.(*copies)
		w.key = appendID(w.key[:0], c.id)
		return w.put(w.messages, c.message.Size()+112*len(c.records)+128, func(b []byte) []byte { return appendCopies(b, c) })
	case opTaken:
		w.key = appendID(w.key[:0], o.id)
		return w.messages.Delete(w.key)
	case opCopy:
		w.key = takenKey(w.key[:0], o.item.(*copies).id, o.id)
		return w.put(w.taken, crcSize, func(b []byte) []byte { return b })
	case opNoCopies:
		return w.deleteCopies(o.id)
	case opJoin:
		m := o.item.(*membership)
		w.key = memberKey(w.key[:0], m)
		return w.put(w.groups, 8+crcSize, func(b []byte) []byte { return appendTime(b, m.expires) })
	case opLeave:
		w.key = memberKey(w.key[:0], o.item.(*membership))
		return w.groups.Delete(w.key)
	case opValue:
		kv := o.item.(*keyValue)
		w.key = append(w.key[:0], kv.key...)
		return w.put(w.values, asgi.SizeOf(kv.data)+64, func(b []byte) []byte { return codec.AppendValue(appendTime(b, kv.expires), kv.data) })
	case opNoValue:
		w.key = append(w.key[:0], o.item.(*keyValue).key...)
		return w.values.Delete(w.key)
	case opFlush:
		return w.flush()
	}
	return nil
}

func (w *writer) putMessage(o *op, kind byte, r *record) error {
	w.key = appendID(w.key[:0], o.id)
	return w.put(w.messages, r.message.Size()+128, func(b []byte) []byte { return appendMessage(b, kind, o.time, r) })
}

func (w *writer) put(b *bolt.Bucket, size int, value func([]byte) []byte) error {
	return b.Put(w.key, w.arena.make(size, func(dst []byte) []byte {
		start := len(dst)
		return seal(value(dst), start, w.key)
	}))
}

// deleteCopies deletes a group's message and the keys of its taken copies.
func (w *writer) deleteCopies(id uint64) error {
	w.key = appendID(w.key[:0], id)
	if err := w.messages.Delete(w.key); err != nil {
		return err
	}
	c := w.taken.Cursor()
	for key, _ := c.Seek(w.key); bytes.HasPrefix(key, w.key); key, _ = c.Seek(w.key) {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) flush() error {
	for _, name := range [][]byte{messagesBucket, takenBucket, groupsBucket} {
		if err := w.tx.DeleteBucket(name); err != nil {
			return err
		}
		if _, err := w.tx.CreateBucket(name); err != nil {
			return err
		}
	}
	w.openMessages()
	return nil
}

func (w *writer) putAlive(now int64) error {
	w.key = append(w.key[:0], aliveKey...)
	return w.put(w.meta, 8+crcSize, func(b []byte) []byte { return appendTime(b, now) })
}

func (w *writer) putFormat() error {
	w.key = append(w.key[:0], formatKey...)
	return w.put(w.meta, 8+crcSize, func(b []byte) []byte { return appendID(b, formatVersion) })
}

// An arena holds the values of one transaction. bbolt requires that they do not
// change before the transaction ends.
type arena struct {
	slab []byte
}

const slabSize = 256 << 10

// make returns the bytes that f appends, about size of them.
func (a *arena) make(size int, f func([]byte) []byte) []byte {
	if size > slabSize/8 {
		return f(make([]byte, 0, size))
	}
	if cap(a.slab)-len(a.slab) < size {
		a.slab = make([]byte, 0, slabSize)
	}
	n := len(a.slab)
	value := f(a.slab[n:n]) // so that f copies only its own bytes if it needs more room
	if cap(value) == cap(a.slab)-n {
		a.slab = a.slab[:n+len(value)]
	}
	return value[:len(value):len(value)]
}

// reset reuses the newest slab.
func (a *arena) reset() { a.slab = a.slab[:0] }
