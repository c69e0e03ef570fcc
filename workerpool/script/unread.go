package script

import (
	"maps"
	"slices"

	"asgibox/asgi"
	"asgibox/workerpool/routing"
	"asgibox/workerpool/sendcheck"
)

// unreadProblem returns a problem if nothing receives from a channel of the
// application's own, or nil.
func (r *run) unreadProblem(name string) *sendcheck.Problem {
	if r.loading != nil {
		return nil
	}
	u := r.unit
	var t *routing.Table
	if u.table != nil {
		t = u.table.Table
	}
	return sendcheck.Unread(t, u.readers, u.receives, name)
}

// receives returns the channels that the application's own calls receive from.
func (u *unit) receives() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Collect(maps.Keys(u.received))
}

// maxReceived limits the number of channels that a unit remembers.
const maxReceived = 1000

// noteReceive records the channels that the script receives from.
func (r *run) noteReceive(channels []string) {
	if slices.Equal(r.received, channels) {
		return
	}
	r.received = slices.Clone(channels)
	u := r.unit
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, name := range channels {
		if asgi.KindOf(name) == asgi.Normal && len(u.received) < maxReceived {
			u.received[name] = true
		}
	}
}
