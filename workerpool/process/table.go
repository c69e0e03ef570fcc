package process

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
	"asgibox/internal/userfile"
	"asgibox/workerpool"
	"asgibox/workerpool/routing"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/web"
)

// A described is the description of a routed application by one of its processes. It
// makes the routing table of it.
type described struct {
	folder     string
	env        *web.Env
	log        *slog.Logger
	generation uint64
	strict     bool              // mistakes are errors
	noCheck    bool              // mistakes are not reported
	sources    map[string]string // files that routes and consumers are in
}

// table returns the routing table for the fields of ready.
func (d *described) table(fields asgi.Fields) (*routing.Table, error) {
	t := routing.NewTable(d)
	for i, item := range find[asgi.List](fields, "routes").All() {
		r, _ := item.(asgi.Dict)
		if err := d.add(t, i, r); err != nil {
			return nil, err
		}
	}
	for _, item := range find[asgi.List](fields, "clocks").All() {
		c, _ := item.(asgi.Dict)
		if err := d.addClock(t, c); err != nil {
			return nil, err
		}
	}
	return t, t.Check()
}

// add adds the route with a number.
func (d *described) add(t *routing.Table, number int, r asgi.Dict) error {
	at := d.place(dictAt(r, "place"))
	o := &routing.Route{
		Kind: r.Text("kind"), Place: at, Channel: r.Text("channel"), Name: r.Text("name"), At: d.place(r), Consumer: number,
		Unordered: isFalse(r, "ordered"), Concurrency: int(r.Int("concurrency")),
	}
	includes, err := d.fill(o, r)
	if err != nil {
		return d.placed(err, at)
	}
	return t.Add(o, includes)
}

// fill sets the parts of a route that may be wrong, and returns its includes.
func (d *described) fill(o *routing.Route, r asgi.Dict) (includes []*routing.Include, err error) {
	if err := asgi.CheckReceive(o.Channel); err != nil {
		return nil, err
	}
	if o.Patterns, err = patterns(r, "patterns"); err != nil {
		return nil, err
	}
	for _, item := range list(r, "includes") {
		in := &routing.Include{}
		if in.Patterns, err = patternsOf(item); err != nil {
			return nil, err
		}
		includes = append(includes, in)
	}
	switch o.Kind {
	case "view":
		o.View = &routing.View{Methods: texts(valueAt(r, "methods"))}
		o.View.Path, err = web.CompilePath(r.Text("path"))
	case "static":
		o.View = &routing.View{}
		o.View.Files, err = d.env.Static(r.Text("prefix"), r.Text("directory"))
	default:
		err = routing.KnownKeys(o.Channel, o.Patterns)
	}
	if s, ok := signature(o.Name, dictAt(r, "signature")); ok && err == nil {
		err = routing.CheckConsumer(o, includes, s)
	}
	return includes, err
}

// addClock adds a clock.
func (d *described) addClock(t *routing.Table, c asgi.Dict) error {
	at := d.place(c)
	seconds, _ := valueAt(c, "every").(float64)
	clock := workerpool.Clock{Every: max(time.Duration(seconds*float64(time.Second)), routing.MinClock), Channel: c.Text("channel")}
	err := asgi.CheckSend(clock.Channel)
	if err == nil {
		clock.Content, err = asgi.AsMessage(dictAt(c, "content"))
	}
	if err != nil {
		return d.placed(err, at)
	}
	t.AddClock(clock, at)
	return nil
}

// place returns the place that the keys file and line name. It remembers the text of
// the file, because that may change.
func (d *described) place(at asgi.Dict) routing.Place {
	p := routing.Place{File: printable(at.Text("file")), Line: int(at.Int("line"))}
	if _, known := d.sources[p.File]; !known && p.File != "" {
		d.sources[p.File] = d.read(p.File)
	}
	return p
}

// maxSource is the size of the largest source file that is quoted, in bytes.
const maxSource = 4 << 20

// read returns the text of a source file, or "".
func (d *described) read(file string) string {
	path := filepath.FromSlash(file)
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.folder, path)
	}
	text, _ := userfile.ReadStart(path, maxSource) // a quotation only
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

func (d *described) source(file string) (string, bool) {
	text := d.sources[file]
	return text, text != ""
}

// A placedError adds a place to an error.
type placedError struct {
	error
	at     routing.Place
	source func(string) (string, bool)
}

func (d *described) placed(err error, at routing.Place) error {
	if at.File == "" {
		return err
	}
	return &placedError{err, at, d.source}
}

func (e *placedError) Unwrap() error { return e.error }

// Error returns the text with the place.
func (e *placedError) Error() string { return e.Explanation().Line() }

// Explanation explains the error.
func (e *placedError) Explanation() explain.Explanation {
	x := explain.Of(e.error)
	x.Frames = append(x.Frames, explain.At(e.at.File, e.at.Line, e.at.Col, e.source))
	return x
}

// ReportAt implements [routing.Reporter].
func (d *described) ReportAt(p routing.Place, what, hint string) error {
	switch {
	case d.noCheck:
	case d.strict:
		return d.placed(explain.Hintf(hint, "%s", what), p)
	default:
		d.WarnAt(p, what+" ("+hint+")")
	}
	return nil
}

// WarnAt implements [routing.Reporter].
func (d *described) WarnAt(p routing.Place, text string) {
	d.log.Warn(text, logkey.Generation, d.generation, logkey.At, p.String())
}

// signature returns the parameters of a consumer, if they are known.
func signature(name string, d asgi.Dict) (s routing.Signature, known bool) {
	if !d.Has("params") {
		return s, false
	}
	s = routing.Signature{Name: name, Positional: int(d.Int("positional")), VarArgs: isTrue(d, "varargs"), KwArgs: isTrue(d, "kwargs")}
	for _, item := range list(d, "params") {
		p, _ := item.(asgi.List)
		if p.Len() == 2 {
			s.Params = append(s.Params, routing.Parameter{Name: p.Octets(0), Optional: p.At(1) == true})
		}
	}
	return s, true
}

func patterns(d asgi.Dict, key string) ([]routing.Pattern, error) { return patternsOf(valueAt(d, key)) }

// patternsOf returns the patterns of a list of [key, source].
func patternsOf(v any) (all []routing.Pattern, err error) {
	pairs, _ := v.(asgi.List)
	for _, item := range pairs.All() {
		pair, _ := item.(asgi.List)
		if pair.Len() != 2 {
			return nil, fmt.Errorf("a pattern is %s; it must be a key and a regular expression", asgi.TypeName(item))
		}
		p, err := routing.CompilePattern(pair.Octets(0), pair.Octets(1))
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func valueAt(d asgi.Dict, key string) any {
	v, _ := d.Get(key)
	return v
}

func dictAt(d asgi.Dict, key string) asgi.Dict {
	v, _ := valueAt(d, key).(asgi.Dict)
	return v
}

func isTrue(d asgi.Dict, key string) bool  { return valueAt(d, key) == true }
func isFalse(d asgi.Dict, key string) bool { return valueAt(d, key) == false }
