package workerpool

import (
	"errors"
	"net/http"
	"time"

	"asgibox/asgi"
)

// This file bounds the requests and handshakes that wait in the pool for a place of the
// concurrency limit of their route, because a layer that cannot offer messages does not
// keep them. A full route must not stop others, so the pool replies 503 to those above.

// maxLimitedBytes limits the memory of the tasks that wait for places of limits.
const maxLimitedBytes = 64 << 20

var errCrowded = errors.New("too many requests wait for the concurrency limit of this route, or this one has waited too long")

// awaitPlaceLocked makes a task wait for a place of its limit.
func (p *Pool) awaitPlaceLocked(l *limit, t *task) {
	l.waiting.push(t)
	p.limited++
	p.limitedBytes += t.footprint()
	p.gateLocked()
}

// nextForPlaceLocked makes the first task that waits for a place of a limit ready, if there
// is one.
func (p *Pool) nextForPlaceLocked(l *limit) {
	t := l.waiting.pop()
	if t == nil {
		return
	}
	p.limited--
	p.limitedBytes -= t.footprint()
	p.ready.push(t)
	p.gateLocked()
}

// gateLocked stops or continues receiving requests and handshakes, depending on how many
// tasks wait for a worker.
func (p *Pool) gateLocked() {
	if shut := p.waiting-p.limited >= maxReady; shut != p.shut {
		p.shut = shut
		p.subscribeLocked()
	}
}

// isCrowdedLocked reports whether a task that was received cannot wait for its limit.
func (p *Pool) isCrowdedLocked(t *task) bool {
	l := p.limitOfLocked(t)
	if l == nil || !l.full() || !t.opens() {
		return false
	}
	return l.waiting.length >= p.layer.Settings().Capacity || p.limitedBytes+t.footprint() > maxLimitedBytes
}

// isLateLocked reports whether a task has waited in the pool until it would have expired in
// its channel.
func (p *Pool) isLateLocked(t *task) bool {
	return p.offering == nil && t.opens() && !t.delivery.Deadline.IsZero() && time.Now().After(t.delivery.Deadline)
}

// opens reports whether the task is a request or a handshake, whose client waits for a reply.
func (t *task) opens() bool {
	return t.delivery.Channel == asgi.HTTPRequest || t.delivery.Channel == asgi.WebSocketConnect
}

// turnAwayLocked replies to a task that will not start. It releases the lock meanwhile.
func (p *Pool) turnAwayLocked(t *task) {
	p.mu.Unlock()
	defer p.mu.Lock()
	j := &Job{pool: p, Delivery: t.delivery, Cause: t.cause, reply: t.reply}
	p.sendErrorReply(j, Failure{
		Err: errCrowded, Status: http.StatusServiceUnavailable, Channel: t.delivery.Channel, Message: t.delivery.Message,
		Generation: t.gen.number, Trace: t.cause.Trace(), ID: t.delivery.ID,
	})
}
