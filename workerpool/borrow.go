package workerpool

import (
	"fmt"
	"runtime/debug"
	"time"
)

// slowCall is how long a call of a handler takes at least for the next one not to
// run on the goroutine of its sender. That goroutine has other work, and another
// one must take over if the handler takes long.
const slowCall = time.Millisecond

// borrowLocked makes the goroutine of the sender run a task in the place of a
// parked worker. It reports false if a worker must run the task itself.
func (p *Pool) borrowLocked(t *task) bool {
	last := len(p.idle) - 1
	if last < 0 || p.starting.length+p.ready.length > 0 || !t.ordered() || t.gen.slow[t.name()] {
		return false
	}
	w := p.idle[last]
	if !w.countsLocked() {
		return false
	}
	p.idle[last] = nil
	p.idle = p.idle[:last]
	p.startedLocked()
	t.borrowed = w
	w.turn = true
	p.runLocked(w, t)
	return true
}

// Run runs a task for the worker that the task was borrowed from. That worker
// stays parked if there is nothing else to do.
func (a *acceptor) Run(ticket any) {
	defer crashOnPanic()
	p, t := a.pool, ticket.(*task)
	w := t.borrowed
	w.handle(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	w.running = false
	if p.hasWorkLocked(w) {
		w.wake <- struct{}{}
		return
	}
	w.setFreeLocked(true)
	p.idle = append(p.idle, w)
}

// crashOnPanic ends the process if the pool has panicked, as on the goroutine of a
// worker. The sender must not recover the panic: the pool would lose a worker, and
// its mutex might stay locked.
func crashOnPanic() {
	if v := recover(); v != nil {
		fault := fmt.Sprintf("%v\n\n%s", v, debug.Stack())
		go panic(fault)
		select {} // the process ends
	}
}

// hasWorkLocked reports whether next would do more than park the worker.
func (p *Pool) hasWorkLocked(w *worker) bool {
	return p.mustEndLocked(w) || p.stopping || p.unsettled || p.canRetryLocked(false) ||
		len(p.rooms)+p.starting.length+p.ready.length+len(p.returning) > 0
}

// noteDurationLocked records whether a call of a handler has taken long.
func (p *Pool) noteDurationLocked(t *task, took time.Duration) {
	slow := t.gen.slow
	switch {
	case took >= slowCall:
		if slow == nil {
			slow = make(map[string]bool)
			t.gen.slow = slow
		}
		slow[t.name()] = true
	case len(slow) > 0:
		delete(slow, t.name())
	}
}

// name returns the name of the consumer.
func (t *task) name() string {
	if t.consumer == nil {
		return ""
	}
	return t.consumer.Name()
}
