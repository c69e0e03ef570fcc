package web

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"asgibox/asgi"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// ServeWSGI calls a WSGI application for a request and sends what it answers.
// errors is given what the application writes to wsgi.errors, and may be nil.
func ServeWSGI(thread *starlark.Thread, application starlark.Callable, req *Request, s *Sender, errors func(string)) error {
	w := &wsgi{sender: s, status: -1}
	s.Head = req.message.Text("method") == "HEAD"
	args := starlark.Tuple{req.environ(errors), starlark.NewBuiltin("start_response", w.startResponse)}
	result, err := starlark.Call(thread, application, args, nil)
	if err != nil {
		return err
	}
	if err := w.pieces(result); err != nil {
		return err
	}
	return w.end()
}

// environ is what a WSGI application is given.
func (r *Request) environ(errors func(string)) *starlark.Dict {
	d := r.meta()
	set := func(key string, v starlark.Value) { d.SetKey(starlark.String(key), v) } // a fresh dict takes every text key
	set("wsgi.version", starlark.Tuple{starlark.MakeInt(1), starlark.MakeInt(0)})
	set("wsgi.url_scheme", starlark.String(r.scheme()))
	set("wsgi.input", &input{object: "wsgi.input", body: &r.body})
	set("wsgi.errors", errorLog{object("wsgi.errors"), errors})
	set("wsgi.multithread", starlark.True)
	set("wsgi.multiprocess", starlark.False)
	set("wsgi.run_once", starlark.False)
	return d
}

// A wsgi is one answer in the making.
type wsgi struct {
	sender  *Sender
	status  int // -1 before start_response
	headers []header
	sent    bool         // the head is out
	rest    bytes.Buffer // of what was returned, not yet sent
}

// startResponse is start_response(status, headers, exc_info).
func (w *wsgi) startResponse(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var status starlark.Value
	var pairs starlark.Value = starlark.NewList(nil)
	var excInfo starlark.Value = starlark.None
	if err := starlark.UnpackArgs("start_response", args, kwargs, "status", &status, "headers?", &pairs, "exc_info?", &excInfo); err != nil {
		return nil, err
	}
	if w.status >= 0 && excInfo == starlark.None {
		return nil, errors.New("start_response was called before")
	}
	if w.sent {
		return nil, errors.New("start_response: the response has begun already")
	}
	r := newResponse(200, "")
	if err := r.setStatus(statusNumber(status)); err != nil {
		return nil, fmt.Errorf("start_response: %w", err)
	}
	if err := r.setHeaders(pairs); err != nil {
		return nil, fmt.Errorf("start_response: %w", err)
	}
	w.status, w.headers = r.status, r.headers
	return writer(w.write), nil
}

// statusNumber makes a number of a status like "200 OK".
func statusNumber(v starlark.Value) starlark.Value {
	if s, ok := nameOf(v); ok {
		word, _, _ := strings.Cut(s, " ")
		if n, err := strconv.Atoi(word); err == nil {
			return starlark.MakeInt(n)
		}
	}
	return v
}

// write sends a piece at once.
func (w *wsgi) write(v starlark.Value) error {
	content, err := body(v)
	for err == nil && len(content) > w.sender.piece() {
		err = w.message(content[:w.sender.piece()], true)
		content = content[w.sender.piece():]
	}
	if err != nil {
		return err
	}
	return w.message(content, true)
}

func (w *wsgi) message(content asgi.Bytes, more bool) error {
	if w.sender.Head {
		if more {
			return nil
		}
		content = ""
	}
	var first *head
	if !w.sent {
		h, err := (&Response{status: w.status, headers: w.headers}).head()
		if err != nil {
			return err
		}
		first = &h
	}
	w.sent = true
	return w.sender.message(first, content, more)
}

// pieces gathers what the application has returned.
func (w *wsgi) pieces(result starlark.Value) error {
	switch result.(type) {
	case starlark.String, starlark.Bytes:
		return w.gatherPiece(result)
	}
	it := starlark.Iterate(result)
	if it == nil {
		return hinted("return a list of bytes or text", "the application returned %s, which is no body", value.An(result))
	}
	defer it.Done()
	var piece starlark.Value
	for it.Next(&piece) {
		if err := w.gatherPiece(piece); err != nil {
			return err
		}
	}
	return nil
}

// gatherPiece keeps a piece until there is enough to send.
func (w *wsgi) gatherPiece(v starlark.Value) error {
	content, err := body(v)
	if err != nil {
		return err
	}
	w.rest.WriteString(string(content))
	for w.rest.Len() > w.sender.piece() {
		if err := w.started(); err != nil {
			return err
		}
		if err := w.message(asgi.Bytes(w.rest.Next(w.sender.piece())), true); err != nil {
			return err
		}
	}
	return nil
}

// end sends what is left: all, if it was little.
func (w *wsgi) end() error {
	if err := w.started(); err != nil {
		return err
	}
	return w.message(asgi.Bytes(w.rest.String()), false)
}

func (w *wsgi) started() error {
	if w.status >= 0 {
		return nil
	}
	return hinted(`call start_response("200 OK", [("content-type", "text/plain")]) first`, "the application returned without having called start_response")
}
