package apptest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"go.starlark.net/starlark"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/jsontext"
	"asgibox/workerpool/script/lib"
	"asgibox/workerpool/script/value"
)

// patience is how long a test waits in virtual time for what should come at once.
const patience = 10 * time.Second

// A socket is a WebSocket that a test has opened.
type socket struct {
	world *world
	path  string
	conn  *websocket.Conn
	inbox *inbox[starlark.Value]
	ended error // of the connection; valid when the inbox has ended
}

// websocketCall implements client.websocket(path, headers={}, protocols=[]).
func (b *browser) websocketCall(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var path string
	var headers, protocols starlark.Value
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "path", &path, "headers?", &headers, "protocols?", &protocols); err != nil {
		return nil, err
	}
	req, err := lib.NewRequest(fn.Name(), "GET", baseURL, path, headers)
	if err != nil {
		return nil, err
	}
	names, err := texts(fn.Name(), "protocols", protocols)
	if err != nil {
		return nil, err
	}
	s := &socket{world: b.world, path: path, inbox: newInbox[starlark.Value]()}
	var resp *http.Response
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.conn, resp, err = websocket.Dial(context.Background(), req.URL.String(), &websocket.DialOptions{
			HTTPClient: &b.http, HTTPHeader: req.Header, Subprotocols: names,
		})
	}()
	if waited := b.wait(done, 2*patience, "the handshake of "+path); waited != nil {
		return nil, waited
	}
	switch {
	case err == nil:
	case resp != nil:
		return nil, explain.Hintf("to test a refusal, write: assert_in(\"403\", assert_fails(client.websocket, path))",
			"%s: the handshake of %s was refused with status %d", fn.Name(), path, resp.StatusCode)
	default:
		return nil, fmt.Errorf("%s: %w", fn.Name(), err)
	}
	s.conn.SetReadLimit(-1)
	b.closes = append(b.closes, func() { s.conn.CloseNow() })
	b.parts.Go(s.read)
	return s, b.settle()
}

// read puts the messages that come into the inbox.
func (s *socket) read() {
	defer s.inbox.end()
	for {
		kind, data, err := s.conn.Read(context.Background())
		switch {
		case err != nil:
			s.ended = err
			return
		case kind == websocket.MessageText:
			s.inbox.put(starlark.String(data))
		default:
			s.inbox.put(starlark.Bytes(data))
		}
	}
}

// send sends a message. The handlers that it starts run before the next call of
// the test that can notice them, except that in a run without --explore they run
// at once.
func (s *socket) send(call string, kind websocket.MessageType, data string) error {
	if s.inbox.over() {
		return fmt.Errorf("%s: %s", call, s.state())
	}
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = s.conn.Write(context.Background(), kind, []byte(data))
	}()
	if s.world.explores {
		waitForOthers()
		select {
		case <-done:
			return err
		default:
		}
	}
	if waited := s.world.wait(done, patience, "the server to read a message of "+s.path); waited != nil {
		return waited
	}
	return err
}

// state describes a socket without a message.
func (s *socket) state() string {
	code, reason := s.closed()
	switch {
	case !s.inbox.over():
		return fmt.Sprintf("the WebSocket %s is open", s.path)
	case code == 0:
		return fmt.Sprintf("the WebSocket %s ended without a close: %v", s.path, s.ended)
	case reason != "":
		return fmt.Sprintf("the WebSocket %s is closed with %d, %q", s.path, code, reason)
	}
	return fmt.Sprintf("the WebSocket %s is closed with %d", s.path, code)
}

// closed returns the code and the reason of the close, or zero.
func (s *socket) closed() (int, string) {
	var e websocket.CloseError
	if s.inbox.over() && errors.As(s.ended, &e) {
		return int(e.Code), e.Reason
	}
	return 0, ""
}

// receive returns the next message.
func (s *socket) receive(call string, limit time.Duration) (starlark.Value, error) {
	v, ok, err := s.inbox.next(s.world, limit, "a message of "+s.path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", call, err)
	case !ok:
		return nil, fmt.Errorf("%s: %s", call, s.state())
	}
	return v, nil
}

