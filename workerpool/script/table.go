package script

import (
	"fmt"
	"slices"

	"asgibox/asgi"
	"asgibox/workerpool/routing"
	"asgibox/workerpool/script/value"
	"asgibox/workerpool/script/web"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// table is the routing table of a generation.
type table struct {
	*routing.Table
	unit    *unit
	dropped routing.Dropped
	added   int               // items so far, those of includes too
	wsgi    starlark.Callable // application, or nil
}

// newTable returns the routing table of a file with these globals.
func newTable(u *unit, globals starlark.StringDict) (*table, error) {
	t := &table{Table: routing.NewTable(reporter{u}), unit: u}
	t.dropped.Log, t.dropped.Generation = u.loader.log, u.number
	channels, application := globals["channel_routing"], globals["application"]
	if channels == nil && application == nil {
		return nil, u.errNoApplication(globals)
	}
	if application != nil {
		wsgi, ok := application.(starlark.Callable)
		if !ok {
			return nil, u.placeAtName("application", fmt.Errorf("application is %s, not a function; define application(environ, start_response)", value.An(application)))
		}
		t.wsgi = wsgi
		t.WSGI = routing.Description{Channel: asgi.HTTPRequest, Pattern: "application", Consumer: consumerName(wsgi)}
		t.Channels = append(t.Channels, asgi.HTTPRequest)
	}
	if channels == nil {
		return t, nil
	}
	items, err := itemsOf("channel_routing", channels)
	if err != nil {
		return nil, u.placeAtName("channel_routing", err)
	}
	if _, ok := channels.(*starlark.Dict); ok {
		for _, it := range items {
			o := it.(*route)
			if pos, ok := u.findLiteral(o.Channel); ok {
				o.pos = pos
			}
		}
	}
	if err := t.add(items, nil); err != nil {
		return nil, err
	}
	return t, t.Check()
}

// add adds items, and in place of an include its items.
func (t *table) add(items []item, includes []*routing.Include) error {
	if len(includes) > maxLists {
		return fmt.Errorf("channel_routing: include calls nest deeper than %d", maxLists)
	}
	for _, it := range items {
		if t.added++; t.added > routing.MaxRoutes {
			return fmt.Errorf("channel_routing has more than %d routes, with those of each include", routing.MaxRoutes)
		}
		switch it := it.(type) {
		case *include:
			if err := t.add(it.items, append(slices.Clip(includes), &it.Include)); err != nil {
				return err
			}
		case *clock:
			t.AddClock(it.Clock, placeOf(it.pos))
		case *route:
			if err := t.addRoute(it, includes); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *table) addRoute(o *route, includes []*routing.Include) error {
	o.Kind, o.Place = o.kind, placeOf(o.pos)
	if err := checkConsumer(o, includes); err != nil {
		return err
	}
	return t.Add(&o.Route, includes)
}

// checkConsumer checks that a route's consumer accepts its arguments.
func checkConsumer(o *route, includes []*routing.Include) error {
	fn, ok := o.Consumer.(*starlark.Function)
	if !ok {
		return nil
	}
	s := routing.Signature{Name: fn.Name(), VarArgs: fn.HasVarargs(), KwArgs: fn.HasKwargs()}
	ordinary := fn.NumParams()
	if s.KwArgs {
		ordinary--
	}
	if s.VarArgs {
		ordinary--
	}
	for i := range ordinary {
		name, _ := fn.Param(i)
		s.Params = append(s.Params, routing.Parameter{Name: name, Optional: fn.ParamDefault(i) != nil})
	}
	s.Positional = ordinary - fn.NumKwonlyParams()
	if err := routing.CheckConsumer(&o.Route, includes, s); err != nil {
		return &placedError{err, o.pos}
	}
	return nil
}

func consumerName(fn starlark.Callable) string {
	o := routing.Route{Name: fn.Name(), At: placeOfFunction(fn)}
	return o.ConsumerName()
}

func placeOf(pos syntax.Position) routing.Place {
	if !pos.IsValid() {
		return routing.Place{}
	}
	return routing.Place{File: pos.Filename(), Line: int(pos.Line), Col: int(pos.Col)}
}

func positionAt(p routing.Place) syntax.Position {
	return syntax.MakePosition(&p.File, int32(p.Line), int32(p.Col))
}

func placeOfFunction(fn starlark.Callable) routing.Place {
	pos, _ := position(fn)
	return placeOf(pos)
}

// reporter reports mistakes in routes.
type reporter struct{ unit *unit }

func (r reporter) ReportAt(p routing.Place, what, hint string) error {
	return r.unit.reportAt(positionAt(p), what, hint)
}

func (r reporter) WarnAt(p routing.Place, text string) { r.unit.warnAt(positionAt(p), text) }

// match is the entry that matches a message, with the captured arguments. It
// implements [workerpool.Consumer].
type match struct {
	routing.Match
	table *table
}

// find returns the match of the first entry that matches a message.
func (t *table) find(d asgi.Delivery) *match { return &match{t.Find(d), t} }

// consumer returns the function of the match.
func (m *match) consumer() starlark.Callable { return m.Entry.Route.Consumer.(starlark.Callable) }

// kwargs returns the captured arguments.
func (m *match) kwargs() []starlark.Tuple { return kwargsOf(m.Args) }

func kwargsOf(captured []web.Capture) []starlark.Tuple {
	if len(captured) == 0 {
		return nil
	}
	kwargs := make([]starlark.Tuple, len(captured))
	for i, c := range captured {
		kwargs[i] = starlark.Tuple{starlark.String(c.Name), value.ToStarlark(c.Value)}
	}
	return kwargs
}
