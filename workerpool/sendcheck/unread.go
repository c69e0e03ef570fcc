package sendcheck

import (
	"slices"

	"asgibox/asgi"
	"asgibox/workerpool/routing"
)

// Unread returns the problem of a message on a channel of the application's own that no
// route reads, and that no reader waits on or has read recently. Own returns further
// channels that the application reads. A reader may come later, so a name that
// resembles none is only possibly a problem, and none at all without a table.
func Unread(t *routing.Table, readers asgi.Readers, own func() []string, name string) *Problem {
	if routing.IsProtocol(name) || t != nil && len(t.Entries[name]) > 0 || readers.HasReader(name) {
		return nil
	}
	channels := own()
	if t != nil {
		channels = append(channels, t.Channels...)
	}
	channels = slices.DeleteFunc(channels, routing.IsProtocol)
	near := didYouMean(name, channels)
	if slices.Contains(channels, name) || near == "" && t == nil {
		return nil
	}
	hint := ""
	if near == "" {
		hint = "add a route for it, or start a program that receives from it; unread messages expire"
	}
	p := newProblem(hint, "no route or reader receives from %q%s", name, near)
	p.Possible = near == ""
	return p
}