var socketMethods = map[string]func(s *socket, thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error){
	"send":            (*socket).sendCall,
	"send_json":       (*socket).sendJSONCall,
	"receive":         (*socket).receiveCall,
	"receive_json":    (*socket).receiveJSONCall,
	"receive_nothing": (*socket).receiveNothingCall,
	"close":           (*socket).closeCall,
}

func (s *socket) String() string        { return "<websocket " + s.path + ">" }
func (s *socket) Type() string          { return "websocket" }
func (s *socket) Freeze()               {}
func (s *socket) Truth() starlark.Bool  { return true }
func (s *socket) Hash() (uint32, error) { return 0, errors.New("unhashable: websocket") }

func (s *socket) AttrNames() []string {
	return sortedNames(socketMethods, "closed_with", "protocol")
}

func (s *socket) Attr(name string) (starlark.Value, error) {
	switch name {
	case "closed_with":
		if err := s.world.settle(); err != nil {
			return nil, err
		}
		if code, _ := s.closed(); code != 0 {
			return starlark.MakeInt(code), nil
		}
		return starlark.None, nil
	case "protocol":
		return starlark.String(s.conn.Subprotocol()), nil
	}
	f := socketMethods[name]
	if f == nil {
		return nil, nil
	}
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return f(s, thread, b, args, kwargs)
	}), nil
}

func (s *socket) sendCall(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "text_or_bytes", &v); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case starlark.String:
		return starlark.None, s.send(b.Name(), websocket.MessageText, string(v))
	case starlark.Bytes:
		return starlark.None, s.send(b.Name(), websocket.MessageBinary, string(v))
	}
	return nil, explain.Hintf("write send_json(value)", "send: the message is %s; it must be text or bytes", value.An(v))
}

func (s *socket) sendJSONCall(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "value", &v); err != nil {
		return nil, err
	}
	text, err := jsontext.Encode(thread, v)
	if err != nil {
		return nil, err
	}
	encoded, _ := starlark.AsString(text)
	return starlark.None, s.send(b.Name(), websocket.MessageText, encoded)
}

func (s *socket) receiveCall(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	limit, err := timeoutArg(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	return s.receive(b.Name(), limit)
}

func (s *socket) receiveJSONCall(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := s.receiveCall(thread, b, args, kwargs)
	if err != nil {
		return nil, err
	}
	text, _ := starlark.AsString(v)
	decoded, err := jsontext.Decode(thread, text)
	if err != nil {
		return nil, fmt.Errorf("receive_json: the message is not JSON: %s", value.Brief(v))
	}
	return decoded, nil
}

func (s *socket) receiveNothingCall(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return receiveNothing(s.world, s.inbox, b, args, kwargs)
}

func (s *socket) closeCall(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	code, reason := int(websocket.StatusNormalClosure), ""
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "code?", &code, "reason?", &reason); err != nil {
		return nil, err
	}
	if code < 1000 || code > 4999 || len(reason) > 123 {
		return nil, errors.New("close: the code must be from 1000 to 4999, and the reason at most 123 bytes")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.conn.Close(websocket.StatusCode(code), reason) // fails if the server has closed it
	}()
	if err := s.world.wait(done, patience, "the close of "+s.path); err != nil {
		return nil, err
	}
	return starlark.None, nil
}

// timeoutArg returns the only argument of a receive, timeout=1.
func timeoutArg(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (time.Duration, error) {
	var timeout starlark.Value = starlark.MakeInt(1)
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "timeout?", &timeout); err != nil {
		return 0, err
	}
	return lib.Seconds(b.Name(), timeout)
}

// texts returns the items of a list of texts.
func texts(call, name string, v starlark.Value) (list []string, err error) {
	if v == nil || v == starlark.None {
		return nil, nil
	}
	items, ok := v.(starlark.Iterable)
	if !ok {
		return nil, fmt.Errorf("%s: %s is %s; it must be a list of texts", call, name, value.An(v))
	}
	for item := range starlark.Elements(items) {
		s, ok := starlark.AsString(item)
		if !ok {
			err = cmp.Or(err, fmt.Errorf("%s: an item of %s is %s; it must be text", call, name, value.An(item)))
		}
		list = append(list, s)
	}
	return list, err
}
