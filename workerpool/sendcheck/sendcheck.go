// Package sendcheck finds mistakes in messages that an application sends to channels
// whose readers are known: replies to connections, delayed messages, and messages
// on channels that nothing reads.
package sendcheck

import (
	"fmt"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/internal/spell"
	"asgibox/workerpool"
)

// A Problem is a mistake in a message.
type Problem struct {
	What, Hint string
	Possible   bool // perhaps none: a warning even if mistakes are errors
}

// Text returns the problem as one line.
func (p *Problem) Text() string {
	if p.Hint == "" {
		return p.What
	}
	return p.What + " (" + p.Hint + ")"
}

func newProblem(hint, format string, args ...any) *Problem {
	return &Problem{What: fmt.Sprintf(format, args...), Hint: hint}
}

func didYouMean(name string, candidates []string) string {
	if near := spell.Nearest(name, candidates); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

const connectionEnded = "this connection has ended: the message will not be delivered"

// Message returns the problem of a message that the handler of a job sends, or nil. The
// job may be nil. For an ordinary channel, Message calls unread.
func Message(j *workerpool.Job, name string, m asgi.Message, unread func(name string) *Problem) *Problem {
	switch {
	case name == asgi.DelayChannel:
		return delayProblem(m)
	case asgi.KindOf(name) == asgi.Normal:
		return unread(name)
	case j == nil || asgi.KindOf(name) != asgi.ProcessSpecific:
		return nil
	case name != j.ReplyChannel():
		switch {
		case j.Gone(name):
			return newProblem("", connectionEnded)
		case j.IsWebSocket(name):
			return webSocketProblem(m, true)
		}
		return nil
	}
	switch from := j.Delivery.Channel; from {
	case asgi.HTTPRequest:
		return responseProblem(j, m)
	case asgi.WebSocketConnect, asgi.WebSocketReceive:
		if j.Completed() {
			return newProblem("", "this connection is already closed: the message will not be delivered")
		}
		return webSocketProblem(m, from == asgi.WebSocketReceive || j.Replied())
	case asgi.WebSocketDisconnect, asgi.HTTPDisconnect:
		return newProblem("", connectionEnded)
	case asgi.UDPReceive:
		return firstProblem(unknownKey(m, asgi.KeyData), wrongType(m, asgi.KeyData, "text or bytes", isOctets))
	}
	return nil
}

// firstProblem returns the first problem that is not nil.
func firstProblem(cs ...*Problem) *Problem {
	for _, c := range cs {
		if c != nil {
			return c
		}
	}
	return nil
}

// unknownKey returns a problem if the message has a key that is not known.
func unknownKey(m asgi.Message, known ...string) *Problem {
	for key := range m.All() {
		if !slices.Contains(known, key) {
			return newProblem("the known keys are "+strings.Join(known, ", "), "the message has an unknown key %q%s", key, didYouMean(key, known))
		}
	}
	return nil
}

// wrongType returns a problem if the key has a value of the wrong type.
func wrongType(m asgi.Message, key, want string, matches func(any) bool) *Problem {
	v, _ := m.Get(key)
	if v == nil || matches(v) {
		return nil
	}
	return newProblem("", "%q must be %s, not %s", key, want, asgi.TypeName(v))
}

func isText(v any) bool { _, ok := v.(string); return ok }
func isBool(v any) bool { _, ok := v.(bool); return ok }
func isInt(v any) bool  { _, ok := v.(int64); return ok }
func isDict(v any) bool { _, ok := v.(asgi.Dict); return ok }

func isOctets(v any) bool {
	_, ok := asgi.Octets(v)
	return ok
}

func isHeaders(v any) bool {
	list, ok := v.(asgi.List)
	for _, item := range list.All() {
		pair, isPair := item.(asgi.List)
		if !isPair || pair.Len() != 2 || !isOctets(pair.At(0)) || !isOctets(pair.At(1)) {
			return false
		}
	}
	return ok
}

var responseKeys = []string{asgi.KeyStatus, asgi.KeyHeaders, asgi.KeyContent, asgi.KeyMoreContent, asgi.KeyRequest, asgi.KeyAbort}

// responseProblem checks a response to the request that is being handled.
func responseProblem(j *workerpool.Job, m asgi.Message) *Problem {
	if j.Completed() {
		return newProblem(`add "more_content": True to every message of a response except the last`, "the response is already complete: the message will not be delivered")
	}
	if c := unknownKey(m, responseKeys...); c != nil {
		return c
	}
	if m.Has(asgi.KeyRequest) {
		return wrongType(m, asgi.KeyRequest, "a dict", isDict)
	}
	status, _ := m.Get(asgi.KeyStatus)
	switch {
	case status == nil && !j.Replied():
		return newProblem(`send {"status": 200, …}`, "the first message of a response must have a status")
	case status != nil && j.Replied():
		return newProblem("send a status only with the first message", "the response has already started: its status cannot be changed")
	}
	return responseTypes(m)
}

// responseTypes returns a problem if a part of a response has a value that is not
// allowed.
func responseTypes(m asgi.Message) *Problem {
	status, _ := m.Get(asgi.KeyStatus)
	return firstProblem(
		wrongType(m, asgi.KeyStatus, "an int", isInt),
		statusRange(status),
		wrongType(m, asgi.KeyHeaders, "a list of [name, value] pairs", isHeaders),
		wrongType(m, asgi.KeyContent, "text or bytes", isOctets),
		wrongType(m, asgi.KeyMoreContent, "a bool", isBool),
	)
}

func statusRange(v any) *Problem {
	if n, ok := v.(int64); ok && (n < 200 || n > 999) {
		return newProblem("", "the status must be between 200 and 999, not %d", n)
	}
	return nil
}

// webSocketProblem checks a message to a WebSocket. open is false during the
// handshake.
func webSocketProblem(m asgi.Message, open bool) *Problem {
	c := firstProblem(
		unknownKey(m, asgi.KeyText, asgi.KeyBytes, asgi.KeyClose, asgi.KeyAccept, asgi.KeySubprotocol, asgi.KeyHeaders, asgi.KeyReason, "response"),
		textOrBytes(m, asgi.KeyText, isText, asgi.KeyBytes),
		textOrBytes(m, asgi.KeyBytes, isOctets, asgi.KeyText),
		wrongType(m, asgi.KeyAccept, "a bool", isBool),
		wrongType(m, asgi.KeyClose, "a bool or a code", func(v any) bool { return isBool(v) || isInt(v) }),
		closeCode(m),
		wrongType(m, asgi.KeySubprotocol, "text", isText),
		wrongType(m, asgi.KeyHeaders, "a list of [name, value] pairs", isHeaders),
		wrongType(m, asgi.KeyReason, "text", isText),
	)
	if c != nil {
		return c
	}
	text, _ := m.Get(asgi.KeyText)
	data, _ := m.Get(asgi.KeyBytes)
	if text != nil && data != nil {
		return newProblem("send two messages", "the message has both text and bytes: it will be ignored")
	}
	if open && text == nil && data == nil && !m.Has(asgi.KeyClose) && !m.Has(asgi.KeyAccept) && !m.Has("response") {
		return newProblem(`send {"text": text} or {"bytes": data}`, "the message contains nothing to send")
	}
	if !open && (text == "" || data == asgi.Bytes("")) && !m.Has(asgi.KeyAccept) && !m.Has(asgi.KeyClose) {
		return newProblem(`add "accept": True`, "empty data does not accept a handshake")
	}
	return nil
}

func textOrBytes(m asgi.Message, key string, matches func(any) bool, other string) *Problem {
	v, _ := m.Get(key)
	if v == nil || matches(v) {
		return nil
	}
	if isOctets(v) {
		return newProblem(fmt.Sprintf("send it as {%q: …}", other), "%q must be %s, not %s", key, key, asgi.TypeName(v))
	}
	return newProblem("convert it to text, for example with str(…) or as JSON", "%q must be %s, not %s", key, key, asgi.TypeName(v))
}

// closeCode returns a problem if applications may not send the close code.
func closeCode(m asgi.Message) *Problem {
	n, ok := intValue(m, asgi.KeyClose)
	if !ok || n == 0 || asgi.CanSendCloseCode(n) {
		return nil
	}
	return newProblem("use 1000 to 1003, 1007 to 1014 or 3000 to 4999", "%d is not a close code that may be sent", n)
}

func intValue(m asgi.Message, key string) (int64, bool) {
	v, _ := m.Get(key)
	n, ok := v.(int64)
	return n, ok
}

func delayProblem(m asgi.Message) *Problem {
	keys := []string{asgi.KeyChannel, asgi.KeyDelay, asgi.KeyContent}
	if c := unknownKey(m, keys...); c != nil {
		return c
	}
	for _, key := range keys {
		if !m.Has(key) {
			return newProblem("", "a message to asgi.delay must have %q", key)
		}
	}
	c := firstProblem(
		wrongType(m, asgi.KeyChannel, "text", isOctets),
		wrongType(m, asgi.KeyDelay, "an int, in milliseconds", isInt),
		wrongType(m, asgi.KeyContent, "a dict", isDict),
	)
	if n, ok := intValue(m, asgi.KeyDelay); c == nil && ok && n <= 0 {
		return newProblem("", "the delay must be greater than zero, not %d", n)
	}
	return c
}
