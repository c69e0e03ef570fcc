package script

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/internal/spell"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Check loads the application without serving it.
func (l *Loader) Check(ctx context.Context) error {
	app, err := l.Load(ctx, 1)
	if err != nil {
		return err
	}
	app.Close()
	return nil
}

// A Route is one route of an application.
type Route struct {
	Channel  string `json:"channel"`
	Pattern  string `json:"pattern"`  // as the author wrote it
	Consumer string `json:"consumer"` // name and place of the function
}

// Routing is the routing table of an application that is not running.
type Routing struct {
	Routes []Route // empty for a loop application

	table *table
}

// Routes loads the application and returns its routing table.
func (l *Loader) Routes(ctx context.Context) (Routing, error) {
	app, err := l.Load(ctx, 1)
	if err != nil {
		return Routing{}, err
	}
	defer app.Close()
	a, ok := app.(*routed)
	if !ok {
		return Routing{}, nil
	}
	return Routing{Routes: a.table.routes(), table: a.table}, nil
}

// routes lists the routes of a table.
func (t *table) routes() (all []Route) {
	for _, channel := range t.channels {
		entries := t.entries[channel]
		for i := range entries {
			all = append(all, entries[i].describeOn(channel))
		}
	}
	if t.wsgi != nil {
		all = append(all, routeOfWSGI(t.wsgi))
	}
	return all
}

// routeOfWSGI describes the function application of a file.
func routeOfWSGI(fn starlark.Callable) Route {
	return Route{asgi.HTTPRequest, "application", consumerName(fn)}
}

// describeOn describes an entry for messages on a channel.
func (e *entry) describeOn(channel string) Route { return Route{channel, e.describe(), e.name} }

// A Found is the route of a message.
type Found struct {
	Channel   string   `json:"channel"`
	Route     Route    `json:"route,omitzero"`      // empty if no route matches
	Arguments []string `json:"arguments,omitempty"` // of the consumer after the message, like id=3
	Methods   []string `json:"methods,omitempty"`   // allowed for the path, if only the method is wrong
	Near      []string `json:"near,omitempty"`      // suggestions, if no route matches
}

// Find returns the routes of a request and of a WebSocket's messages for a path.
// It skips channels for which the application has no routes.
func (r Routing) Find(method, path string) []Found {
	if r.table == nil {
		return nil
	}
	var all []Found
	for _, channel := range []string{asgi.HTTPRequest, asgi.WebSocketConnect, asgi.WebSocketReceive, asgi.WebSocketDisconnect} {
		if len(r.table.entries[channel]) == 0 && (channel != asgi.HTTPRequest || r.table.wsgi == nil) {
			continue
		}
		all = append(all, r.find(channel, method, path))
	}
	return all
}

func (r Routing) find(channel, method, path string) Found {
	f := Found{Channel: channel}
	m := r.table.find(delivery(channel, method, path))
	switch {
	case m.entry != nil:
		f.Route = m.entry.describeOn(channel)
		for _, kw := range m.kwargs {
			f.Arguments = append(f.Arguments, fmt.Sprintf("%s=%s", string(kw[0].(starlark.String)), kw[1]))
		}
	case len(m.allow) > 0:
		slices.Sort(m.allow)
		f.Methods = slices.Compact(m.allow)
	case channel == asgi.HTTPRequest && r.table.wsgi != nil:
		f.Route = Route{channel, "application", consumerName(r.table.wsgi)}
	default:
		f.Near = r.near(channel, method, path)
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

// near suggests similar paths that match a route of the channel.
func (r Routing) near(channel, method, path string) []string {
	var near []string
	for _, other := range variants(path) {
		if m := r.table.find(delivery(channel, method, other)); m.entry != nil {
			near = append(near, fmt.Sprintf("%s would match %s", other, m.entry.describe()))
		}
	}
	entries := r.table.entries[channel]
	for i := range entries {
		e := &entries[i]
		if v := e.route.view; v != nil && v.path != nil {
			if other := v.path.Near(path); other != "" {
				near = append(near, fmt.Sprintf("did you mean %s?", other))
			}
		}
		for _, p := range e.route.patterns {
			switch {
			case p.key != asgi.KeyPath:
			case unanchored(p.source, path):
				near = append(near, fmt.Sprintf("%s matches later in the path, but patterns are matched from the start", e.describe()))
			case resembles(p.source, path):
				near = append(near, fmt.Sprintf("%s nearly matches", e.describe()))
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

// nearest returns the place of the route of the channel that is most likely meant
// for the path: one that resembles it, or the first.
func (t *table) nearest(channel, path string) (syntax.Position, bool) {
	entries := t.entries[channel]
	for i := range entries {
		for _, p := range entries[i].route.patterns {
			if p.key == asgi.KeyPath && resembles(p.source, path) {
				return entries[i].route.pos, true
			}
		}
	}
	if len(entries) == 0 {
		return syntax.Position{}, false
	}
	return entries[0].route.pos, true
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
