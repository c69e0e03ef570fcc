package apptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"asgibox/workerpool/script/lib"
)

// A stream is a request whose response a test reads while it arrives, or later.
type stream struct {
	world   *world
	browser *browser
	name    string // method and path
	inbox   *inbox[starlark.String]
	started chan struct{} // closed when the response has started or failed
	cancel  context.CancelFunc

	// Valid when the response has started:
	response *http.Response
	err      error
}

// streamCall implements client.stream(path, method="GET", headers={}, params={},
// body=…, json=…, form=…). It does not wait for the response.
func (b *browser) streamCall(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	req, err := lib.ParseRequest(thread, fn, baseURL, args, kwargs)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{
		world: b.world, browser: b, name: req.Method + " " + req.URL.RequestURI(), inbox: newInbox[starlark.String](),
		started: make(chan struct{}), cancel: cancel,
	}
	b.closes = append(b.closes, cancel)
	b.parts.Go(func() { s.read(req.WithContext(ctx)) })
	if b.explores {
		waitForOthers()
		return s, nil
	}
	return s, b.settle()
}

// read sends the request and puts the pieces of the response into the inbox.
func (s *stream) read(req *http.Request) {
	defer s.inbox.end()
	s.response, s.err = s.browser.do(req)
	close(s.started)
	if s.err != nil {
		return
	}
	defer s.response.Body.Close()
	buffer := make([]byte, 64<<10)
	kept := 0 // bytes of a letter whose rest has not come
	for {
		n, err := s.response.Body.Read(buffer[kept:])
		came := buffer[:kept+n]
		whole := len(came)
		if err == nil {
			whole = wholeLetters(came)
		}
		if whole > 0 {
			s.inbox.put(starlark.String(strings.ToValidUTF8(string(came[:whole]), "\uFFFD")))
		}
		if err != nil {
			return
		}
		kept = copy(buffer, came[whole:])
	}
}

// wholeLetters returns the length of a text without the beginning of a letter at its
// end.
func wholeLetters(text []byte) int {
	for n := len(text) - 1; n >= max(0, len(text)-utf8.UTFMax); n-- {
		if utf8.RuneStart(text[n]) {
			if !utf8.FullRune(text[n:]) {
				return n
			}
			break
		}
	}
	return len(text)
}

// wait waits until the response has started.
func (s *stream) wait() error {
	if err := s.world.wait(s.started, patience, "the response to "+s.name); err != nil {
		return err
	}
	return s.err
}

var streamMethods = map[string]func(s *stream, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error){
	"receive": (*stream).receiveCall,
	"receive_nothing": func(s *stream, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return receiveNothing(s.world, s.inbox, b, args, kwargs)
	},
	"close": (*stream).closeCall,
}

func (s *stream) String() string        { return "<stream " + s.name + ">" }
func (s *stream) Type() string          { return "stream" }
func (s *stream) Freeze()               {}
func (s *stream) Truth() starlark.Bool  { return true }
func (s *stream) Hash() (uint32, error) { return 0, errors.New("unhashable: stream") }
func (s *stream) AttrNames() []string   { return sortedNames(streamMethods, "status", "headers", "text") }

func (s *stream) Attr(name string) (starlark.Value, error) {
	if f := streamMethods[name]; f != nil {
		return starlark.NewBuiltin(name, func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return f(s, b, args, kwargs)
		}), nil
	}
	switch name {
	case "status":
		if err := s.wait(); err != nil {
			return nil, err
		}
		return starlark.MakeInt(s.response.StatusCode), nil
	case "headers":
		if err := s.wait(); err != nil {
			return nil, err
		}
		return lib.Headers(s.response.Header), nil
	case "text":
		return s.rest()
	}
	return nil, nil
}

// rest returns the rest of the response, up to its end.
func (s *stream) rest() (starlark.Value, error) {
	if err := s.wait(); err != nil {
		return nil, err
	}
	var text strings.Builder
	for {
		piece, ok, err := s.inbox.next(s.world, patience, "the end of the response to "+s.name)
		if err != nil || !ok {
			return starlark.String(text.String()), err
		}
		text.WriteString(string(piece))
	}
}

// receiveCall implements receive(timeout=1): the part of the response that has
// come since the last call. It waits for one if none has.
func (s *stream) receiveCall(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	limit, err := timeoutArg(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	piece, ok, err := s.inbox.next(s.world, limit, "a part of the response to "+s.name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	case ok:
		return piece + s.come(), s.world.interrupt.err()
	case s.err != nil:
		return nil, fmt.Errorf("%s: %w", b.Name(), s.err)
	}
	return nil, fmt.Errorf("%s: the response to %s has ended: %w", b.Name(), s.name, io.EOF)
}

// come returns the pieces that have come, without a wait. How a response is cut
// into pieces depends on chance.
func (s *stream) come() starlark.String {
	var text strings.Builder
	for {
		piece, ok := s.inbox.take()
		if !ok {
			return starlark.String(text.String())
		}
		text.WriteString(string(piece))
	}
}

// closeCall closes the connection, as a browser does that leaves the page.
func (s *stream) closeCall(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	s.cancel()
	return starlark.None, s.world.settle()
}
