package testfile

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"asgibox/asgi"
)

const indent = 4

// A step is an input and the replies that come before the next one.
type step struct {
	*input
	replies []*reply
}

// steps returns the inputs in order, each with its replies. A test waits after
// each input until its handlers have ended, so replies follow their cause, even
// if the recorded clients were faster.
func (k *conversation) steps() (steps []*step) {
	of := map[*input]*step{}
	for _, c := range k.connections {
		for _, in := range c.inputs {
			s := &step{input: in}
			of[in], steps = s, append(steps, s)
		}
	}
	slices.SortFunc(steps, func(a, b *step) int { return a.at - b.at })
	for _, c := range k.connections {
		for _, r := range c.replies {
			s := of[r.cause]
			if r.delay() > promptly {
				n, _ := slices.BinarySearchFunc(steps, r.at, func(s *step, at int) int { return s.at - at })
				s = steps[max(n, 1)-1]
			}
			s.replies = append(s.replies, r)
		}
	}
	for _, s := range steps {
		slices.SortFunc(s.replies, func(a, b *reply) int { return a.at - b.at })
	}
	return steps
}

// delay returns the time from the cause of a reply to the reply.
func (r *reply) delay() time.Duration { return r.Sent.Sub(r.cause.Sent) }

// A writer writes one test.
type writer struct {
	strings.Builder
	masker  *masker
	exact   masker
	names   map[string]int // of variables, and the last number that was added to each
	clients map[*browser]string
	known   map[string]any // state as the test knows it
	closed  map[*connection]bool
	streams map[*connection]bool
	pieces  map[*connection][]string // of streams, not yet received
	waits   []wait                   // for messages of sockets, not yet written
}

// write returns the lines of a test.
func write(k *conversation, r *recording) string {
	w := &writer{
		masker: newMasker(r, k), names: map[string]int{}, clients: map[*browser]string{}, known: map[string]any{},
		closed: map[*connection]bool{}, streams: map[*connection]bool{}, pieces: map[*connection][]string{},
	}
	for _, name := range []string{"client", "response", "each", "state", "layer", "json", "time", "re", "any", "all", "list", "str", "set", "http", "log"} {
		w.names[name] = 1
	}
	w.exact = masker{varying: []*regexp.Regexp{uuids}, variables: w.masker.variables, onlyVariables: true}
	steps := k.steps()
	for _, s := range steps {
		w.state(s.input)
		switch s.Channel {
		case asgi.HTTPRequest:
			w.request(s)
		case asgi.HTTPDisconnect:
			w.leave(s.connection)
		case asgi.WebSocketConnect:
			w.connect(s)
		case asgi.WebSocketReceive:
			w.send(s)
		case asgi.WebSocketDisconnect:
			w.disconnect(s)
		}
		for i, reply := range s.replies {
			w.reply(reply, s.replies[i+1:])
		}
		w.flush()
	}
	return w.String()
}

// line writes a line of the test.
func (w *writer) line(format string, args ...any) {
	w.flush()
	text := strings.Repeat(" ", indent) + fmt.Sprintf(format, args...) + "\n"
	w.WriteString(strings.ReplaceAll(text, ", \n", ",\n")) // before a text of several lines
}

// state sets the values that the handlers of an input read, unless the test has
// led to them.
func (w *writer) state(in *input) {
	for _, use := range in.uses {
		key, isState := strings.CutPrefix(use.Key, asgi.StatePrefix)
		if !isState {
			continue
		}
		before, known := w.known[key]
		if !known {
			before = asgi.Absent
		}
		if use.Read && !asgi.Equal(before, use.Before) {
			if use.Before == any(asgi.Absent) {
				w.line("client.state.delete(%s)", w.exact.text(key))
			} else {
				start := fmt.Sprintf("client.state.set(%s, ", w.exact.text(key))
				w.line("%s%s)", start, w.exact.literal(use.Before, indent, indent+len(start)))
				w.given(use.Before)
			}
		}
		w.known[key] = use.After
	}
}

// given notes a value that the test sets.
func (w *writer) given(v any) {
	text := w.exact.flat(v)
	w.masker.give(text)
	for _, id := range uuids.FindAllString(text, -1) {
		delete(w.masker.captured, id)
	}
}

// client returns the variable of a connection's browser.
func (w *writer) client(c *connection) string {
	name := w.clients[c.browser]
	if name == "" {
		name = "client"
		if len(w.clients) > 0 {
			name = w.variable("client")
			w.line("%s = client.browser()", name)
		}
		w.clients[c.browser] = name
		if c.browser.session != "" {
			w.session(name, c)
		}
	}
	return name
}

// session sets the session that a browser had before the recording.
func (w *writer) session(name string, c *connection) {
	for _, in := range c.inputs {
		for _, use := range in.uses {
			if session, ok := use.Before.(asgi.Dict); ok && use.Key == asgi.SessionPrefix+c.browser.session {
				start := name + ".set_session("
				w.line("%s%s)", start, w.exact.literal(session, indent, indent+len(start)))
				w.given(session)
				return
			}
		}
	}
}

// variable returns an unused name of a variable.
func (w *writer) variable(name string) string {
	unused := name
	for w.names[unused] > 0 {
		w.names[name]++
		unused = fmt.Sprintf("%s_%d", name, w.names[name])
	}
	w.names[unused] = 1
	return unused
}

// timeout returns the argument timeout of a wait for a reply, or "" if the
// default, in seconds, is long enough.
func timeout(r *reply, otherwise float64) string {
	if s := r.delay().Seconds(); s > otherwise*0.9 {
		return fmt.Sprintf("timeout=%d", int(math.Ceil(s))+1)
	}
	return ""
}
