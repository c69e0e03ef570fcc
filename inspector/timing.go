package inspector

import (
	"time"

	"asgibox/inspector/api"
	"asgibox/store"
)

// start returns when the protocol server began to read the request.
func (x *exchange) start() time.Time {
	if x.ended() {
		if at := x.visit.At.Add(-x.visit.Duration); at.Before(x.began) {
			return at
		}
	}
	return x.began
}

// timing divides the time of a request, until now if it has not ended. It
// returns nil if the application was not involved.
func (x *exchange) timing(now time.Time) *api.Timing {
	if x.first == nil {
		return nil
	}
	sent, start, end, disk := x.began, x.start(), now, time.Duration(0)
	switch {
	case x.socket && !x.answered.IsZero():
		start, end = sent, x.answered
	case x.socket && x.ended(): // without a reply
		end = x.visit.At
	case x.ended():
		end, disk = x.visit.At, x.visit.Disk
	case !x.over.IsZero():
		end = x.over
	}
	taken, handled, replied := end, end, end
	switch span := x.first.span; {
	case span != nil:
		taken, handled = span.Began, span.Ended
	case x.first.kind == store.Taken: // by a loop, or the handler is running
		taken = x.first.ended
	}
	if x.ended() && !x.replied.IsZero() && !x.socket {
		replied = x.replied
	}
	// Each part begins when the part before ends, and none ends before it begins.
	at := start
	until := func(t time.Time) float64 {
		if t.After(end) {
			t = end
		}
		part := max(t.Sub(at), 0)
		at = at.Add(part)
		return api.Milliseconds(part)
	}
	var t api.Timing
	t.ReceivingMS = until(sent)
	t.WaitingMS = until(taken)
	if replied.Before(handled) {
		handled = replied
	}
	t.HandlerMS = until(handled)
	t.HeldMS = until(replied)
	t.DiskMS = until(at.Add(disk))
	t.WritingMS = until(end)
	return &t
}
