package script

import (
	"errors"
	"fmt"
	"slices"

	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/routing"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// item is an entry of a channel_routing list: a route, an include or a clock.
type item interface {
	starlark.Value
	place() syntax.Position
}

// opaque implements [starlark.Value] for values without attributes.
type opaque struct {
	kind string
	pos  syntax.Position // of the call that made it
}

func (o opaque) String() string         { return "<" + o.kind + ">" }
func (o opaque) Type() string           { return o.kind }
func (o opaque) Freeze()                {}
func (o opaque) Truth() starlark.Bool   { return true }
func (o opaque) Hash() (uint32, error)  { return 0, errors.New("unhashable: " + o.kind) }
func (o opaque) place() syntax.Position { return o.pos }

// route is the result of route, view and static. Its consumer is a
// [starlark.Callable].
type route struct {
	opaque
	routing.Route
	frozen bool
}

var _ holder = (*route)(nil)

// Held returns the consumer.
func (o *route) Held() []starlark.Value { return []starlark.Value{o.Consumer.(starlark.Value)} }

func (o *route) Freeze() { freezeHeld(o, &o.frozen) }

// include is the result of include(routes, **patterns).
type include struct {
	opaque
	routing.Include
	items  []item
	frozen bool
}

var _ holder = (*include)(nil)

// Held returns the routes.
func (o *include) Held() []starlark.Value {
	all := make([]starlark.Value, len(o.items))
	for i, it := range o.items {
		all[i] = it
	}
	return all
}

func (o *include) Freeze() { freezeHeld(o, &o.frozen) }

// clock is the result of every(seconds, channel, content).
type clock struct {
	opaque
	workerpool.Clock
}

// callPos returns the place of the call to the builtin that is running.
func callPos(r *run) syntax.Position {
	if r.thread.CallStackDepth() < 2 {
		return syntax.Position{}
	}
	return r.thread.CallFrame(1).Pos
}

// routeCall implements
// route(channel, consumer, ordered=True, concurrency=None, **patterns).
func routeCall(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	o := route{opaque: opaque{b.Name(), callPos(r)}}
	known, patterns := splitKwargs(kwargs, "channel", "consumer", "ordered", "concurrency")
	var to, consumer starlark.Value
	ordered, concurrency := true, starlark.Value(starlark.None)
	err := starlark.UnpackArgs(b.Name(), args, known, "channel", &to, "consumer", &consumer,
		"ordered?", &ordered, "concurrency?", &concurrency)
	if err != nil {
		return nil, err
	}
	if o.Channel, err = channelName(b.Name(), to); err != nil {
		return nil, err
	}
	if err := asgi.CheckReceive(o.Channel); err != nil {
		return nil, err
	}
	if err := o.setConsumer(b.Name(), consumer); err != nil {
		return nil, err
	}
	o.Unordered = !ordered
	if o.Concurrency, err = concurrencyArg(concurrency); err != nil {
		return nil, err
	}
	if o.Patterns, err = compilePatterns(patterns); err != nil {
		return nil, err
	}
	return &o, routing.KnownKeys(o.Channel, o.Patterns)
}

// concurrencyArg converts a concurrency argument.
func concurrencyArg(v starlark.Value) (int, error) {
	if v == starlark.None {
		return 0, nil
	}
	n, err := starlark.AsInt32(v)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("concurrency must be a number of handlers, at least 1, not %s", value.Brief(v))
	}
	return n, nil
}

func callable(call string, v starlark.Value) (starlark.Callable, error) {
	c, ok := v.(starlark.Callable)
	if !ok {
		return nil, explain.Hintf("write the function's name, without () after it", "%s: the consumer is %s, not a function", call, value.An(v))
	}
	return c, nil
}

// setConsumer sets the consumer of a route.
func (o *route) setConsumer(call string, v starlark.Value) error {
	fn, err := callable(call, v)
	if err == nil {
		o.Consumer, o.Name, o.At = fn, fn.Name(), placeOfFunction(fn)
	}
	return err
}

