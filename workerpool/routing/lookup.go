package routing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/internal/spell"
)

// A Description is one route of an application.
type Description struct {
	Channel  string `json:"channel"`
	Pattern  string `json:"pattern"`  // as the author wrote it
	Consumer string `json:"consumer"` // name and place of the function
}

// Routes lists the routes of a table.
func (t *Table) Routes() (all []Description) {
	for _, channel := range t.Channels {
		entries := t.Entries[channel]
		for i := range entries {
			all = append(all, entries[i].DescribeOn(channel))
		}
	}
	if t.hasWSGI() {
		all = append(all, t.WSGI)
	}
	return all
}

func (t *Table) hasWSGI() bool { return t.WSGI.Channel != "" }

// DescribeOn describes an entry for messages on a channel.
func (e *Entry) DescribeOn(channel string) Description {
	return Description{channel, e.Describe(), e.Name}
}

// A Found is the route of a message.
type Found struct {
	Channel   string      `json:"channel"`
	Route     Description `json:"route,omitzero"`      // empty if no route matches
	Arguments []string    `json:"arguments,omitempty"` // of the consumer after the message, like id=3
	Methods   []string    `json:"methods,omitempty"`   // allowed for the path, if only the method is wrong
	Near      []string    `json:"near,omitempty"`      // suggestions, if no route matches
}

// Lookup returns the routes of a request and of a WebSocket's messages for a path.
// It skips channels for which the application has no routes.
func (t *Table) Lookup(method, path string) []Found {
	var all []Found
	for _, channel := range []string{asgi.HTTPRequest, asgi.WebSocketConnect, asgi.WebSocketReceive, asgi.WebSocketDisconnect} {
		if len(t.Entries[channel]) == 0 && (channel != asgi.HTTPRequest || !t.hasWSGI()) {
			continue
		}
		all = append(all, t.lookup(channel, method, path))
	}
	return all
}

func (t *Table) lookup(channel, method, path string) Found {
	f := Found{Channel: channel}
	m := t.Find(delivery(channel, method, path))
	switch {
	case m.Entry != nil:
		f.Route = m.Entry.DescribeOn(channel)
		for _, c := range m.Args {
			f.Arguments = append(f.Arguments, c.String())
		}
	case len(m.Allow) > 0:
		f.Methods = allowed(m.Allow)
	case channel == asgi.HTTPRequest && t.hasWSGI():
		f.Route = t.WSGI
	default:
		f.Near = t.near(channel, method, path)
	}
	return f
}

func delivery(channel, method, path string) asgi.Delivery {
	fields := asgi.Fields{{Key: asgi.KeyPath, Value: path}}
	if channel == asgi.HTTPRequest {
		fields = append(fields, asgi.Field{Key: asgi.KeyMethod, Value: method})
	}
	m, err := asgi.NewMessage(fields...)
	if err != nil {
		return asgi.Delivery{Channel: channel}
	}
	return asgi.Delivery{Channel: channel, Message: m}
}

// maxNear is the length of the longest path for which others are suggested, in bytes.
const maxNear = 1 << 10

// near suggests similar paths that match a route of the channel.
func (t *Table) near(channel, method, path string) []string {
	if len(path) > maxNear {
		return nil // a client would make the server split it for each route
	}
	var near []string
	for _, other := range variants(path) {
		if m := t.Find(delivery(channel, method, other)); m.Entry != nil {
			near = append(near, fmt.Sprintf("%s would match %s", other, m.Entry.Describe()))
		}
	}
	entries := t.Entries[channel]
	for i := range entries {
		e := &entries[i]
		if v := e.Route.View; v != nil && v.Path != nil {
			if other := v.Path.Near(path); other != "" {
				near = append(near, fmt.Sprintf("did you mean %s?", other))
			}
		}
		for _, p := range e.Route.Patterns {
			switch {
			case p.Key != asgi.KeyPath:
			case unanchored(p.Source, path):
				near = append(near, fmt.Sprintf("%s matches later in the path, but patterns are matched from the start", e.Describe()))
			case resembles(p.Source, path):
				near = append(near, fmt.Sprintf("%s nearly matches", e.Describe()))
			}
		}
	}
	return near
}

// resembles reports whether a path is a misspelling of a pattern that is nearly a
// plain text.
func resembles(source, path string) bool {
	plain := strings.TrimSuffix(strings.TrimPrefix(source, "^"), "$")
	return spell.Nearest(path, []string{plain}) != ""
}

// Nearest returns the place of the route of the channel that is most likely meant
// for the path: one that resembles it, or the first.
func (t *Table) Nearest(channel, path string) (Place, bool) {
	entries := t.Entries[channel]
	for i := range entries {
		for _, p := range entries[i].Route.Patterns {
			if p.Key == asgi.KeyPath && resembles(p.Source, path) {
				return entries[i].Route.Place, true
			}
		}
	}
	if len(entries) == 0 {
		return Place{}, false
	}
	return entries[0].Route.Place, true
}

// variants returns paths that are easily confused with this one.
func variants(path string) []string {
	all := []string{path + "/", strings.TrimRight(path, "/"), "/" + strings.TrimLeft(path, "/"), strings.ToLower(path)}
	seen := map[string]bool{path: true, "": true}
	return slices.DeleteFunc(all, func(p string) bool {
		duplicate := seen[p]
		seen[p] = true
		return duplicate
	})
}

// unanchored reports whether a pattern matches anywhere in a path.
func unanchored(source, path string) bool {
	re, err := regexp.Compile(strings.TrimPrefix(source, "^"))
	return err == nil && re.MatchString(path)
}
