package script

import "strings"

// A Step is a call that a handler is about to make and whose effect other handlers
// may notice, or the start of a handler. A handler also stops for a step when a
// call that waited returns.
type Step struct {
	Message uint64 // id of the message that is handled; 0 in a hook
	Channel string // of the message
	Handler string // name and place of the consumer; empty in a loop
	Call    string // like "state.get"; empty at the start of a handler
	Place   string // file:line of the call; empty at the start of a handler
}

// step passes a step to [Options.Step]. That a loop waits for its next message is
// no step.
func (r *run) step(call string) {
	pass := r.unit.loader.opts.Step
	if pass == nil || r.worker != nil && strings.HasPrefix(call, "layer.receive") {
		return
	}
	s := Step{Handler: r.handler, Call: call, Place: location(r.thread)}
	if r.job != nil {
		s.Message, s.Channel = r.job.Delivery.ID, r.job.Delivery.Channel
	}
	pass(s)
}

// interrupted returns the error with which all scripts must end, or nil.
func (l *Loader) interrupted() error {
	if l.opts.Interrupt == nil {
		return nil
	}
	return l.opts.Interrupt()
}
