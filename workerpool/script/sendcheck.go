package script

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/internal/logkey"
	"asgibox/workerpool/script/explain"
)

// problem is an error in a message that the script sends.
type problem struct {
	what, hint string
	possible   bool // perhaps none: a warning even if the loader is strict
}

func newProblem(hint, format string, args ...any) *problem {
	return &problem{what: fmt.Sprintf(format, args...), hint: hint}
}

// checkSend checks a message to a channel whose reader is known, and reports its
// problem.
func (r *run) checkSend(name string, m asgi.Message) ([]asgi.SendOption, error) {
	if r.unit.loader.opts.NoCheck {
		return nil, nil
	}
	return r.report(name, r.findProblem(name, m))
}

var reported = []asgi.SendOption{asgi.Reported}

// report logs one warning for each line with a problem, or fails if the loader is
// strict. It returns the options for sending the message.
func (r *run) report(name string, c *problem) ([]asgi.SendOption, error) {
	if c == nil {
		return nil, nil
	}
	if r.unit.loader.opts.Strict && !c.possible {
		return nil, explain.Hintf(c.hint, "%s", c.what)
	}
	if r.unit.alreadyWarned(location(r.thread) + c.what) {
		return reported, nil
	}
	text := c.what
	if c.hint != "" {
		text += " (" + c.hint + ")"
	}
	r.unit.logAt(r.thread, slog.LevelWarn, text, logkey.Channel, name)
	return reported, nil
}

// alreadyWarned reports whether a warning was logged before, and records it.
func (u *unit) alreadyWarned(text string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.warnings[text] || len(u.warnings) > 1000 {
		return true
	}
	u.warnings[text] = true
	return false
}

const connectionEnded = "this connection has ended: the message will not be delivered"

func (r *run) findProblem(name string, m asgi.Message) *problem {
	switch {
	case name == asgi.DelayChannel:
		return delayProblem(m)
	case asgi.KindOf(name) == asgi.Normal:
		return r.unreadProblem(name)
	case r.job == nil || asgi.KindOf(name) != asgi.ProcessSpecific:
		return nil
	case name != r.job.ReplyChannel():
		switch {
		case r.job.Gone(name):
			return newProblem("", connectionEnded)
		case r.job.IsWebSocket(name):
			return webSocketProblem(m, true)
		}
		return nil
	}
	switch from := r.job.Delivery.Channel; from {
	case asgi.HTTPRequest:
		return r.responseProblem(m)
	case asgi.WebSocketConnect, asgi.WebSocketReceive:
		if r.job.Completed() {
			return newProblem("", "this connection is already closed: the message will not be delivered")
		}
		return webSocketProblem(m, from == asgi.WebSocketReceive || r.job.Replied())
	case asgi.WebSocketDisconnect, asgi.HTTPDisconnect:
		return newProblem("", connectionEnded)
	case asgi.UDPReceive:
		return firstProblem(unknownKey(m, asgi.KeyData), wrongType(m, asgi.KeyData, "text or bytes", isOctets))
	}
	return nil
}

// firstProblem returns the first problem that is not nil.
func firstProblem(cs ...*problem) *problem {
	for _, c := range cs {
		if c != nil {
			return c
		}
	}
	return nil
}

// unknownKey returns a problem if the message has a key that is not known.
func unknownKey(m asgi.Message, known ...string) *problem {
	for key := range m.All() {
		if !slices.Contains(known, key) {
			return newProblem("the known keys are "+strings.Join(known, ", "), "the message has an unknown key %q%s", key, didYouMean(key, known))
		}
	}
	return nil
}

// wrongType returns a problem if the key has a value of the wrong type.
func wrongType(m asgi.Message, key, want string, matches func(any) bool) *problem {
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
func (r *run) responseProblem(m asgi.Message) *problem {
	if r.job.Completed() {
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
	case status == nil && !r.job.Replied():
		return newProblem(`send {"status": 200, …}`, "the first message of a response must have a status")
	case status != nil && r.job.Replied():
		return newProblem("send a status only with the first message", "the response has already started: its status cannot be changed")
	}
	return responseTypes(m)
}

// responseTypes returns a problem if a part of a response has a value that is not
// allowed.
func responseTypes(m asgi.Message) *problem {
	status, _ := m.Get(asgi.KeyStatus)
	return firstProblem(
		wrongType(m, asgi.KeyStatus, "an int", isInt),
		statusRange(status),
		wrongType(m, asgi.KeyHeaders, "a list of [name, value] pairs", isHeaders),
		wrongType(m, asgi.KeyContent, "text or bytes", isOctets),
		wrongType(m, asgi.KeyMoreContent, "a bool", isBool),
	)
}

func statusRange(v any) *problem {
	if n, ok := v.(int64); ok && (n < 200 || n > 999) {
		return newProblem("", "the status must be between 200 and 999, not %d", n)
	}
	return nil
}

// webSocketProblem checks a message to a WebSocket. open is false during the
// handshake.
func webSocketProblem(m asgi.Message, open bool) *problem {
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

func textOrBytes(m asgi.Message, key string, matches func(any) bool, other string) *problem {
	v, _ := m.Get(key)
	if v == nil || matches(v) {
		return nil
	}
	if isOctets(v) {
		return newProblem(fmt.Sprintf("send it as {%q: …}", other), "%q must be %s, not %s", key, key, asgi.TypeName(v))
	}
	return newProblem("convert it with str(…) or json.encode(…)", "%q must be %s, not %s", key, key, asgi.TypeName(v))
}

// closeCode returns a problem if applications may not send the close code.
func closeCode(m asgi.Message) *problem {
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

func delayProblem(m asgi.Message) *problem {
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
