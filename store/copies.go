package store

import "asgibox/asgi"

// copies are the members' copies of one durable message to a group: written
// once, with a list of who has one; each copy that is taken is noted beside
// it, and with the last all is deleted.
type copies struct {
	id       uint64
	message  asgi.Message
	trace    asgi.TraceID
	deadline int64
	flushes  uint64 // how many there had been when it began

	// Guarded by the journal's mutex.
	seq     uint64    // zero until it is staged
	untaken int       // that nobody has taken
	records []*record // nil once written
}

func (c *copies) footprint() int { return c.message.Footprint() + 32*len(c.records) }

// add makes a queued record one of the copies. It is called before they are
// staged.
func (j *journal) addCopy(c *copies, r *record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.copies = c
	c.untaken++
	c.records = append(c.records, r)
}
