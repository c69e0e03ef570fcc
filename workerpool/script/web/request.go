package web

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/jsontext"
	"asgibox/workerpool/script/memory"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// Hooks are functions of the host that a request calls.
type Hooks struct {
	// More returns the next piece of a body if the message had only its
	// beginning, and io.EOF after the last piece. It may wait.
	More func() (asgi.Bytes, error)
	// Arrived is called when the handler goes on after it has called More once or more
	// often. It may wait, and its error ends the handler.
	Arrived func() error
	// Attr returns an attribute that the host adds, like session, or nil if
	// there is no such attribute.
	Attr func(name string) (starlark.Value, error)
	// Names are the names of the attributes that Attr returns.
	Names []string
	// Memory is what the handler may use for the request. Nil has no limit.
	Memory *memory.Share
}

// A Request is the view of an http.request message that a handler gets. It
// belongs to one handler.
type Request struct {
	object
	message asgi.Message
	hooks   Hooks
	params  []Capture
	body    bodyReader
	whole   *starlark.Bytes           // the body, nil until it is read
	cached  map[string]starlark.Value // attributes that were made already
}

var _ starlark.HasAttrs = (*Request)(nil)

// NewRequest returns the request of a message.
func NewRequest(m asgi.Message, hooks Hooks) *Request {
	r := &Request{object: "request", message: m, hooks: hooks}
	r.body = bodyReader{rest: asgi.Bytes(m.Octets(asgi.KeyBody)), more: hooks.More, arrived: hooks.Arrived}
	if m.Text(asgi.KeyBodyChannel) == "" {
		r.body.more = nil
	}
	return r
}

// Message returns the message of the request.
func (r *Request) Message() asgi.Message { return r.message }

// SetParams sets path_params, the captured parts of the path.
func (r *Request) SetParams(params []Capture) { r.params = params }

func (r *Request) String() string {
	return fmt.Sprintf("<request %s %s>", r.message.Text(asgi.KeyMethod), r.message.Text(asgi.KeyPath))
}

var requestAttrs = []string{"COOKIES", "FILES", "GET", "META", "POST", "body", "client", "content_type", "headers", "is_secure",
	"json", "method", "path", "path_params", "query_string", "scheme", "text"}

// AttrNames returns the names of all attributes.
func (r *Request) AttrNames() []string { return slices.Concat(requestAttrs, r.hooks.Names) }

// Attr returns an attribute. Some attributes are made at the first call and
// then cached.
func (r *Request) Attr(name string) (starlark.Value, error) {
	switch name {
	case "method", "path":
		return starlark.String(r.message.Text(name)), nil
	case "scheme":
		return starlark.String(r.scheme()), nil
	case "query_string":
		return starlark.Bytes(r.message.Octets(name)), nil
	case "body":
		return r.readAll()
	case "is_secure":
		return method(name, func(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return starlark.Bool(r.scheme() == "https"), starlark.UnpackPositionalArgs(name, args, kwargs, 0)
		}), nil
	case "json":
		return method(name, r.json), nil
	}
	if v, ok := r.cached[name]; ok {
		return v, nil
	}
	v, err := r.newAttr(name)
	if v == nil || err != nil {
		return nil, err
	}
	r.cache(name, v)
	return v, nil
}

func (r *Request) cache(name string, v starlark.Value) {
	if r.cached == nil {
		r.cached = map[string]starlark.Value{}
	}
	r.cached[name] = v
}

// newAttr makes an attribute that is cached because a handler may change it, or
// because it takes work.
func (r *Request) newAttr(name string) (starlark.Value, error) {
	switch name {
	case "text":
		b, err := r.readAll()
		if err != nil {
			return nil, err
		}
		return r.validText("cannot convert the body to text", string(b))
	case "GET":
		get := newMulti("GET")
		query := r.message.Octets(asgi.KeyQueryString)
		if tooManyFields(query, "&") {
			return nil, badRequest("the query string has more than %d fields", maxFields)
		}
		if err := r.reserve("cannot read the query string", 3*len(query)+pairBytes*strings.Count(query, "&")); err != nil {
			return nil, err
		}
		get.parseQuery(query)
		return get, nil
	case "POST", "FILES":
		if err := r.readForm(); err != nil {
			return nil, err
		}
		return r.cached[name], nil
	case "COOKIES":
		return r.cookies()
	case "headers":
		return requestHeaderDict(r.message), nil
	case "content_type":
		v, _ := headerValue(r.message, "content-type")
		return starlark.String(v), nil
	case "META":
		return r.meta(), nil
	case "client":
		v, _ := r.message.Get(asgi.KeyClient)
		return value.ToStarlark(v), nil
	case "path_params":
		d := starlark.NewDict(len(r.params))
		for _, p := range r.params {
			d.SetKey(starlark.String(p.Name), value.ToStarlark(p.Value)) // cannot fail: the key is text
		}
		return d, nil
	}
	if r.hooks.Attr == nil {
		return nil, nil
	}
	return r.hooks.Attr(name)
}

