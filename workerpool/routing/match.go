package routing

import (
	"strings"

	"asgibox/asgi"
	"asgibox/workerpool/script/web"
)

// A Match is the entry that matches a message, with the captured arguments.
type Match struct {
	Entry  *Entry // nil if no entry matches
	Args   []web.Capture
	Params []web.Capture // those of Args that a view's path captured
	Path   string        // the rest of the path after includes, for files
	Allow  []string      // methods of views that match except for the method
}

// Find finds the first entry that matches a message.
func (t *Table) Find(d asgi.Delivery) (m Match) {
	entries := t.Entries[d.Channel]
	for i := range entries {
		if e := &entries[i]; m.matches(e, d.Message) {
			m.Entry = e
			return m
		}
	}
	m.Args = nil
	return m
}

// matches reports whether an entry matches a message, and sets the arguments.
func (m *Match) matches(e *Entry, msg asgi.Message) bool {
	m.Args = nil
	if len(e.Includes) == 0 && len(e.Route.Patterns) == 0 && e.Route.View == nil {
		return true
	}
	rest := rest{msg: msg}
	for _, in := range e.Includes {
		if !m.matchPatterns(in.Patterns, &rest, true) {
			return false
		}
	}
	if !m.matchPatterns(e.Route.Patterns, &rest, false) {
		return false
	}
	if e.Route.View == nil {
		return true
	}
	return m.matchView(e.Route.View, &rest)
}

// rest holds the texts of a message without the prefixes that includes matched.
type rest struct {
	msg     asgi.Message
	trimmed []pair
}

type pair struct{ key, text string }

func (r *rest) text(key string) (string, bool) {
	for i := len(r.trimmed) - 1; i >= 0; i-- {
		if r.trimmed[i].key == key {
			return r.trimmed[i].text, true
		}
	}
	v, _ := r.msg.Get(key)
	return asgi.Octets(v)
}

// matchPatterns reports whether all patterns match, and saves the captured texts.
// If trim is true, it removes the matched prefixes from the rest.
func (m *Match) matchPatterns(patterns []Pattern, rest *rest, trim bool) bool {
	for i := range patterns {
		p := &patterns[i]
		text, ok := rest.text(p.Key)
		if !ok {
			return false
		}
		at := p.re.FindStringSubmatchIndex(text)
		if at == nil {
			return false
		}
		for n, name := range p.re.SubexpNames() {
			if name == "" {
				continue
			}
			var v any
			if at[2*n] >= 0 {
				v = text[at[2*n]:at[2*n+1]]
			}
			m.capture(name, v)
		}
		if trim {
			rest.trimmed = append(rest.trimmed, pair{p.Key, text[at[1]:]})
		}
	}
	return true
}

// capture sets an argument. Inner patterns overwrite outer ones.
func (m *Match) capture(name string, v any) {
	for i := range m.Args {
		if m.Args[i].Name == name {
			m.Args[i].Value = v
			return
		}
	}
	m.Args = append(m.Args, web.Capture{Name: name, Value: v})
}

// matchView reports whether a view matches the rest of the path. If it does not
// allow the method, matchView saves the methods that it allows.
func (m *Match) matchView(v *View, rest *rest) bool {
	path, _ := rest.text(asgi.KeyPath)
	if len(rest.trimmed) > 0 && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if v.Files != nil {
		m.Path = path
		return v.Files.Match(path)
	}
	captured, ok := v.Path.Match(path)
	if !ok {
		return false
	}
	if !v.allowsMethod(rest.msg.Text(asgi.KeyMethod)) {
		m.Allow = append(m.Allow, v.allowedMethods()...)
		return false
	}
	m.Params = captured
	for _, c := range captured {
		m.capture(c.Name, c.Value)
	}
	return true
}

// Receives reports whether messages of a WebSocket may match a route.
func (t *Table) Receives(d asgi.Delivery) bool {
	d.Channel = asgi.WebSocketReceive
	for i := range t.Entries[d.Channel] {
		var m Match
		if e := &t.Entries[d.Channel][i]; !e.onlyPath() || m.matches(e, d.Message) { // other texts are not known yet
			return true
		}
	}
	return false
}

// onlyPath reports whether an entry matches only the path, which is the same in
// all messages of a connection.
func (e *Entry) onlyPath() bool {
	for _, in := range e.Includes {
		if hasOther(in.Patterns) {
			return false
		}
	}
	return !hasOther(e.Route.Patterns)
}

func hasOther(patterns []Pattern) bool {
	for _, p := range patterns {
		if p.Key != asgi.KeyPath {
			return true
		}
	}
	return false
}
