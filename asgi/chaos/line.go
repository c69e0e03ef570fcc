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
	cause   *asgi.Cause // a copy: the sender's goes on
	due     time.Time
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
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.rules) == 0 && len(l.lines) == 0 {
		return false
	}
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

func (l *Layer) fateLocked(channel string) fate {
	if l.closed {
		return fate{}
	}
	return fateOf(l.rules, channel, l.dice)
}

// joinLocked gives a message its place in its channel's line.
func (l *Layer) joinLocked(h *held, f fate) *line {
	ln := l.lines[h.channel]
	if ln == nil {
		ln = &line{channel: h.channel}
		l.lines[h.channel] = ln
	}
	if f.delay > 0 {
		l.countLocked(h.pattern, Counts{Delayed: 1})
	}
	if f.aside && ln.aside == nil {
		l.countLocked(h.pattern, Counts{Reordered: 1})
		ln.aside, ln.asideBy = h, time.Now().Add(asideFor)
		return ln
	}
	ln.add(h)
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

// drain sends what is due. It answers the error of mine if it sent that, with
// its sender's context and cause; others are lost where there is no room.
func (l *Layer) drain(ctx context.Context, c *asgi.Cause, ln *line, mine *held) (mineErr error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ln.draining {
		return nil
	}
	ln.draining = true
	for h := l.nextLocked(ln, time.Now()); h != nil; h = l.nextLocked(ln, time.Now()) {
		l.mu.Unlock()
		var err error
		if h == mine {
			mineErr = l.Layer.Send(ctx, c, h.channel, h.message, h.opts...)
		} else {
			err = l.Layer.Send(l.ctx, h.cause, h.channel, h.message, h.opts...)
		}
		l.mu.Lock()
		if err != nil {
			l.countLocked(h.pattern, Counts{Lost: 1})
		}
	}
	ln.draining = false
	l.scheduleLocked(ln)
	return mineErr
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
		return
	default:
		return
	}
	l.running.Add(1)
	ln.timer = time.AfterFunc(time.Until(at), func() {
		defer l.running.Done()
		l.drain(l.ctx, nil, ln, nil)
	})
}

// dropHeldLocked empties all lines.
func (l *Layer) dropHeldLocked() {
	for _, ln := range l.lines {
		ln.waiting, ln.aside = nil, nil
		if !ln.draining {
			l.scheduleLocked(ln)
		}
	}
}
