package chaos

import (
	"context"
	"time"

	"asgibox/asgi"
)

// asideFor is how long a reordered message waits for one to overtake it.
const asideFor = time.Second

// held is a message on its way through chaos.
type held struct {
	channel string
	pattern string // of the rule that held it
	message asgi.Message
	opts    []asgi.SendOption
	ctx     context.Context
	cause   *asgi.Cause // a copy: the sender's goes on
	due     time.Time
	done    chan struct{} // closed once it was sent; nil if its sender does not wait
	err     error         // set before done is closed
}

// A line is what is held back on one channel. One goroutine at a time sends
// from it, which keeps its order.
type line struct {
	channel  string
	waiting  []*held // in order, also of due
	aside    *held   // goes after the next one
	asideBy  time.Time
	draining bool
	timer    *time.Timer // nil while none runs
}

// copyOf answers a cause that has what the message brings along.
func copyOf(c *asgi.Cause) *asgi.Cause {
	if c == nil {
		return nil
	}
	same := asgi.NewCause(c.Trace())
	same.Generation = c.Generation
	same.Raise(c.Barrier())
	return same
}

// concerned reports whether chance, or what is held back, has a say on one of
// the channels.
func (l *Layer) concerned(channels ...string) bool {
	if !l.active.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, channel := range channels {
		if l.lines[channel] != nil {
			return true
		}
		for _, r := range l.rules {
			if asgi.MatchName(r.Pattern, channel) {
				return true
			}
		}
	}
	return false
}

// activeLocked notes whether messages are to be looked at.
func (l *Layer) activeLocked() {
	l.active.Store(!l.closed && (len(l.rules) > 0 || len(l.lines) > 0))
}

func (l *Layer) fateLocked(channel string) fate {
	if l.closed {
		return fate{}
	}
	return fateOf(l.rules, channel, l.dice)
}

// joinLocked gives a message its place in its channel's line. One that nothing
// holds back is sent before its sender goes on, and tells how that went.
func (l *Layer) joinLocked(h *held, f fate) *line {
	ln := l.lines[h.channel]
	if ln == nil {
		ln = &line{channel: h.channel}
		l.lines[h.channel] = ln
		l.activeLocked()
	}
	if f.delay > 0 {
		l.countLocked(h.pattern, Counts{Delayed: 1})
	}
	if f.aside && ln.aside == nil {
		l.countLocked(h.pattern, Counts{Reordered: 1})
		h.ctx = l.ctx
		ln.aside, ln.asideBy = h, time.Now().Add(asideFor)
		return ln
	}
	now := h.due
	if ln.add(h); f.delay == 0 && h.due.Equal(now) {
		h.done = make(chan struct{})
	} else {
		h.ctx = l.ctx
	}
	ln.addAside()
	return ln
}

// add puts a message last; it is due no sooner than the one before it.
func (ln *line) add(h *held) {
	if n := len(ln.waiting); n > 0 && h.due.Before(ln.waiting[n-1].due) {
		h.due = ln.waiting[n-1].due
	}
	ln.waiting = append(ln.waiting, h)
}

func (ln *line) addAside() {
	if ln.aside != nil {
		ln.add(ln.aside)
		ln.aside = nil
	}
}

// nextLocked takes the first message whose time has come.
func (l *Layer) nextLocked(ln *line, now time.Time) *held {
	if ln.aside != nil && !now.Before(ln.asideBy) {
		ln.addAside()
	}
	if len(ln.waiting) == 0 || now.Before(ln.waiting[0].due) {
		return nil
	}
	h := ln.waiting[0]
	ln.waiting = ln.waiting[1:]
	return h
}

// drain sends what is due. Of what was held back, that is lost for which there
// is no room.
func (l *Layer) drain(ln *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ln.draining {
		return
	}
	ln.draining = true
	for h := l.nextLocked(ln, time.Now()); h != nil; h = l.nextLocked(ln, time.Now()) {
		l.mu.Unlock()
		h.sent(l.Layer.Send(h.ctx, h.cause, h.channel, h.message, h.opts...))
		l.mu.Lock()
		if h.err != nil && h.done == nil {
			l.countLocked(h.pattern, Counts{Lost: 1})
		}
	}
	ln.draining = false
	l.scheduleLocked(ln)
}

// sent notes how it went, and wakes the sender who waits for that.
func (h *held) sent(err error) {
	h.err = err
	if h.done != nil {
		close(h.done)
	}
}

// scheduleLocked looks at the line again when something in it is due, or
// forgets an empty one.
func (l *Layer) scheduleLocked(ln *line) {
	if ln.timer != nil && ln.timer.Stop() {
		l.running.Done()
	}
	ln.timer = nil
	var at time.Time
	switch {
	case l.closed:
		return
	case len(ln.waiting) > 0:
		at = ln.waiting[0].due
	case ln.aside != nil:
		at = ln.asideBy
	case l.lines[ln.channel] == ln: // it may have been forgotten already, and another begun
		delete(l.lines, ln.channel)
		l.activeLocked()
		return
	default:
		return
	}
	l.running.Add(1)
	ln.timer = time.AfterFunc(time.Until(at), func() {
		defer l.running.Done()
		l.drain(ln)
	})
}

// dropHeldLocked empties all lines.
func (l *Layer) dropHeldLocked() {
	for _, ln := range l.lines {
		for _, h := range ln.waiting {
			h.sent(nil)
		}
		ln.waiting, ln.aside = nil, nil
		if !ln.draining {
			l.scheduleLocked(ln)
		}
	}
}
