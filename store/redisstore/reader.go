package redisstore

import (
	"context"
	"slices"
	"sync"
	"time"

	"asgibox/asgi"
)

const (
	// maxWaitingNames is the number of names at which receives fail, because each
	// message that comes costs a read with all of them.
	maxWaitingNames = 10_000
	// manyNames is the number of channels above which messages are taken from the
	// one channel that a read has found.
	manyNames = 100
)

// A reader takes the messages of one host for all calls of Receive. While at
// least one of them waits, one blocking read waits for all their channels.
type reader struct {
	host *host
	line *line // its calls are made by run

	mu      sync.Mutex           // guards the rest
	waiting map[*waiter][]string // their channels on the host
	queues  map[string][]*waiter // the same by channel, in the order of their calls
	bad     map[string]time.Time // channels whose key has the wrong type, until when not to read them
	round   *round               // the read that is under way, or nil
	wake    chan struct{}        // has room for one
	fair    fairness
	eager   bool // the last script found as many messages as it asked for; only run uses it
}

// A waiter is a call of Receive.
type waiter struct {
	ready chan asgi.Delivery

	mu    sync.Mutex // guards given
	given bool       // it has a message, or wants none any more
}

// claim reports whether the waiter still waits, and ends its wait.
func (w *waiter) claim() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.given
	w.given = true
	return !was
}

func (w *waiter) waits() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.given
}

// A round is one read for the waiters.
type round struct {
	channels []string
	reads    map[string]bool // the same channels
	done     chan struct{}
}

func newReader(h *host) *reader {
	return &reader{
		host: h, line: newLine(h), wake: make(chan struct{}, 1),
		waiting: map[*waiter][]string{}, queues: map[string][]*waiter{}, bad: map[string]time.Time{},
	}
}

// add makes a waiter wait on channels of the host. A read that is under way for
// other channels is ended.
func (r *reader) add(w *waiter, channels []string) {
	r.mu.Lock()
	r.waiting[w] = channels
	for _, channel := range channels {
		r.queues[channel] = append(r.queues[channel], w)
	}
	under := r.round
	if under != nil && !slices.ContainsFunc(channels, func(c string) bool { return !under.reads[c] }) {
		under = nil
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
	r.mu.Unlock()
	if under != nil {
		r.line.interrupt(under.done, false)
	}
}

// remove ends the wait of a waiter. If settle is set, it returns when no read is
// under way that could take messages of its channels for nobody.
func (r *reader) remove(w *waiter, channels []string, settle bool) {
	r.mu.Lock()
	r.removeLocked(w)
	under := r.round
	if under != nil && !slices.ContainsFunc(channels, func(c string) bool {
		return under.reads[c] && r.queues[c] == nil
	}) {
		under = nil
	}
	r.mu.Unlock()
	if settle && under != nil {
		r.line.interrupt(under.done, false)
	}
}

func (r *reader) removeLocked(w *waiter) {
	for _, channel := range r.waiting[w] {
		rest := slices.DeleteFunc(r.queues[channel], func(other *waiter) bool { return other == w })
		if r.queues[channel] = rest; len(rest) == 0 {
			delete(r.queues, channel)
		}
	}
	delete(r.waiting, w)
}

// forgetLocked removes the waiters that another host has served.
func (r *reader) forgetLocked() {
	if len(r.host.layer.hosts) == 1 {
		return
	}
	for w := range r.waiting {
		if !w.waits() {
			r.removeLocked(w)
		}
	}
}

// run reads until the layer is closed.
func (r *reader) run() {
	life := r.host.layer.life
	defer r.line.close()
	defer r.line.payBack()
	defer afterContext(life, func() {
		r.mu.Lock()
		under := r.round
		r.mu.Unlock()
		if under != nil {
			r.line.interrupt(under.done, true)
		}
	})()
	for life.Err() == nil {
		r.line.payBack()
		under := r.begin()
		if under == nil {
			select {
			case <-r.wake:
			case <-life.Done():
			}
			continue
		}
		err := r.read(under)
		r.mu.Lock()
		r.round = nil
		r.mu.Unlock()
		close(under.done)
		if err != nil && !r.line.recover(life, err) {
			return
		}
	}
}

// begin starts a round for all waiters, or returns nil if there are none.
func (r *reader) begin() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetLocked()
	var channels []string
	now := time.Now()
	for channel := range r.queues {
		if until, bad := r.bad[channel]; bad && now.Before(until) {
			continue
		}
		delete(r.bad, channel)
		channels = append(channels, channel)
	}
	if len(channels) == 0 || r.host.layer.life.Err() != nil {
		return nil
	}
	r.fair.order(channels)
	r.round = &round{channels: channels, reads: make(map[string]bool, len(channels)), done: make(chan struct{})}
	for _, channel := range channels {
		r.round.reads[channel] = true
	}
	return r.round
}

