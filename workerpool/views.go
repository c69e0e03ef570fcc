package workerpool

import (
	"cmp"
	"slices"
	"time"

	"asgibox/asgi"
)

// A WorkerView is what one worker does now.
type WorkerView struct {
	Number     int // from 1; never used again
	Generation uint64
	Kind       Kind
	Busy       bool
	Channel    string // of the message that it handles
	Handler    string // the consumer's name
	Trace      asgi.TraceID
	Since      time.Time // when it began to handle it, or last answered
	Cancelled  bool      // it was told to stop and has not yet
	Leaving    bool      // it ends after what it does
}

// Workers answers what each worker does now, by number.
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
	v := WorkerView{Number: w.number, Generation: w.gen.number, Kind: w.gen.kind, Leaving: w.spare}
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

// Handled is one message that a worker has just handled.
type Handled struct {
	Delivery   *asgi.Delivery // not to be kept
	Worker     int
	Generation uint64
	Consumer   Consumer // nil if nobody was responsible
	Began      time.Time
}
