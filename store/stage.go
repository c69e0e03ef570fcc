package store

import "asgibox/asgi"

const (
	// batchOps and batchBytes limit one transaction. In a larger one, callers
	// that wait for its first op would wait too long for its last.
	batchOps   = 8192
	batchBytes = 4 << 20
	// opFootprint is the memory of an op without its item, in bytes.
	opFootprint = 64
)

// An opKind is the change that an op makes to the file.
type opKind uint8

const (
	opNone     opKind = iota // no change: the op was cancelled
	opMessage                // put a message: item is the *record
	opLater                  // put a delayed message: item is the *delayed
	opCopies                 // put a group's message: item is the *copies
	opTaken                  // delete the message id
	opCopy                   // put that the copy id was taken: item is the *copies
	opNoCopies               // delete the group's message id and the keys of its taken copies
	opJoin                   // put a membership: item is the *membership
	opLeave                  // delete a membership: item is the *membership
	opValue                  // put a value: item is the *keyValue
	opNoValue                // delete a value: item is the *keyValue
	opFlush                  // delete all messages and groups
)

// An op is one change to the file. Applying it twice has the same effect as
// once.
type op struct {
	kind opKind
	id   uint64
	time int64 // of a message: its deadline, which a breakpoint may change later
	item any   // not changed while the op is staged
}

// A batch is a list of ops that are committed together. The first has the number
// first.
type batch struct {
	first uint64
	ops   []op
	live  int // ops that were not cancelled
	bytes int
}

func newBatch(first uint64) *batch { return &batch{first: first} }

// end returns the number after the batch's last op.
func (b *batch) end() uint64 { return b.first + uint64(len(b.ops)) }

func (b *batch) full() bool { return len(b.ops) >= batchOps || b.bytes >= batchBytes }

// release drops the records of group messages, which only the write needed.
func (b *batch) release() {
	for i := range b.ops {
		if c, ok := b.ops[i].item.(*copies); ok && b.ops[i].kind == opCopies {
			c.records = nil
		}
	}
}

// A membership is a membership as written to the file.
type membership struct {
	group, channel string
	expires        int64
}

// A keyValue is a key and its value as written to the file.
type keyValue struct {
	key     string
	data    any // nil if the value is deleted
	expires int64
}

func (kv *keyValue) footprint() int { return len(kv.key) + asgi.FootprintOf(kv.data) }

// stage adds an op and returns its number.
func (j *journal) stage(o op, footprint int) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stageLocked(o, footprint)
}

func (j *journal) stageLocked(o op, footprint int) uint64 {
	b := j.batches[len(j.batches)-1]
	if b.full() {
		b = newBatch(j.last + 1)
		j.batches = append(j.batches, b)
		signal(j.hurry)
	}
	if len(b.ops) == 0 {
		signal(j.work)
	}
	b.ops = append(b.ops, o)
	b.live++
	b.bytes += footprint + opFootprint
	j.bytes += footprint + opFootprint
	j.last++
	if len(b.ops) == j.expected {
		signal(j.expectedStaged)
	}
	return j.last
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// cancelLocked cancels a staged op, unless its write has started. It reports
// whether it did.
func (j *journal) cancelLocked(seq uint64, footprint int) bool {
	if seq < j.firstStaged {
		return false
	}
	for i := len(j.batches) - 1; i >= 0; i-- {
		if b := j.batches[i]; seq >= b.first {
			b.ops[seq-b.first] = op{}
			b.live--
			b.bytes -= footprint
			j.bytes -= footprint
			return true
		}
	}
	panic("store: a staged op is in no batch")
}

// clearSignal removes a signal that was not received.
func clearSignal(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// put stages a message.
func (j *journal) put(r *record) {
	if j != nil {
		r.seq = j.stage(op{kind: opMessage, id: r.id, time: r.deadline, item: r}, r.message.Footprint())
	}
}

// putLater stages a delayed message.
func (j *journal) putLater(d *delayed) {
	if j != nil {
		d.seq = j.stage(op{kind: opLater, id: d.id, time: d.due, item: d}, d.message.Footprint())
	}
}

// putCopies stages a group's message, unless all its copies are taken.
func (j *journal) putCopies(c *copies) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if c.untaken > 0 {
		c.seq = j.stageLocked(op{kind: opCopies, id: c.id, item: c}, c.footprint())
	}
}

// take stages the deletion of a message, or cancels its op if the write has not
// started. It returns the newest number, for the reader's barrier.
func (j *journal) take(r *record) uint64 {
	if j == nil {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case r.copies != nil:
		j.takeCopyLocked(r)
	case r.seq != 0 && !j.cancelLocked(r.seq, r.message.Footprint()):
		j.stageLocked(op{kind: opTaken, id: r.id}, 0)
	}
	return j.last
}

func (j *journal) takeCopyLocked(r *record) {
	c := r.copies
	c.untaken--
	switch {
	case c.seq == 0 || c.seq >= j.firstStaged:
		r.cancelled = true
		if c.untaken == 0 && c.seq != 0 {
			j.cancelLocked(c.seq, c.footprint())
		}
	case c.untaken == 0:
		j.stageLocked(op{kind: opNoCopies, id: c.id}, 0)
	default:
		j.stageLocked(op{kind: opCopy, id: r.id, item: c}, 0)
	}
}

// flush cancels all staged ops of messages and groups, stages the deletion of
// all messages and groups in the file, and returns its number.
func (j *journal) flush() uint64 {
	if j == nil {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, b := range j.batches {
		for i := range b.ops {
			switch b.ops[i].kind {
			case opNone, opValue, opNoValue:
			default:
				b.ops[i] = op{}
				b.live--
			}
		}
	}
	return j.stageLocked(op{kind: opFlush}, 0)
}

// join stages a membership and returns its number.
func (j *journal) join(m *member) uint64 {
	if j == nil || !m.durable {
		return 0
	}
	return j.stage(op{kind: opJoin, item: &membership{m.group.name, m.channel, m.expires}}, m.footprint())
}

// leave stages the deletion of a membership and returns its number.
func (j *journal) leave(m *member) uint64 {
	if j == nil || !m.durable {
		return 0
	}
	return j.stage(op{kind: opLeave, item: &membership{m.group.name, m.channel, 0}}, m.footprint())
}

// putValue stages a value and returns its number. It cancels an earlier value of
// the same key in the same batch. That is safe because no caller was told that
// the earlier value is on disk.
func (j *journal) putValue(v *value, kind opKind) uint64 {
	if j == nil {
		return 0
	}
	kv := &keyValue{key: v.key}
	if kind == opValue {
		kv.data, kv.expires = v.data, v.expires
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if b := j.batches[len(j.batches)-1]; v.seq >= b.first && !b.full() {
		if o := &b.ops[v.seq-b.first]; o.kind == opValue {
			j.cancelLocked(v.seq, o.item.(*keyValue).footprint())
		}
	}
	return j.stageLocked(op{kind: kind, item: kv}, kv.footprint())
}

// newest returns the newest number.
func (j *journal) newest() uint64 {
	if j == nil {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// barrier returns a barrier for seq. It is zero if seq is on disk already.
func (j *journal) barrier(seq uint64) asgi.Barrier {
	if j == nil || seq <= j.watermark.Load() {
		return asgi.Barrier{}
	}
	return asgi.NewBarrier(j, seq)
}
