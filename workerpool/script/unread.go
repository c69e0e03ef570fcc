package script

import (
	"maps"
	"slices"

	"asgibox/asgi"
	"asgibox/workerpool/routing"
)

// unreadProblem returns a problem if no route receives from a channel of the
// application's own, and no reader waits on it or has read it recently. A reader
// may come later, so a name that resembles none is only possibly a problem.
func (r *run) unreadProblem(name string) *problem {
	u := r.unit
	switch {
	case routing.IsProtocol(name) || r.loading != nil:
		return nil
	case u.table != nil && len(u.table.Entries[name]) > 0 || u.readers.HasReader(name):
		return nil
	}
	channels := u.ownChannels()
	near := didYouMean(name, channels)
	if slices.Contains(channels, name) || near == "" && u.table == nil {
		return nil
	}
	hint := ""
	if near == "" {
		hint = "add a route for it, or start a program that receives from it; unread messages expire"
	}
	p := newProblem(hint, "no route or reader receives from %q%s", name, near)
	p.possible = near == ""
	return p
}

// ownChannels returns the channels that the application receives from, without
// those of protocol servers.
func (u *unit) ownChannels() []string {
	u.mu.Lock()
	names := slices.Collect(maps.Keys(u.received))
	u.mu.Unlock()
	if u.table != nil {
		names = append(names, u.table.Channels...)
	}
	return slices.DeleteFunc(names, routing.IsProtocol)
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
