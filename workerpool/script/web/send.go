package web

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/workerpool/script/stack"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// DefaultPiece is the default of Sender.Piece, in bytes.
const DefaultPiece = 256 << 10

// A Sender sends the messages of one response, in order. Send may wait for a
// slow client. If it fails, the response ends.
type Sender struct {
	Send  func(asgi.Message) error
	Held  int  // bytes of content in memory while Send runs
	Piece int  // longest content of a message, in bytes; DefaultPiece if 0
	Head  bool // whether the request is a HEAD, which gets no content

	// Edit, if not nil, returns the headers and the content of a complete
	// response, perhaps changed.
	Edit func(headers asgi.List, content asgi.Bytes) (asgi.List, asgi.Bytes)
}

func (s *Sender) piece() int {
	if s.Piece <= 0 {
		return DefaultPiece
	}
	return s.Piece
}

// A head is the status and headers of a response.
type head struct {
	status  int
	headers asgi.List
}

// Most responses have these headers, which are made only once.
var htmlHeaders, jsonHeaders = contentTypeOnly(htmlType), contentTypeOnly(jsonType)

func contentTypeOnly(kind string) asgi.List {
	l, _ := asgi.NewList([]any{asgi.Bytes("content-type"), asgi.Bytes(kind)})
	return l
}

func (r *Response) head() (head, error) {
	if len(r.headers) == 1 && r.headers[0].name == "content-type" {
		switch r.headers[0].value {
		case htmlType:
			return head{r.status, htmlHeaders}, nil
		case jsonType:
			return head{r.status, jsonHeaders}, nil
		}
	}
	pairs := make([]any, len(r.headers))
	for i, h := range r.headers {
		pairs[i] = []any{asgi.Bytes(h.name), asgi.Bytes(h.value)}
	}
	list, err := asgi.NewList(pairs...)
	return head{r.status, list}, err
}

// all sends a response with complete content.
func (s *Sender) all(h head, content asgi.Bytes) error {
	if s.Edit != nil {
		h.headers, content = s.Edit(h.headers, content)
	}
	piece := s.piece()
	first := &h
	if s.Head && len(content) > piece {
		content = "" // the response is complete after the first message
	}
	if len(content) <= piece {
		return s.message(first, content, false)
	}
	s.Held = len(content)
	parts := slices.Collect(pieces(content, piece))
	for i, part := range parts {
		parts[i] = ""
		if err := s.message(first, part, i < len(parts)-1); err != nil {
			return err
		}
		first = nil
		s.Held -= len(part)
	}
	return nil
}

// pieces yields content in pieces of at most size bytes. If there are several, they are
// copies, so a piece that waits for the client keeps no others.
func pieces(content asgi.Bytes, size int) iter.Seq[asgi.Bytes] {
	return func(yield func(asgi.Bytes) bool) {
		if len(content) <= size {
			yield(content)
			return
		}
		for content != "" {
			n := min(size, len(content))
			if !yield(asgi.Bytes(strings.Clone(string(content[:n])))) {
				return
			}
			content = content[n:]
		}
	}
}

// message sends one message. h is nil except for the first message.
func (s *Sender) message(h *head, content asgi.Bytes, more bool) error {
	fields := make(asgi.Fields, 0, 4)
	if h != nil {
		fields = append(fields, asgi.Field{Key: asgi.KeyStatus, Value: int64(h.status)}, asgi.Field{Key: asgi.KeyHeaders, Value: h.headers})
	}
	fields = append(fields, asgi.Field{Key: asgi.KeyContent, Value: content})
	if more {
		fields = append(fields, asgi.Field{Key: asgi.KeyMoreContent, Value: true})
	}
	m, err := asgi.Converter(nil).OwnMessage(fields)
	if err != nil {
		return err
	}
	s.Held = max(s.Held, len(content))
	return s.Send(m)
}

// stream sends each piece of a response as soon as it is written.
func (s *Sender) stream(thread *starlark.Thread, h head, source starlark.Value) error {
	if s.Head {
		return s.message(&h, "", false)
	}
	first, all := &h, contentBytes(source)
	write := func(v starlark.Value) error {
		content, err := body(v)
		if err != nil {
			return err
		}
		s.Held = max(all, len(content)) // the script keeps it
		for part := range pieces(content, s.piece()) {
			if err := s.message(first, part, true); err != nil {
				return err
			}
			first = nil
		}
		return nil
	}
	if err := produce(thread, source, write); err != nil {
		return err
	}
	return s.message(first, "", false)
}

// produce calls write for each piece of a stream.
func produce(thread *starlark.Thread, source starlark.Value, write func(starlark.Value) error) error {
	if fn, ok := source.(starlark.Callable); ok {
		_, err := stack.Call(thread, fn, starlark.Tuple{writer(write)}, nil)
		return err
	}
	it := starlark.Iterate(source)
	if it == nil {
		return fmt.Errorf("the stream is %s; it must be a function or a list", value.An(source))
	}
	defer it.Done()
	var piece starlark.Value
	for it.Next(&piece) {
		if err := write(piece); err != nil {
			return err
		}
	}
	return nil
}

// contentBytes returns the length of a content, or of all pieces if it is a list.
func contentBytes(v starlark.Value) (n int) {
	switch v := v.(type) {
	case starlark.String:
		return len(v)
	case starlark.Bytes:
		return len(v)
	case *starlark.List, starlark.Tuple:
		for piece := range starlark.Elements(v.(starlark.Iterable)) {
			if content, err := body(piece); err == nil {
				n += len(content)
			}
		}
	}
	return n
}

// writer returns the function write(piece) for scripts.
func writer(write func(starlark.Value) error) *starlark.Builtin {
	return method("write", func(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var piece starlark.Value
		if err := starlark.UnpackPositionalArgs("write", args, kwargs, 1, &piece); err != nil {
			return nil, err
		}
		return starlark.None, write(piece)
	})
}
