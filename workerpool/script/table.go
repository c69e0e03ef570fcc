package script

import (
	"fmt"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// table is the routing of a generation, ready for use.
type table struct {
	unit     *unit
	channels []string           // what routes name, in order
	entries  map[string][]entry // by channel, in order
	clocks   []workerpool.Clock
	struck   []syntax.Position // where each clock stands
	limits   []workerpool.Limit
	wsgi     starlark.Callable // application, or nil
}

// entry is a route with the includes it is within, outermost first.
type entry struct {
	within []*include
	route  *route
	name   string // of the consumer, with its place
	limit  string // key of its limit, or empty
}

// newTable makes the table of what a file has set.
func newTable(u *unit, globals starlark.StringDict) (*table, error) {
	t := &table{unit: u, entries: make(map[string][]entry)}
	routing, application := globals["channel_routing"], globals["application"]
	if routing == nil && application == nil {
		return nil, u.errNoApplication(globals)
	}
	if application != nil {
		wsgi, ok := application.(starlark.Callable)
		if !ok {
			return nil, u.atName("application", fmt.Errorf("application is %s; it is called as application(environ, start_response)", value.An(application)))
		}
		t.wsgi = wsgi
		t.channels = append(t.channels, "http.request")
	}
	if routing == nil {
		return t, nil
	}
	items, err := itemsOf("channel_routing", routing)
	if err != nil {
		return nil, u.atName("channel_routing", err)
	}
	if _, ok := routing.(*starlark.Dict); ok {
		for _, it := range items {
			o := it.(*route)
			if pos, ok := u.literal(o.channel); ok {
				o.pos = pos
			}
		}
	}
	if err := t.add(items, nil); err != nil {
		return nil, err
	}
	t.warnUnreached()
	for i, c := range t.clocks {
		if len(t.entries[c.Channel]) == 0 {
			u.warnAt(t.struck[i], fmt.Sprintf("every: no route reads %q%s", c.Channel, didYouMean(c.Channel, t.channels)))
		}
	}
	return t, nil
}

// add takes items in, those of includes in their place.
func (t *table) add(items []item, within []*include) error {
	for _, it := range items {
		switch it := it.(type) {
		case *include:
			if err := t.add(it.items, append(slices.Clip(within), it)); err != nil {
				return err
			}
		case *clock:
			t.clocks = append(t.clocks, workerpool.Clock{Every: it.every, Channel: it.channel, Content: it.content})
			t.struck = append(t.struck, it.pos)
		case *route:
			if err := t.addRoute(it, within); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *table) addRoute(o *route, within []*include) error {
	if err := t.unit.spelling(o); err != nil {
		return err
	}
	if err := fits(o, within); err != nil {
		return err
	}
	e := entry{within: within, route: o, name: consumerName(o.consumer)}
	if o.concurrency > 0 {
		e.limit = fmt.Sprintf("%s %s %d", o.channel, o.consumer.Name(), len(t.limits))
		t.limits = append(t.limits, workerpool.Limit{Key: e.limit, Channel: o.channel, Max: o.concurrency})
	}
	if !slices.Contains(t.channels, o.channel) {
		t.channels = append(t.channels, o.channel)
	}
	t.entries[o.channel] = append(t.entries[o.channel], e)
	return nil
}

func consumerName(fn starlark.Callable) string {
	if pos, ok := position(fn); ok {
		return fmt.Sprintf("%s (%s:%d)", fn.Name(), pos.Filename(), pos.Line)
	}
	return fn.Name()
}

// fits checks that a route's consumer takes what it will be called with: the
// message and each name that a pattern captures.
func fits(o *route, within []*include) error {
	fn, ok := o.consumer.(*starlark.Function)
	if !ok {
		return nil
	}
	captured := o.captures(within)
	wrong := func(hint, format string, args ...any) error {
		return &placedError{pos: o.pos, msg: fmt.Sprintf("%s: the consumer %s ", o.kind, fn.Name()) + fmt.Sprintf(format, args...), hint: hint}
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
	written := fmt.Sprintf("def %s(%s):", fn.Name(), strings.Join(append([]string{what}, captured...), ", "))
	if fn.Name() == "lambda" {
		written = fmt.Sprintf("lambda %s: …", strings.Join(append([]string{what}, captured...), ", "))
	}
	if ordinary-fn.NumKwonlyParams() < 1 && !fn.HasVarargs() {
		return wrong(written, "takes no arguments; it is called with the %s", what)
	}
	for _, name := range captured {
		if !fn.HasKwargs() && !slices.Contains(params[:ordinary], name) {
			return wrong(written, "has no parameter %q, which the pattern captures", name)
		}
		if len(params) > 0 && params[0] == name && !fn.HasVarargs() {
			return wrong("", "gets the "+what+" as its first argument, so %q cannot be captured too", name)
		}
	}
	for i := 1; i < ordinary; i++ {
		if fn.ParamDefault(i) == nil && !slices.Contains(captured, params[i]) {
			return wrong(fmt.Sprintf("capture it, like path=r\"(?P<%s>\\w+)\", or give it a default", params[i]),
				"wants an argument %q, which no pattern captures", params[i])
		}
	}
	return nil
}

// captures lists the names that a route's patterns capture, its includes'
// among them.
func (o *route) captures(within []*include) []string {
	var names []string
	add := func(patterns []pattern) {
		for _, p := range patterns {
			for _, name := range p.re.SubexpNames() {
				if name != "" && !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	for _, in := range within {
		add(in.patterns)
	}
	add(o.patterns)
	if o.view != nil {
		names = append(names, o.view.params()...)
	}
	return names
}

// messageKeys are the keys that the specification gives messages of protocol
// servers, and whose values a pattern can look at.
var messageKeys = map[string][]string{
	"http.request":         {"reply_channel", "http_version", "method", "scheme", "path", "query_string", "root_path", "body", "body_channel"},
	"http.disconnect":      {"reply_channel", "path"},
	"websocket.connect":    {"reply_channel", "scheme", "path", "query_string", "root_path", "http_version"},
	"websocket.receive":    {"reply_channel", "path", "text", "bytes"},
	"websocket.disconnect": {"reply_channel", "path"},
	"udp.receive":          {"reply_channel", "data"},
}

// knownKeys refuses a pattern for a key that messages of a protocol server
// never have.
func knownKeys(channel string, patterns []pattern) error {
	known := messageKeys[channel]
	for _, p := range patterns {
		if known != nil && !slices.Contains(known, p.key) {
			return hintf("a message on "+channel+" has the texts "+strings.Join(known, ", "),
				"a message on %s has no text %q to match%s", channel, p.key, didYouMean(p.key, append(known, "ordered", "concurrency")))
		}
	}
	return nil
}

// match is a message's way to its consumer. It implements
// [workerpool.Consumer].
type match struct {
	table  *table
	entry  *entry // nil if the message has none
	kwargs []starlark.Tuple
	params []starlark.Tuple // those of them that a view's path captured
	path   string           // what includes have left of it, for files
	allow  []string         // methods of views that fit but for the method
}

// find answers the first entry that fits a message.
func (t *table) find(d asgi.Delivery) *match {
	m := &match{table: t}
	entries := t.entries[d.Channel]
	for i := range entries {
		if e := &entries[i]; m.fits(e, d.Message) {
			m.entry = e
			return m
		}
	}
	return m
}

// fits reports whether an entry's patterns match, and sets the arguments.
func (m *match) fits(e *entry, msg asgi.Message) bool {
	if len(e.within) == 0 && len(e.route.patterns) == 0 && e.route.view == nil {
		m.kwargs = nil
		return true
	}
	m.kwargs = nil
	rest := rest{msg: msg}
	for _, in := range e.within {
		if !m.all(in.patterns, &rest, true) {
			return false
		}
	}
	if !m.all(e.route.patterns, &rest, false) {
		return false
	}
	if e.route.view == nil {
		return true
	}
	return m.view(e.route.view, &rest)
}

// rest is what is left of a message's texts, after includes have cut theirs.
type rest struct {
	msg asgi.Message
	cut []pair
}

type pair struct{ key, text string }

func (r *rest) text(key string) (string, bool) {
	for i := len(r.cut) - 1; i >= 0; i-- {
		if r.cut[i].key == key {
			return r.cut[i].text, true
		}
	}
	v, _ := r.msg.Get(key)
	return asgi.Octets(v)
}

// all reports whether all patterns match, and keeps what they capture.
func (m *match) all(patterns []pattern, rest *rest, cut bool) bool {
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
		if cut {
			rest.cut = append(rest.cut, pair{p.key, text[at[1]:]})
		}
	}
	return true
}

// capture sets an argument; the innermost pattern has the last word.
func (m *match) capture(name string, v starlark.Value) {
	for i := range m.kwargs {
		if m.kwargs[i][0] == starlark.Value(starlark.String(name)) {
			m.kwargs[i][1] = v
			return
		}
	}
	m.kwargs = append(m.kwargs, starlark.Tuple{starlark.String(name), v})
}

// describe lists an entry as its author wrote it, for lists of routes.
func (e *entry) describe() string {
	var b strings.Builder
	for _, in := range e.within {
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
