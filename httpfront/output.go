package httpfront

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/internal/budget"
)

const (
	// allBytes is how much all mailboxes may hold together.
	allBytes = 128 << 20
	// fraction of what others leave of allBytes is the share of a mailbox.
	fraction = 8
	// leastShare is the least share with which there is enough room.
	leastShare = 1 << 20
	// spareBytes is how much of allBytes is free after silent clients were ended.
	spareBytes = allBytes / 4
	// outputCheck is the time between two checks which clients are silent.
	outputCheck = 250 * time.Millisecond
	// watchFor is how long the clients are checked after a message has found no room.
	watchFor = 10 * time.Second
)

// An outputs bounds the memory of all mailboxes together. When a message finds no
// room, it watches how much the clients read for which messages wait, and ends those
// that are silent, the longest silence first. Otherwise it does nothing.
type outputs struct {
	s     *Server
	bytes atomic.Int64 // in all mailboxes

	marks map[*mailbox]mark // of the mailboxes in which messages wait; used by check only

	running sync.WaitGroup // watch; Shutdown waits for it

	mu       sync.Mutex // guards the rest
	refused  time.Time  // when a message last found no room
	watching bool       // watch runs
}

// A mark says how much a client had read at the start of its silence.
type mark struct {
	read  int64
	since time.Time
}

// share returns how much a mailbox may hold while the others hold a number of bytes. It
// shrinks with them, so a few clients cannot take all.
func (o *outputs) share(others int) int {
	share := (allBytes - others) / fraction
	if share < leastShare {
		o.short()
	}
	return share
}

// short records that there is too little room.
func (o *outputs) short() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused = time.Now()
	if !o.watching {
		o.watching = true
		o.running.Go(o.watch)
	}
}

// watch ends silent clients if messages find no room, until all have found room for a
// while.
func (o *outputs) watch() {
	ticker := time.NewTicker(outputCheck)
	defer ticker.Stop()
	for o.check() {
		select {
		case <-ticker.C:
		case <-o.s.life.Done():
		}
	}
}

// check ends silent clients if messages find no room, and reports whether to check
// again.
func (o *outputs) check() (again bool) {
	now := time.Now()
	silent := o.silent(now)
	o.mu.Lock()
	ago := now.Sub(o.refused)
	again = ago < watchFor && o.s.life.Err() == nil
	o.watching = again
	if !again {
		o.marks = nil
	}
	o.mu.Unlock()
	if ago <= outputCheck {
		o.end(silent)
	}
	return again
}

// silent returns the mailboxes whose clients are silent, the longest silence first.
func (o *outputs) silent(now time.Time) (silent []*mailbox) {
	marks := make(map[*mailbox]mark)
	for _, b := range o.s.conns.mailboxes() {
		read, waits := b.progress()
		if !waits {
			continue
		}
		m, old := o.marks[b]
		if !old || read-m.read >= budget.LeastMoved {
			m = mark{read, now}
		}
		marks[b] = m
		if now.Sub(m.since) >= budget.SilentTimeout {
			silent = append(silent, b)
		}
	}
	o.marks = marks
	slices.SortFunc(silent, func(a, b *mailbox) int { return marks[a].since.Compare(marks[b].since) })
	return silent
}

// end ends the connections of silent clients until there is room.
func (o *outputs) end(silent []*mailbox) {
	left, count := o.bytes.Load(), 0
	for _, b := range silent {
		if left <= allBytes-spareBytes {
			break
		}
		left -= b.drop()
		count++
	}
	if count > 0 {
		o.s.log.Warn("connections were ended: their clients read "+budget.Silence+", and messages to others found no room", "count", count)
	}
}
