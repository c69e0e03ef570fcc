package web

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/stack"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// ServeWSGI calls a WSGI application for a request and sends its response.
// errors receives the lines that the application writes to wsgi.errors. It may
// be nil.
func ServeWSGI(thread *starlark.Thread, application starlark.Callable, req *Request, s *Sender, errors func(string)) error {
	w := &wsgi{sender: s, status: -1}
	s.Head = req.message.Text(asgi.KeyMethod) == "HEAD"
	args := starlark.Tuple{req.environ(errors), starlark.NewBuiltin("start_response", w.startResponse)}
	result, err := stack.Call(thread, application, args, nil)
	if err != nil {
		return err
	}
	if err := w.pieces(result); err != nil {
		return err
	}
	return w.end()
}

// environ returns the environ argument of a WSGI application.
func (r *Request) environ(errors func(string)) *starlark.Dict {
	d := r.meta()
	set := func(key string, v starlark.Value) { d.SetKey(starlark.String(key), v) } // cannot fail: the key is text
	set("wsgi.version", starlark.Tuple{starlark.MakeInt(1), starlark.MakeInt(0)})
	set("wsgi.url_scheme", starlark.String(r.scheme()))
	set("wsgi.input", &input{object: "wsgi.input", body: &r.body, share: r.hooks.Memory})
	set("wsgi.errors", errorLog{object("wsgi.errors"), errors})
	set("wsgi.multithread", starlark.True)
	set("wsgi.multiprocess", starlark.False)
	set("wsgi.run_once", starlark.False)
	return d
}

// A wsgi builds and sends one response.
type wsgi struct {
	sender  *Sender
	status  int // -1 before start_response
	headers []header
	sent    bool         // whether the head was sent
	rest    bytes.Buffer // returned content that was not sent yet
}

// startResponse implements start_response(status, headers, exc_info).
func (w *wsgi) startResponse(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var status starlark.Value
	var pairs starlark.Value = starlark.NewList(nil)
	var excInfo starlark.Value = starlark.None
	if err := starlark.UnpackArgs("start_response", args, kwargs, "status", &status, "headers?", &pairs, "exc_info?", &excInfo); err != nil {
		return nil, err
	}
	if w.status >= 0 && excInfo == starlark.None {
		return nil, errors.New("start_response was already called; pass exc_info to call it again")
	}
	if w.sent {
		return nil, errors.New("start_response: the response has already started")
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

// statusNumber converts a status like "200 OK" to a number.
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
	if err != nil {
		return err
	}
	w.sender.Held = len(content)
	for part := range pieces(content, w.sender.piece()) {
		if err := w.message(part, true); err != nil {
			return err
		}
	}
	return nil
}

// message sends one message. The first one is the whole response to a HEAD
// request. A piece after it fails if the client has left.
func (w *wsgi) message(content asgi.Bytes, more bool) error {
	if w.sender.Head {
		if w.sent && !more {
			return nil
		}
		content, more = "", w.sent
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

// pieces collects the pieces that the application returned.
func (w *wsgi) pieces(result starlark.Value) error {
	w.sender.Held = contentBytes(result)
	switch result.(type) {
	case starlark.String, starlark.Bytes:
		return w.addPiece(result)
	}
	pieces, ok := result.(starlark.Iterable)
	if !ok {
		return explain.Hintf("return a list of bytes or text", "the application returned %s, which is not a body", value.An(result))
	}
	for piece := range starlark.Elements(pieces) {
		if err := w.addPiece(piece); err != nil {
			return err
		}
	}
	return nil
}

// addPiece buffers a piece, and sends the buffer when there is enough.
func (w *wsgi) addPiece(v starlark.Value) error {
	content, err := body(v)
	if err != nil {
		return err
	}
	w.rest.WriteString(string(content))
	for w.rest.Len() > w.sender.piece() {
		if err := w.checkStarted(); err != nil {
			return err
		}
		if err := w.message(asgi.Bytes(w.rest.Next(w.sender.piece())), true); err != nil {
			return err
		}
	}
	return nil
}

// end sends the rest of the content.
func (w *wsgi) end() error {
	if err := w.checkStarted(); err != nil {
		return err
	}
	return w.message(asgi.Bytes(w.rest.String()), false)
}

func (w *wsgi) checkStarted() error {
	if w.status >= 0 {
		return nil
	}
	return explain.Hintf(`call start_response("200 OK", [("content-type", "text/plain")]) first`, "the application returned without calling start_response")
}
