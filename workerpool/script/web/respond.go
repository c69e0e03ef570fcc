package web

import (
	"asgibox/asgi"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// Respond sends what a view has returned for a request. Streams run on the
// thread. Its errors are the view's, for it returned what is no response, or
// the sender's.
func (e *Env) Respond(thread *starlark.Thread, req *Request, result starlark.Value, s *Sender) error {
	r, err := e.response(thread, result)
	if err != nil {
		return err
	}
	s.Head = req.message.Text("method") == "HEAD"
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
	return s.whole(h, r.content)
}

// response makes a response of whatever a view may return.
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
		return e.statusAnd(thread, v)
	}
	return nil, hinted("return text, bytes, a dict or list, None, (status, body) or an HttpResponse",
		"the view returned %s, which is no response", value.An(result))
}

// statusAnd is the response (status, body).
func (e *Env) statusAnd(thread *starlark.Thread, pair starlark.Tuple) (*Response, error) {
	if len(pair) != 2 {
		return nil, hinted("return (status, body)", "the view returned a tuple of %d, which is no response", len(pair))
	}
	if _, number := pair[1].(starlark.Int); number {
		return nil, hinted("write the status first: (status, body)", "the view returned (%s, %s): a status stands before its body", value.An(pair[0]), value.An(pair[1]))
	}
	if _, nested := pair[1].(starlark.Tuple); nested {
		return nil, hinted("return (status, body)", "the view returned a tuple within a tuple, which is no response")
	}
	inner, err := e.response(thread, pair[1])
	if err != nil {
		return nil, err
	}
	r := *inner // the inner one may be shared by all workers
	r.headers = append([]header(nil), inner.headers...)
	return &r, r.setStatus(pair[0])
}
