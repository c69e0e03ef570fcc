package routing

import (
	"fmt"
	"strings"
)

// checkUnreached reports routes that receive no messages because earlier
// routes match all of them. It finds only two certain cases: routes after one
// that matches every message of the channel, and views of one path that an
// earlier route matches.
func (t *Table) checkUnreached() error {
	for _, channel := range t.Channels {
		entries := t.Entries[channel]
		var all *Entry // matches every message
		for i := range entries {
			e := &entries[i]
			earlier := all
			if earlier == nil {
				earlier = t.earlierMatch(channel, e)
			}
			if earlier != nil {
				what := fmt.Sprintf("%s is never reached: %s in line %d comes first and matches its messages", e.Describe(), earlier.Describe(), earlier.Route.Place.Line)
				if err := t.reporter.ReportAt(e.Route.Place, what, "routes are tried in order: put the more specific route first"); err != nil {
					return err
				}
			}
			if len(e.Includes) == 0 && len(e.Route.Patterns) == 0 && e.Route.View == nil && all == nil {
				all = e
			}
		}
	}
	return nil
}

// earlierMatch returns an earlier entry that matches all requests for a view
// with one fixed path, or nil.
func (t *Table) earlierMatch(channel string, e *Entry) *Entry {
	v := e.Route.View
	if v == nil || v.Path == nil || len(e.Includes) > 0 || len(v.params()) > 0 {
		return nil
	}
	methods := v.Methods
	if len(methods) == 0 {
		methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	}
	var earlier *Entry
	for _, method := range methods {
		m := t.Find(delivery(channel, method, v.Path.String()))
		if m.Entry == nil || m.Entry == e || strings.Contains(v.Path.String(), "<") {
			return nil
		}
		earlier = m.Entry
	}
	return earlier
}
