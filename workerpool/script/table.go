package script

import (
	"fmt"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/internal/spell"
	"asgibox/workerpool"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// table is the routing table of a generation.
type table struct {
	unit     *unit
	channels []string           // of the routes, in order
	entries  map[string][]entry // by channel, in order
	clocks   []workerpool.Clock
	clockPos []syntax.Position // of each clock
	limits   []workerpool.Limit
	limited  map[string]int    // limits by channel and consumer
	added    int               // items so far, those of includes too
	wsgi     starlark.Callable // application, or nil
}

// entry is a route with its includes, outermost first.
type entry struct {
	includes []*include
	route    *route
	name     string // of the consumer, with its place
	limit    string // key of its limit, or empty
}

// newTable returns the routing table of a file with these globals.
func newTable(u *unit, globals starlark.StringDict) (*table, error) {
	t := &table{unit: u, entries: make(map[string][]entry), limited: make(map[string]int)}
	routing, application := globals["channel_routing"], globals["application"]
	if routing == nil && application == nil {
		return nil, u.errNoApplication(globals)
	}
	if application != nil {
		wsgi, ok := application.(starlark.Callable)
		if !ok {
			return nil, u.placeAtName("application", fmt.Errorf("application is %s, not a function; define application(environ, start_response)", value.An(application)))
		}
		t.wsgi = wsgi
		t.channels = append(t.channels, asgi.HTTPRequest)
	}
	if routing == nil {
		return t, nil
	}
	items, err := itemsOf("channel_routing", routing)
	if err != nil {
		return nil, u.placeAtName("channel_routing", err)
	}
	if _, ok := routing.(*starlark.Dict); ok {
		for _, it := range items {
			o := it.(*route)
			if pos, ok := u.findLiteral(o.channel); ok {
				o.pos = pos
			}
		}
	}
	if err := t.add(items, nil); err != nil {
		return nil, err
	}
	for _, check := range []func() error{t.checkUnreached, t.checkMeeting, t.checkClocks} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// checkClocks reports clocks whose channel no route reads. Another program may
// read a channel whose name resembles none.
func (t *table) checkClocks() error {
	for i, c := range t.clocks {
		if len(t.entries[c.Channel]) > 0 {
			continue
		}
		what, near := fmt.Sprintf("every: no route reads %q", c.Channel), spell.Nearest(c.Channel, t.channels)
		if near == "" {
			t.unit.warnAt(t.clockPos[i], what)
		} else if err := t.unit.reportAt(t.clockPos[i], what, fmt.Sprintf("did you mean %q?", near)); err != nil {
			return err
		}
	}
	return nil
}

// add adds items, and in place of an include its items.
func (t *table) add(items []item, includes []*include) error {
	if len(includes) > maxLists {
		return fmt.Errorf("channel_routing: include calls nest deeper than %d", maxLists)
	}
	for _, it := range items {
		if t.added++; t.added > maxRoutes {
			return fmt.Errorf("channel_routing has more than %d routes, with those of each include", maxRoutes)
		}
		switch it := it.(type) {
		case *include:
			if err := t.add(it.items, append(slices.Clip(includes), it)); err != nil {
				return err
			}
		case *clock:
			t.clocks = append(t.clocks, workerpool.Clock{Every: it.every, Channel: it.channel, Content: it.content})
			t.clockPos = append(t.clockPos, it.pos)
		case *route:
			if err := t.addRoute(it, includes); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *table) addRoute(o *route, includes []*include) error {
	if err := t.unit.checkSpelling(o); err != nil {
		return err
	}
	if err := checkConsumer(o, includes); err != nil {
		return err
	}
	e := entry{includes: includes, route: o, name: consumerName(o.consumer)}
	if o.concurrency > 0 {
		e.limit = t.limitKey(o)
		t.limits = append(t.limits, workerpool.Limit{Key: e.limit, Channel: o.channel, Max: o.concurrency})
	}
	if !slices.Contains(t.channels, o.channel) {
		t.channels = append(t.channels, o.channel)
	}
	t.entries[o.channel] = append(t.entries[o.channel], e)
	return nil
}

// limitKey returns a key that the route's limit has in other generations too, so
// it does not depend on routes of other consumers.
func (t *table) limitKey(o *route) string {
	name := o.channel + " " + o.consumer.Name()
	t.limited[name]++
	return fmt.Sprintf("%s %d", name, t.limited[name])
}

func consumerName(fn starlark.Callable) string {
	if pos, ok := position(fn); ok {
		return fmt.Sprintf("%s (%s:%d)", fn.Name(), pos.Filename(), pos.Line)
	}
	return fn.Name()
}

// checkConsumer checks that a route's consumer accepts its arguments: the message
// and each name that a pattern captures.
func checkConsumer(o *route, includes []*include) error {
	fn, ok := o.consumer.(*starlark.Function)
	if !ok {
		return nil
	}
	captured := o.captures(includes)
	wrong := func(hint, format string, args ...any) error {
		return &placedError{explain.Hintf(hint, "%s: the consumer %s %s", o.kind, fn.Name(), fmt.Sprintf(format, args...)), o.pos}
	}
	var params []string
	for i := range fn.NumParams() {
		name, _ := fn.Param(i)
		params = append(params, name)
	}
	ordinary := fn.NumParams()
	if fn.HasKwargs() {
		ordinary--
	}
	if fn.HasVarargs() {
		ordinary--
	}
	what := "message"
	if o.view != nil {
		what = "request"
	}
	arguments := strings.Join(append([]string{what}, captured...), ", ")
	definition := fmt.Sprintf("def %s(%s):", fn.Name(), arguments)
	if fn.Name() == "lambda" {
		definition = fmt.Sprintf("lambda %s: …", arguments)
	}
	if ordinary-fn.NumKwonlyParams() < 1 && !fn.HasVarargs() {
		return wrong(definition, "takes no arguments; it is called with the %s", what)
	}
	for _, name := range captured {
		if !fn.HasKwargs() && !slices.Contains(params[:ordinary], name) {
			return wrong(definition, "has no parameter %q, which the pattern captures", name)
		}
		if len(params) > 0 && params[0] == name && !fn.HasVarargs() {
			return wrong(definition, "receives the %s as its first parameter %q, so the pattern cannot capture that name; rename one of them", what, name)
		}
	}
	for i := 1; i < ordinary; i++ {
		if fn.ParamDefault(i) == nil && !slices.Contains(captured, params[i]) {
			return wrong(fmt.Sprintf("capture it, like path=r\"(?P<%s>\\w+)\", or give it a default", params[i]),
				"needs an argument %q, which no pattern captures", params[i])
		}
	}
	return nil
}

// captures lists the names that the patterns of a route and its includes capture.
func (o *route) captures(includes []*include) []string {
	var patterns []pattern
	for _, in := range includes {
		patterns = append(patterns, in.patterns...)
	}
	var names []string
	for _, p := range append(patterns, o.patterns...) {
		for _, name := range p.re.SubexpNames() {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if o.view != nil {
		names = append(names, o.view.params()...)
	}
	return names
}

// messageKeys are the keys of protocol servers' messages that patterns can match.
var messageKeys = map[string][]string{
	asgi.HTTPRequest: {asgi.KeyReplyChannel, asgi.KeyHTTPVersion, asgi.KeyMethod, asgi.KeyScheme, asgi.KeyPath,
		asgi.KeyQueryString, asgi.KeyRootPath, asgi.KeyBody, asgi.KeyBodyChannel},
	asgi.HTTPDisconnect:      {asgi.KeyReplyChannel, asgi.KeyPath},
	asgi.WebSocketConnect:    {asgi.KeyReplyChannel, asgi.KeyScheme, asgi.KeyPath, asgi.KeyQueryString, asgi.KeyRootPath, asgi.KeyHTTPVersion},
	asgi.WebSocketReceive:    {asgi.KeyReplyChannel, asgi.KeyPath, asgi.KeyText, asgi.KeyBytes},
	asgi.WebSocketDisconnect: {asgi.KeyReplyChannel, asgi.KeyPath},
	asgi.UDPReceive:          {asgi.KeyReplyChannel, asgi.KeyData},
}

// knownKeys returns an error if a pattern names a key that messages of the
// protocol server never have.
func knownKeys(channel string, patterns []pattern) error {
	known := messageKeys[channel]
	for _, p := range patterns {
		if known != nil && !slices.Contains(known, p.key) {
			return explain.Hintf("patterns for "+channel+" can match "+strings.Join(known, ", "),
				"a message on %s has no key %q to match%s", channel, p.key, didYouMean(p.key, append(known, "ordered", "concurrency")))
		}
	}
	return nil
}

// match is the entry that matches a message, with the captured arguments. It
// implements [workerpool.Consumer].
type match struct {
	table  *table
	entry  *entry // nil if no entry matches
	kwargs []starlark.Tuple
	params []starlark.Tuple // the kwargs that a view's path captured
	path   string           // the rest of the path after includes, for files
	allow  []string         // methods of views that match except for the method
}

// find returns the match of the first entry that matches a message.
func (t *table) find(d asgi.Delivery) *match {
	m := &match{table: t}
	entries := t.entries[d.Channel]
	for i := range entries {
		if e := &entries[i]; m.matches(e, d.Message) {
			m.entry = e
			return m
		}
	}
	return m
}

// matches reports whether an entry matches a message, and sets the arguments.
func (m *match) matches(e *entry, msg asgi.Message) bool {
	m.kwargs = nil
	if len(e.includes) == 0 && len(e.route.patterns) == 0 && e.route.view == nil {
		return true
	}
	rest := rest{msg: msg}
	for _, in := range e.includes {
		if !m.matchPatterns(in.patterns, &rest, true) {
			return false
		}
	}
	if !m.matchPatterns(e.route.patterns, &rest, false) {
		return false
	}
	if e.route.view == nil {
		return true
	}
	return m.matchView(e.route.view, &rest)
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
func (m *match) matchPatterns(patterns []pattern, rest *rest, trim bool) bool {
	for i := range patterns {
		p := &patterns[i]
		text, ok := rest.text(p.key)
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
			var v starlark.Value = starlark.None
			if at[2*n] >= 0 {
				v = starlark.String(text[at[2*n]:at[2*n+1]])
			}
			m.capture(name, v)
		}
		if trim {
			rest.trimmed = append(rest.trimmed, pair{p.key, text[at[1]:]})
		}
	}
	return true
}

// capture sets an argument. Inner patterns overwrite outer ones.
func (m *match) capture(name string, v starlark.Value) {
	for i := range m.kwargs {
		if m.kwargs[i][0] == starlark.Value(starlark.String(name)) {
			m.kwargs[i][1] = v
			return
		}
	}
	m.kwargs = append(m.kwargs, starlark.Tuple{starlark.String(name), v})
}

// describe returns an entry as its author wrote it, for lists of routes.
func (e *entry) describe() string {
	var b strings.Builder
	for _, in := range e.includes {
		fmt.Fprintf(&b, "include(%s) > ", describePatterns(in.patterns))
	}
	o := e.route
	switch {
	case o.view != nil:
		b.WriteString(o.view.String())
	case len(o.patterns) == 0:
		fmt.Fprintf(&b, "route(%q)", o.channel)
	default:
		fmt.Fprintf(&b, "route(%q, %s)", o.channel, describePatterns(o.patterns))
	}
	return b.String()
}

func describePatterns(patterns []pattern) string {
	var parts []string
	for _, p := range patterns {
		parts = append(parts, fmt.Sprintf("%s=r%q", p.key, p.source))
	}
	return strings.ReplaceAll(strings.Join(parts, ", "), `\\`, `\`)
}
