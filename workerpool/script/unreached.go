package script

import (
	"fmt"
	"strings"
)

// warnUnreached warns of routes whose messages all go to routes before them.
// It sees the plain cases, in which that is sure: after a route that takes
// every message of the channel, and a view of one path that a view before it
// takes.
func (t *table) warnUnreached() {
	if t.unit.loader.opts.NoCheck {
		return
	}
	for _, channel := range t.channels {
		entries := t.entries[channel]
		var all *entry // that takes every message
		for i := range entries {
			e := &entries[i]
			taker := all
			if taker == nil {
				taker = t.before(channel, e)
			}
			if taker != nil {
				t.unit.warnAt(e.route.pos, fmt.Sprintf("%s is never reached: %s in line %d comes first and takes its messages (routes are tried in order: put the narrower one first)",
					e.describe(), taker.describe(), taker.route.pos.Line))
			}
			if len(e.within) == 0 && len(e.route.patterns) == 0 && e.route.view == nil && all == nil {
				all = e
			}
		}
	}
}

// before answers the entry that takes all requests for the one path of a view,
// if another than the view's own does.
func (t *table) before(channel string, e *entry) *entry {
	v := e.route.view
	if v == nil || v.path == nil || len(e.within) > 0 || len(v.params()) > 0 {
		return nil
	}
	methods := v.methods
	if len(methods) == 0 {
		methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	}
	var taker *entry
	for _, method := range methods {
		m := t.find(delivery(channel, method, v.path.String()))
		if m.entry == nil || m.entry == e || strings.Contains(v.path.String(), "<") {
			return nil
		}
		taker = m.entry
	}
	return taker
}