// splitKwargs separates keyword arguments with the given names from all others.
func splitKwargs(kwargs []starlark.Tuple, names ...string) (known, others []starlark.Tuple) {
	for _, kw := range kwargs {
		name, _ := starlark.AsString(kw[0])
		if slices.Contains(names, name) {
			known = append(known, kw)
		} else {
			others = append(others, kw)
		}
	}
	return known, others
}

// compilePatterns compiles patterns that match from the start of a text.
func compilePatterns(kwargs []starlark.Tuple) ([]routing.Pattern, error) {
	var all []routing.Pattern
	for _, kw := range kwargs {
		key, _ := starlark.AsString(kw[0])
		source, ok := starlark.AsString(kw[1])
		if !ok {
			return nil, fmt.Errorf("%s: a pattern must be text, not %s", key, value.An(kw[1]))
		}
		p, err := routing.CompilePattern(key, source)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// includeCall implements include(routes, **patterns).
func includeCall(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	o := include{opaque: opaque{b.Name(), callPos(r)}}
	known, patterns := splitKwargs(kwargs, "routes")
	var routes starlark.Value
	err := starlark.UnpackArgs(b.Name(), args, known, "routes", &routes)
	if err != nil {
		return nil, err
	}
	if o.items, err = itemsOf("include", routes); err != nil {
		return nil, err
	}
	o.Patterns, err = compilePatterns(patterns)
	return &o, err
}

const itemsHint = "write a list of route(…), view(…), static(…), every(…) and include(…)"

// maxLists is how deeply lists of routes may nest.
const maxLists = 100

// itemsOf returns the items of a list of routes, which may contain lists.
func itemsOf(what string, v starlark.Value) ([]item, error) { return itemsIn(what, v, 1) }

func itemsIn(what string, v starlark.Value, depth int) ([]item, error) {
	if depth > maxLists {
		return nil, fmt.Errorf("a list of routes nests deeper than %d, or contains itself", maxLists)
	}
	if d, ok := v.(*starlark.Dict); ok {
		return dictItems(d)
	}
	list, ok := v.(starlark.Iterable)
	if !ok {
		return nil, explain.Hintf(itemsHint, "%s is %s, not a list of routes", what, value.An(v))
	}
	var items []item
	n := 0
	for v := range starlark.Elements(list) {
		switch v := v.(type) {
		case item:
			items = append(items, v)
		case *starlark.List:
			inner, err := itemsIn(fmt.Sprintf("%s[%d]", what, n), v, depth+1)
			if err != nil {
				return nil, err
			}
			items = append(items, inner...)
			if len(items) > routing.MaxRoutes {
				return nil, fmt.Errorf("%s has more than %d routes", what, routing.MaxRoutes)
			}
		default:
			return nil, explain.Hintf(itemsHint, "%s[%d] is %s, not a route", what, n, value.An(v))
		}
		n++
	}
	return items, nil
}

// dictItems returns the routes of a dict {"channel": consumer}.
func dictItems(d *starlark.Dict) ([]item, error) {
	var items []item
	for k, v := range d.Entries() {
		name, err := channelName("channel_routing", k)
		if err != nil {
			return nil, err
		}
		if err := asgi.CheckReceive(name); err != nil {
			return nil, err
		}
		o := &route{opaque: opaque{kind: "route"}, Route: routing.Route{Channel: name}}
		if err := o.setConsumer("channel_routing["+k.String()+"]", v); err != nil {
			return nil, err
		}
		o.pos, _ = position(v)
		items = append(items, o)
	}
	return items, nil
}

// everyCall implements every(seconds, channel, content={}).
func everyCall(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	o := clock{opaque: opaque{b.Name(), callPos(r)}}
	var interval, to starlark.Value
	content := starlark.NewDict(0)
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "seconds", &interval, "channel", &to, "content?", &content); err != nil {
		return nil, err
	}
	var err error
	if o.Every, err = duration("every: the interval", interval); err != nil {
		return nil, err
	}
	if o.Every < routing.MinClock {
		return nil, fmt.Errorf("every: the interval must be at least 0.01 seconds, not %s", value.Brief(interval))
	}
	if o.Channel, err = channelName(b.Name(), to); err != nil {
		return nil, err
	}
	if err := asgi.CheckSend(o.Channel); err != nil {
		return nil, err
	}
	o.Content, err = r.message(content)
	return &o, err
}
