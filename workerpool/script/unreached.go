package script

import (
	"fmt"
	"strings"
)

// checkUnreached reports routes that receive no messages because earlier
// routes match all of them. It finds only two certain cases: routes after one
// that matches every message of the channel, and views of one path that an
// earlier route matches.
func (t *table) checkUnreached() error {
	for _, channel := range t.channels {
		entries := t.entries[channel]
		var all *entry // matches every message
		for i := range entries {
			e := &entries[i]
			earlier := all
			if earlier == nil {
				earlier = t.earlierMatch(channel, e)
			}
			if earlier != nil {
				what := fmt.Sprintf("%s is never reached: %s in line %d comes first and matches its messages", e.describe(), earlier.describe(), earlier.route.pos.Line)
				if err := t.unit.reportAt(e.route.pos, what, "routes are tried in order: put the more specific route first"); err != nil {
					return err
				}
			}
			if len(e.includes) == 0 && len(e.route.patterns) == 0 && e.route.view == nil && all == nil {
				all = e
			}
		}
	}
	return nil
}

// earlierMatch returns an earlier entry that matches all requests for a view
// with one fixed path, or nil.
func (t *table) earlierMatch(channel string, e *entry) *entry {
	v := e.route.view
	if v == nil || v.path == nil || len(e.includes) > 0 || len(v.params()) > 0 {
		return nil
	}
	methods := v.methods
	if len(methods) == 0 {
		methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	}
	var earlier *entry
	for _, method := range methods {
		m := t.find(delivery(channel, method, v.path.String()))
		if m.entry == nil || m.entry == e || strings.Contains(v.path.String(), "<") {
			return nil
		}
		earlier = m.entry
	}
	return earlier
}