func (r *Request) scheme() string {
	if s := r.message.Text(asgi.KeyScheme); s != "" {
		return s
	}
	return "http"
}

// pairBytes is about how much memory a pair of a query string or a cookie takes
// besides its text.
const pairBytes = 400

func (r *Request) cookies() (starlark.Value, error) {
	line, _ := headerValue(r.message, "cookie")
	if tooManyFields(strings.TrimRight(line, " "), ";") {
		return nil, badRequest("the request has more than %d cookies", maxFields)
	}
	if err := r.reserve("cannot read the cookies", pairBytes*strings.Count(line, ";")); err != nil {
		return nil, err
	}
	d := starlark.NewDict(4)
	for name, v := range cookies(r.message) {
		if _, twice, _ := d.Get(starlark.String(name)); !twice {
			d.SetKey(starlark.String(name), starlark.String(v)) // cannot fail: the key is text
		}
	}
	return d, nil
}

// readAll returns the whole body.
func (r *Request) readAll() (starlark.Bytes, error) {
	return r.readChecked(func(string) error { return nil })
}

// readChecked is readAll with a check of what has arrived after each piece, if the
// body comes in pieces. An error of the check is final.
func (r *Request) readChecked(check func(arrived string) error) (starlark.Bytes, error) {
	if r.whole != nil {
		return *r.whole, nil
	}
	if err := r.body.err; err != nil && err != io.EOF {
		return "", err
	}
	if r.body.taken {
		return "", errors.New("the body has already been read through environ[\"wsgi.input\"]")
	}
	whole, err := r.collect(check)
	if err := cmp.Or(r.body.goOn(), err); err != nil {
		return "", err
	}
	r.whole = &whole
	return whole, nil
}

// collect reads the body for readChecked.
func (r *Request) collect(check func(arrived string) error) (starlark.Bytes, error) {
	if r.body.more == nil {
		whole, _ := r.body.next() // io.EOF
		return starlark.Bytes(whole), nil
	}
	c := collector{share: r.hooks.Memory, held: new(int64)}
	length, _ := headerValue(r.message, "content-length")
	if n, err := strconv.Atoi(length); err == nil && n > 0 {
		c.length = n
	}
	if err := c.share.Fits(int64(c.length + c.length/4 + 16<<10)); err != nil { // the last growth copies a quarter, and capacities are rounded
		return "", refuse("cannot hold the body", err)
	}
	for {
		piece, err := r.body.next()
		refused := c.grow(len(piece))
		if refused == nil {
			c.text.WriteString(string(piece))
			refused = check(c.text.String())
		}
		if refused != nil {
			r.body.more, r.body.err = nil, refused
			return "", refused
		}
		if err == io.EOF {
			return starlark.Bytes(c.done()), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// validText returns a text with U+FFFD for bytes that are not UTF-8.
func (r *Request) validText(what, text string) (starlark.Value, error) {
	if !utf8.ValidString(text) {
		if err := r.reserve(what, 3*len(text)); err != nil {
			return nil, err
		}
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	return starlark.String(text), nil
}

// A bodyReader reads a body, which may arrive in pieces.
type bodyReader struct {
	rest    asgi.Bytes                 // received but not read
	more    func() (asgi.Bytes, error) // nil after the last piece
	arrived func() error               // may be nil
	err     error                      // why no more pieces come, or nil
	taken   bool                       // whether a part of the body was read
}

// next returns the next piece, and io.EOF with or after the last one.
func (b *bodyReader) next() (asgi.Bytes, error) {
	b.taken = true
	if b.rest != "" || b.more == nil {
		piece := b.rest
		b.rest = ""
		if b.more == nil {
			return piece, cmp.Or(b.err, io.EOF)
		}
		return piece, nil
	}
	piece, err := b.more()
	if err != nil {
		b.more, b.err = nil, err
	}
	return piece, err
}

// goOn says that the handler goes on.
func (b *bodyReader) goOn() error {
	if b.arrived == nil {
		return nil
	}
	return b.arrived()
}

// Read implements io.Reader.
func (b *bodyReader) Read(p []byte) (int, error) {
	for b.rest == "" {
		piece, err := b.next()
		b.rest = piece
		if err := b.goOn(); err != nil {
			return 0, err
		}
		if piece == "" && err != nil {
			return 0, err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	b.taken = true
	return n, nil
}

// json implements request.json.
func (r *Request) json(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var otherwise starlark.Value
	if err := starlark.UnpackArgs("json", args, kwargs, "default?", &otherwise); err != nil {
		return nil, err
	}
	body, err := r.readAll()
	if err != nil {
		return nil, err
	}
	v, err := jsontext.Decode(thread, string(body))
	if full := new(memory.Error); errors.As(err, &full) {
		return nil, refuse("cannot decode the body", full)
	}
	if err != nil && otherwise != nil {
		return otherwise, nil
	}
	if err != nil {
		return nil, &RequestError{400, explain.Hintf("request.json(default=None) returns None for a body that is not JSON", "the body is not JSON: %s", err)}
	}
	return v, nil
}
