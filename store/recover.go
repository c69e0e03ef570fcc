package store

import (
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"asgibox/asgi"
)

// contents are what a file held when it was opened.
type contents struct {
	fresh     bool // it has no buckets yet
	compacted bool // into a new file beside it
	txid      int  // the last transaction; zero if that does not matter

	lastAlive int64
	lastID    uint64
	bytes     int64 // of all keys and values
	queued    []*record
	delayed   []*delayed
	members   []membership
	values    []keyValue
	copies    map[uint64]*copies // by the group's message
	taken     map[uint64]bool    // copies by id
}

// A NewerFormatError says that a file was written by a newer asgibox.
type NewerFormatError struct {
	Path           string
	Format, Newest uint64 // the file's, and the newest that is understood
}

func (e *NewerFormatError) Error() string {
	return fmt.Sprintf("%s has format %d, written by a newer asgibox; this one understands up to %d: use the newer one, or another --store", e.Path, e.Format, e.Newest)
}

// read reads everything, in the order of the keys. Any error but
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

// walk calls item for each key of a bucket. Keys that do not rise show that a
// page is not the one that was meant.
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

// group makes a group's message its copies that nobody has taken.
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

// freshTx is the last transaction of a file that bbolt has just made.
const freshTx = 1

// onDisk is the number of what was on disk before the journal began.
const onDisk = uint64(1)

// fill makes the contents those of a store that nobody uses yet.
func (s *Store) load(c *contents) {
	s.lastID = c.lastID
	now := s.now()
	slices.SortStableFunc(c.queued, func(a, b *record) int { return compare(a.id, b.id) })
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
	slices.SortStableFunc(c.members, func(a, b membership) int { return compare(a.expires, b.expires) })
	for _, m := range c.members {
		s.joinLocked(m.group, m.channel, m.expires)
	}
	for _, kv := range c.values {
		v := s.kv.putLocked(nil, kv.key, kv.data, kv.expires, true)
		v.seq = onDisk
	}
}

// overdue makes a message that became due while nobody was there to try it due
// now: its expiry starts now, and still does after another start.
func (s *Store) makeDueNow(d *delayed, now int64) {
	d.due = now
	s.journal.putLater(d)
	d.seq = onDisk // not to be struck: the file has it, with its old time
}

// merge puts the delayed messages that became due while the store ran among
// those that were queued, as they were; those that became due while it was
// down are yet to be tried.
func (s *Store) mergeDue(c *contents, now int64) (queued []*record, waiting []*delayed) {
	slices.SortStableFunc(c.delayed, func(a, b *delayed) int { return compare(a.due, b.due) })
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

func compare[T int64 | uint64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
