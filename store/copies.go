package store

import "asgibox/asgi"

// copies are the members' copies of one durable message to a group. The file
// has the message once, with a list of its copies. A copy that was taken is
// noted beside the message. When the last copy is taken, the message and the
// notes are deleted.
type copies struct {
	id       uint64
	message  asgi.Message
	trace    asgi.TraceID
	deadline int64
	flushes  uint64 // Store.flushes when the group send started

	// Guarded by the journal's mutex.
	seq     uint64    // zero until staged
	untaken int       // number of copies not taken yet
	records []*record // nil once written
}

func (c *copies) footprint() int { return c.message.Footprint() + 32*len(c.records) }

// addCopy makes a queued record one of the copies, before they are staged.
func (j *journal) addCopy(c *copies, r *record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.copies = c
	c.untaken++
	c.records = append(c.records, r)
}