// read takes messages for the waiters: as many as wait, at once. If there are
// none, it waits for one.
func (r *reader) read(under *round) error {
	if r.eager && len(under.channels) <= manyNames {
		found, err := r.take(under, "", "")
		if found > 0 || err != nil {
			return err
		}
	}
	lists := make([]string, len(under.channels))
	for i, channel := range under.channels {
		lists[i] = r.host.layer.listKey(channel)
	}
	list, element, ok, err := r.line.pop(lists)
	switch {
	case isWrongType(err):
		return r.findWrongType(under)
	case err != nil || !ok:
		return err
	}
	channel := list[len(r.host.layer.opts.Prefix):]
	_, err = r.take(under, channel, element)
	if err != nil {
		r.line.owed = append(r.line.owed, taken{channel: channel, key: element})
	}
	return err
}

// take takes a message for each waiter, first the one that was popped from a
// channel, if any, and returns how many there were.
func (r *reader) take(under *round, popped, element string) (found int, err error) {
	r.mu.Lock()
	r.forgetLocked()
	want := len(r.waiting)
	most := make(map[string]int, len(under.channels))
	for _, channel := range under.channels {
		most[channel] = len(r.queues[channel])
	}
	r.mu.Unlock()
	l := r.host.layer
	channels := under.channels
	if len(channels) > manyNames {
		channels = []string{popped}
	}
	if element != "" && most[popped] == 0 {
		l.putBack(r.host, []taken{{channel: popped, key: element}})
		return 0, nil
	}
	if want == 0 {
		return 0, nil
	}
	keys, args := l.takeArgs(channels, want, most, popped, element)
	reply, err := r.line.eval("take", takeScript, keys, args...)
	if err != nil {
		return 0, err
	}
	all := l.took(r.host, channels, reply)
	r.eager = len(all) >= want
	r.hand(all)
	return len(all), nil
}

// hand gives messages to waiters. What no waiter wants is put back.
func (r *reader) hand(all []taken) {
	var surplus []taken
	l := r.host.layer
	for _, t := range all {
		r.fair.took(t.channel)
		d, ok := l.delivery(t)
		if !ok {
			continue
		}
		if w := r.claim(t.channel); w != nil {
			w.ready <- d
		} else {
			surplus = append(surplus, t)
		}
	}
	l.putBack(r.host, surplus)
}

// claim ends the wait of the first waiter of a channel and returns it, or nil.
func (r *reader) claim(channel string) *waiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queues[channel]) > 0 {
		w := r.queues[channel][0]
		r.removeLocked(w)
		if w.claim() {
			return w
		}
	}
	return nil
}

// findWrongType finds the channels whose keys hold no list. They are not read for
// a while, so that the others are.
func (r *reader) findWrongType(under *round) error {
	for _, channel := range under.channels {
		v, err := r.host.do(context.Background(), "type", "type", r.host.layer.listKey(channel))
		if err != nil {
			return err
		}
		if v != "list" && v != "none" {
			r.host.layer.wrongType(r.host, channel, "it is a "+v.(string))
			r.mu.Lock()
			r.bad[channel] = time.Now().Add(10 * time.Second)
			r.mu.Unlock()
		}
	}
	return nil
}
