package routing

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"asgibox/internal/spell"
	"asgibox/workerpool"
)

// A Reporter learns of mistakes that do not keep an application from running.
type Reporter interface {
	// ReportAt logs a warning with a hint, or returns an error if the
	// application must not have such mistakes.
	ReportAt(p Place, what, hint string) error
	// WarnAt logs a warning.
	WarnAt(p Place, text string)
}

// MaxRoutes is how many routes a table may have.
const MaxRoutes = 100_000

// A Table is the routing table of a generation.
type Table struct {
	Channels []string // of the routes, in order
	Entries  map[string][]Entry
	Clocks   []workerpool.Clock
	Limits   []workerpool.Limit
	// WSGI describes the WSGI application that handles requests without a
	// route; its Channel is empty if there is none.
	WSGI Description

	reporter Reporter
	clockAt  []Place        // of each clock
	limited  map[string]int // limits by channel and consumer
}

// An Entry is a route with its includes, outermost first.
type Entry struct {
	Includes []*Include
	Route    *Route
	Name     string // of the consumer, with its place
	Limit    string // key of its limit, or empty
}

// NewTable returns an empty table.
func NewTable(r Reporter) *Table {
	return &Table{Entries: make(map[string][]Entry), reporter: r, limited: make(map[string]int)}
}

// AddClock adds a clock, which a call at the place made.
func (t *Table) AddClock(c workerpool.Clock, at Place) {
	t.Clocks = append(t.Clocks, c)
	t.clockAt = append(t.clockAt, at)
}

// MinClock is the shortest interval of a clock.
const MinClock = 10 * time.Millisecond

// Add adds a route. It fails if the reporter does.
func (t *Table) Add(o *Route, includes []*Include) error {
	if err := t.checkSpelling(o); err != nil {
		return err
	}
	e := Entry{Includes: includes, Route: o, Name: o.ConsumerName()}
	if o.Concurrency > 0 {
		e.Limit = t.limitKey(o)
		t.Limits = append(t.Limits, workerpool.Limit{Key: e.Limit, Channel: o.Channel, Max: o.Concurrency})
	}
	if !slices.Contains(t.Channels, o.Channel) {
		t.Channels = append(t.Channels, o.Channel)
	}
	t.Entries[o.Channel] = append(t.Entries[o.Channel], e)
	return nil
}

// limitKey returns a key that the route's limit has in other generations too, so
// it does not depend on routes of other consumers.
func (t *Table) limitKey(o *Route) string {
	name := o.Channel + " " + o.Name
	t.limited[name]++
	return fmt.Sprintf("%s %d", name, t.limited[name])
}

// Check reports routes that get no messages, and clocks whose messages no route
// gets. The caller has added all routes.
func (t *Table) Check() error {
	for _, check := range []func() error{t.checkUnreached, t.checkMeeting, t.checkClocks} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkClocks reports clocks whose channel no route reads. Another program may
// read a channel whose name resembles none.
func (t *Table) checkClocks() error {
	for i, c := range t.Clocks {
		if len(t.Entries[c.Channel]) > 0 {
			continue
		}
		what, near := fmt.Sprintf("every: no route reads %q", c.Channel), spell.Nearest(c.Channel, t.Channels)
		if near == "" {
			t.reporter.WarnAt(t.clockAt[i], what)
		} else if err := t.reporter.ReportAt(t.clockAt[i], what, fmt.Sprintf("did you mean %q?", near)); err != nil {
			return err
		}
	}
	return nil
}

// Describe returns an entry as its author wrote it.
func (e *Entry) Describe() string {
	var b strings.Builder
	for _, in := range e.Includes {
		fmt.Fprintf(&b, "include(%s) > ", describePatterns(in.Patterns))
	}
	o := e.Route
	switch {
	case o.View != nil:
		b.WriteString(o.View.String())
	case len(o.Patterns) == 0:
		fmt.Fprintf(&b, "route(%q)", o.Channel)
	default:
		fmt.Fprintf(&b, "route(%q, %s)", o.Channel, describePatterns(o.Patterns))
	}
	return b.String()
}

func describePatterns(patterns []Pattern) string {
	var parts []string
	for _, p := range patterns {
		parts = append(parts, fmt.Sprintf("%s=r%q", p.Key, p.Source))
	}
	return strings.ReplaceAll(strings.Join(parts, ", "), `\\`, `\`)
}
