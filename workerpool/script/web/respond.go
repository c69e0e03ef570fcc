package web

import (
	"slices"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// Respond sends the result of a view to a request. Streams run on the thread.
// Respond fails if the result is not a response, or with the error of the
// stream or the sender.
func (e *Env) Respond(thread *starlark.Thread, req *Request, result starlark.Value, s *Sender) error {
	r, err := e.response(thread, result)
	if err != nil {
		return err
	}
	s.Head = req.message.Text(asgi.KeyMethod) == "HEAD"
	if r.file != nil {
		return r.serve(req, s)
	}
	h, err := r.head()
	if err != nil {
		return err
	}
	if r.stream != nil {
		return s.stream(thread, h, r.stream)
	}
	return s.all(h, r.content)
}

// response converts the result of a view to a response.
func (e *Env) response(thread *starlark.Thread, result starlark.Value) (*Response, error) {
	switch v := result.(type) {
	case *Response:
		return v, nil
	case starlark.NoneType:
		return newResponse(204, ""), nil
	case starlark.String:
		r := newResponse(200, htmlType)
		r.content = asgi.Bytes(v)
		return r, nil
	case starlark.Bytes:
		r := newResponse(200, bytesType)
		r.content = asgi.Bytes(v)
		return r, nil
	case starlark.IterableMapping, *starlark.List:
		text, err := encodeJSON(thread, v)
		if err != nil {
			return nil, err
		}
		r := newResponse(200, jsonType)
		r.content = asgi.Bytes(text)
		return r, nil
	case starlark.Tuple:
		return e.statusAndBody(thread, v)
	}
	return nil, explain.Hintf("return text, bytes, a dict or list, None, (status, body) or an HttpResponse",
		"the view returned %s, which is not a response", value.An(result))
}

// statusAndBody converts (status, body) to a response.
func (e *Env) statusAndBody(thread *starlark.Thread, pair starlark.Tuple) (*Response, error) {
	if len(pair) != 2 {
		return nil, explain.Hintf("return (status, body)", "the view returned a tuple of %d, which is not a response", len(pair))
	}
	if _, number := pair[1].(starlark.Int); number {
		return nil, explain.Hintf("write the status first: (status, body)", "the view returned (%s, %s); the status must come first", value.An(pair[0]), value.An(pair[1]))
	}
	if _, nested := pair[1].(starlark.Tuple); nested {
		return nil, explain.Hintf("return (status, body)", "the view returned a tuple inside a tuple, which is not a response")
	}
	inner, err := e.response(thread, pair[1])
	if err != nil {
		return nil, err
	}
	r := *inner // a copy, because all workers may share inner
	r.headers = slices.Clone(inner.headers)
	return &r, r.setStatus(pair[0])
}
