package store

import (
	"cmp"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"asgibox/asgi"
)

// contents are the contents of a file when it was opened.
type contents struct {
	fresh     bool // the file has no buckets yet
	compacted bool // there is a compacted copy beside the file
	txid      int  // the last transaction; zero means any

	lastAlive int64 // when the file was last written
	lastID    uint64
	bytes     int64 // of all keys and values
	queued    []*record
	delayed   []*delayed
	members   []membership
	values    []keyValue
	copies    map[uint64]*copies // by the id of the group's message
	taken     map[uint64]bool    // ids of taken copies
}

// A NewerFormatError says that a file was written by a newer asgibox.
type NewerFormatError struct {
	Path           string
	Format, Newest uint64 // the file's format, and the newest that can be read
}

func (e *NewerFormatError) Error() string {
	return fmt.Sprintf("open store %s: it has format %d of a newer asgibox, and this one reads up to %d; use the newer one or pass --store", e.Path, e.Format, e.Newest)
}

// read reads all buckets, each in the order of its keys. Any error except
// [NewerFormatError] means that the file is damaged.
func (c *contents) read(db *bolt.DB) (err error) {
	defer recoverInto(&err)
	defer panicOnFault()()
	return db.View(func(tx *bolt.Tx) error {
		c.txid = tx.ID()
		if c.fresh = c.txid <= freshTx; c.fresh {
			return nil
		}
		for _, name := range allBuckets {
			if tx.Bucket(name) == nil {
				return fmt.Errorf("%w: bucket %s is missing", errDamaged, name)
			}
		}
		for _, part := range []struct {
			bucket []byte
			item   func(key, value []byte) error
		}{
			{metaBucket, c.meta},
			{takenBucket, c.takenCopy},
			{messagesBucket, c.message},
			{groupsBucket, c.member},
			{valuesBucket, c.value},
		} {
			if err := c.walk(tx, part.bucket, part.item); err != nil {
				return err
			}
		}
		return nil
	})
}

// walk calls item for each key of a bucket. Keys out of order mean that bbolt
// read a wrong page.
func (c *contents) walk(tx *bolt.Tx, bucket []byte, item func(key, value []byte) error) error {
	var last []byte
	cursor := tx.Bucket(bucket).Cursor()
	for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
		if last != nil && slices.Compare(last, key) >= 0 {
			return fmt.Errorf("%w: keys of bucket %s are out of order", errDamaged, bucket)
		}
		last = key
		c.bytes += int64(len(key) + len(value))
		if err := item(key, value); err != nil {
			if _, newer := err.(*NewerFormatError); newer {
				return err
			}
			return fmt.Errorf("%w: bucket %s, key %x: %w", errDamaged, bucket, key, err)
		}
	}
	return nil
}

func (c *contents) meta(key, value []byte) error {
	t, _, err := decodeTime(key, value)
	switch {
	case err != nil:
		return err
	case string(key) == string(aliveKey):
		c.lastAlive = t
	case string(key) == string(formatKey) && t > formatVersion:
		return &NewerFormatError{Format: uint64(t), Newest: formatVersion}
	}
	return nil
}

func (c *contents) takenCopy(key, value []byte) error {
	id, err := decodeTaken(key, value)
	c.taken[id] = true
	return err
}

func (c *contents) message(key, value []byte) error {
	id, m, err := decodeMessage(key, value)
	if err != nil {
		return err
	}
	c.lastID = max(c.lastID, id)
	r := record{message: m.body, channel: m.channel, trace: m.trace, id: id, deadline: m.time, durable: true}
	switch m.kind {
	case kindMessage:
		c.queued = append(c.queued, &r)
	case kindDelayed:
		r.deadline = 0
		c.delayed = append(c.delayed, &delayed{record: r, due: m.time, heapIndex: -1})
	case kindCopies:
		c.addCopies(r, m.copies)
	}
	return nil
}

// addCopies adds the copies of a group's message that are not taken.
func (c *contents) addCopies(r record, names []copyName) {
	group := &copies{id: r.id, message: r.message, trace: r.trace, deadline: r.deadline, seq: onDisk}
	c.copies[r.id] = group
	for _, name := range names {
		c.lastID = max(c.lastID, name.id)
		if !c.taken[name.id] {
			one := r
			one.id, one.channel, one.copies = name.id, name.channel, group
			group.untaken++
			c.queued = append(c.queued, &one)
		}
	}
}

func (c *contents) member(key, value []byte) error {
	m, err := decodeMember(key, value)
	c.members = append(c.members, m)
	return err
}

func (c *contents) value(key, value []byte) error {
	kv, err := decodeValue(key, value)
	c.values = append(c.values, kv)
	return err
}

// freshTx is the last transaction of a file that bbolt has just created.
const freshTx = 1

// onDisk is the number of all changes that were on disk before the journal
// started.
const onDisk = uint64(1)

// load loads the contents into a store that is not in use yet.
func (s *Store) load(c *contents) {
	s.lastID = c.lastID
	now := s.now()
	slices.SortStableFunc(c.queued, func(a, b *record) int { return cmp.Compare(a.id, b.id) })
	queued, waiting := s.mergeDue(c, now)
	for _, r := range queued {
		r.seq = onDisk
		s.pushLocked(s.queueLocked(asgi.ProcessPrefix(r.channel), now), r)
	}
	for i, d := range waiting {
		d.seq = onDisk
		if d.due <= now {
			s.makeDueNow(d, now+int64(i))
		}
		s.scheduleLocked(d)
	}
	slices.SortStableFunc(c.members, func(a, b membership) int { return cmp.Compare(a.expires, b.expires) })
	for _, m := range c.members {
		s.joinLocked(m.group, m.channel, m.expires)
	}
	// The file does not say which sessions were sent back, so all of them count
	// as sent back at their last change.
	slices.SortStableFunc(c.values, func(a, b keyValue) int { return cmp.Compare(a.expires, b.expires) })
	for _, kv := range c.values {
		v := s.kv.putLocked(nil, kv.key, kv.data, kv.expires, true)
		v.seq = onDisk
		s.kv.useLocked(v)
	}
}

// makeDueNow changes the due time of a message that became due while the store
// was down, so that its expiry starts now. The new time is written to the file.
func (s *Store) makeDueNow(d *delayed, now int64) {
	d.due = now
	s.journal.putLater(d)
	d.seq = onDisk // the file has the message, so taking it must delete it there
}

// mergeDue inserts the delayed messages that became due while the store ran into
// the queued ones, in the order of their deadlines. It returns the other delayed
// messages, which are not due yet or became due while the store was down.
func (s *Store) mergeDue(c *contents, now int64) (queued []*record, waiting []*delayed) {
	slices.SortStableFunc(c.delayed, func(a, b *delayed) int { return cmp.Compare(a.due, b.due) })
	var tried []*record
	for _, d := range c.delayed {
		if d.due > c.lastAlive {
			waiting = append(waiting, d)
			continue
		}
		d.deadline = d.due + int64(s.opts.Expiry)
		tried = append(tried, &d.record)
	}
	if len(tried) == 0 {
		return c.queued, waiting
	}
	for _, r := range c.queued {
		for len(tried) > 0 && tried[0].deadline < r.deadline {
			queued = append(queued, tried[0])
			tried = tried[1:]
		}
		queued = append(queued, r)
	}
	return append(queued, tried...), waiting
}
