package workerpool

import (
	"cmp"
	"slices"
	"time"

	"asgibox/asgi"
)

// A WorkerView describes the current work of one worker.
type WorkerView struct {
	Number     int // starts at 1 and is never used again
	Generation uint64
	Kind       Kind
	Busy       bool
	Channel    string // of the message that it handles
	Handler    string // the consumer's name
	Trace      asgi.TraceID
	Since      time.Time // start of the handler, or the last time it sent to its connection
	Cancelled  bool      // the handler was cancelled and has not stopped
	Leaving    bool      // the worker ends after its current message
}

// Workers describes all workers, sorted by number.
func (p *Pool) Workers() []WorkerView {
	p.mu.Lock()
	defer p.mu.Unlock()
	views := make([]WorkerView, 0, len(p.workers))
	for w := range p.workers {
		views = append(views, w.viewLocked())
	}
	slices.SortFunc(views, func(a, b WorkerView) int { return cmp.Compare(a.Number, b.Number) })
	return views
}

func (w *worker) viewLocked() WorkerView {
	v := WorkerView{Number: w.number, Generation: w.gen.number, Kind: w.gen.kind, Leaving: w.surplus}
	if w.job == nil || w.job.Delivery.Channel == "" {
		return v
	}
	v.Busy = true
	v.Channel, v.Trace, v.Since = w.job.Delivery.Channel, w.job.Delivery.Trace, w.since
	v.Cancelled = !w.cancelled.IsZero()
	if w.job.gen != nil {
		v.Generation = w.job.gen.number
	}
	if w.task != nil && w.task.consumer != nil {
		v.Handler = w.task.consumer.Name()
	}
	return v
}
