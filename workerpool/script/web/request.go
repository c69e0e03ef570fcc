package web

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"asgibox/asgi"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// Hooks are what a request needs of whoever runs the application.
type Hooks struct {
	// More answers the next piece of a body of which the message held only
	// the beginning, and io.EOF after the last. It may wait.
	More func() (asgi.Bytes, error)
	// Attr answers the attributes that the host adds, like session; nil for
	// a name that is none of them.
	Attr func(name string) (starlark.Value, error)
	// Names are the attributes that Attr knows.
	Names []string
}

// A Request is an http.request message as views see it. It belongs to one
// handler.
type Request struct {
	object
	message asgi.Message
	hooks   Hooks
	params  *starlark.Dict
	body    bodyReader
	whole   *starlark.Bytes           // the body, once read
	made    map[string]starlark.Value // attributes that are made once
	formed  bool
}

var _ starlark.HasAttrs = (*Request)(nil)

// NewRequest makes the request of a message.
func NewRequest(m asgi.Message, hooks Hooks) *Request {
	r := &Request{object: "request", message: m, hooks: hooks}
	r.body = bodyReader{rest: asgi.Bytes(m.Octets("body")), more: hooks.More}
	if m.Text("body_channel") == "" {
		r.body.more = nil
	}
	return r
}

// Message answers what the request was made of.
func (r *Request) Message() asgi.Message { return r.message }

// SetParams sets path_params, what the view's path captured.
func (r *Request) SetParams(params []starlark.Tuple) {
	r.params = starlark.NewDict(len(params))
	for _, p := range params {
		r.params.SetKey(p[0], p[1]) // a fresh dict takes every text key
	}
}

func (r *Request) String() string {
	return fmt.Sprintf("<request %s %s>", r.message.Text("method"), r.message.Text("path"))
}

var requestAttrs = []string{"COOKIES", "FILES", "GET", "META", "POST", "body", "client", "content_type", "headers", "is_secure",
	"json", "method", "path", "path_params", "query_string", "scheme", "text"}

// AttrNames lists what a request has.
func (r *Request) AttrNames() []string {
	return append(append([]string(nil), requestAttrs...), r.hooks.Names...)
}

// Attr answers an attribute, made when it is first asked for.
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
	case "text":
		b, err := r.readAll()
		return starlark.String(strings.ToValidUTF8(string(b), "\uFFFD")), err
	case "is_secure":
		return method(name, func(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return starlark.Bool(r.scheme() == "https"), starlark.UnpackPositionalArgs(name, args, kwargs, 0)
		}), nil
	case "json":
		return method(name, r.json), nil
	}
	if v, ok := r.made[name]; ok {
		return v, nil
	}
	v, err := r.make(name)
	if v == nil || err != nil {
		return nil, err
	}
	if r.made == nil {
		r.made = map[string]starlark.Value{}
	}
	r.made[name] = v
	return v, nil
}

// make makes what is made once: values that a handler could change, or that
// take work.
func (r *Request) make(name string) (starlark.Value, error) {
	switch name {
	case "GET":
		get := newMulti("GET")
		get.parseQuery(r.message.Octets("query_string"))
		return get, nil
	case "POST", "FILES":
		post, files, err := r.form()
		if name == "POST" {
			return post, err
		}
		return files, err
	case "COOKIES":
		return r.cookies(), nil
	case "headers":
		return requestHeaderDict(r.message), nil
	case "content_type":
		v, _ := headerValue(r.message, "content-type")
		return starlark.String(v), nil
	case "META":
		return r.meta(), nil
	case "client":
		v, _ := r.message.Get("client")
		return value.ToStarlark(v), nil
	case "path_params":
		if r.params == nil {
			return starlark.NewDict(0), nil
		}
		return r.params, nil
	}
	if r.hooks.Attr == nil {
		return nil, nil
	}
	return r.hooks.Attr(name)
}

func (r *Request) scheme() string {
	if s := r.message.Text("scheme"); s != "" {
		return s
	}
	return "http"
}

func (r *Request) cookies() *starlark.Dict {
	d := starlark.NewDict(4)
	for name, v := range cookies(r.message) {
		if _, twice, _ := d.Get(starlark.String(name)); !twice {
			d.SetKey(starlark.String(name), starlark.String(v)) // a fresh dict takes every text key
		}
	}
	return d
}

// readAll answers the whole body.
func (r *Request) readAll() (starlark.Bytes, error) {
	if r.whole != nil {
		return *r.whole, nil
	}
	if r.body.taken {
		return "", errors.New("the body has been read already, by environ[\"wsgi.input\"]")
	}
	var b strings.Builder
	for {
		piece, err := r.body.next()
		b.WriteString(string(piece))
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
	}
	whole := starlark.Bytes(b.String())
	r.whole = &whole
	return whole, nil
}

// A bodyReader reads a body, its beginning first and then piece by piece.
type bodyReader struct {
	rest  asgi.Bytes
	more  func() (asgi.Bytes, error) // nil if nothing is to come
	taken bool                       // some of it has been read
}

// next answers a piece, and io.EOF with or after the last.
func (b *bodyReader) next() (asgi.Bytes, error) {
	b.taken = true
	if b.rest != "" || b.more == nil {
		piece := b.rest
		b.rest = ""
		if b.more == nil {
			return piece, io.EOF
		}
		return piece, nil
	}
	piece, err := b.more()
	if err != nil {
		b.more = nil
	}
	return piece, err
}

// Read makes an io.Reader of it.
func (b *bodyReader) Read(p []byte) (int, error) {
	for b.rest == "" {
		piece, err := b.next()
		if b.rest = piece; piece == "" && err != nil {
			return 0, err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	b.taken = true
	return n, nil
}

// json is request.json.
func (r *Request) json(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var otherwise starlark.Value
	if err := starlark.UnpackArgs("json", args, kwargs, "default?", &otherwise); err != nil {
		return nil, err
	}
	body, err := r.readAll()
	if err != nil {
		return nil, err
	}
	v, err := decodeJSON(thread, string(body))
	if err != nil && otherwise != nil {
		return otherwise, nil
	}
	if err != nil {
		return nil, &RequestError{400, hinted("request.json(default=None) answers None for such a body", "the body is not JSON: %s", err)}
	}
	return v, nil
}
