package script

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"asgibox/asgi"
)

// complaint is what is wrong with a message that is about to be sent.
type complaint struct{ what, hint string }

func complain(hint, format string, args ...any) *complaint {
	return &complaint{fmt.Sprintf(format, args...), hint}
}

// check looks at a message to a channel whose readers are known, at the line
// that sends it. It warns, once a line, or fails if it is to be strict.
func (r *run) check(name string, m asgi.Message) error {
	if r.unit.loader.opts.NoCheck {
		return nil
	}
	c := r.complaint(name, m)
	if c == nil {
		return nil
	}
	if r.unit.loader.opts.Strict {
		return hintf(c.hint, "%s", c.what)
	}
	at := where(r.thread)
	if r.unit.warned(at + c.what) {
		return nil
	}
	text := c.what
	if c.hint != "" {
		text += " (" + c.hint + ")"
	}
	r.unit.logAt(r.thread, slog.LevelWarn, text, "channel", name)
	return nil
}

// warned reports whether a warning was given before, and notes it.
func (u *unit) warned(text string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.warnings[text] || len(u.warnings) > 1000 {
		return true
	}
	u.warnings[text] = true
	return false
}

func (r *run) complaint(name string, m asgi.Message) *complaint {
	switch {
	case name == "asgi.delay":
		return delayComplaint(m)
	case r.job == nil || asgi.KindOf(name) != asgi.ProcessSpecific:
		return nil
	case name != r.job.ReplyChannel():
		switch {
		case r.job.Gone(name):
			return complain("", "this connection has ended: nobody will see the message")
		case r.job.IsWebSocket(name):
			return socketComplaint(m, true)
		}
		return nil
	}
	switch r.job.Delivery.Channel {
	case "http.request":
		return r.responseComplaint(m)
	case "websocket.connect", "websocket.receive":
		if r.job.Completed() {
			return complain("", "this connection was closed before: nobody will see the message")
		}
	}
	switch r.job.Delivery.Channel {
	case "websocket.connect":
		return socketComplaint(m, r.job.Replied())
	case "websocket.receive":
		return socketComplaint(m, true)
	case "websocket.disconnect", "http.disconnect":
		return complain("", "this connection has ended: nobody will see the message")
	case "udp.receive":
		return firstOf(unknown(m, "data"), wrongType(m, "data", "text or bytes", isOctets))
	}
	return nil
}

// firstOf answers the first complaint there is.
func firstOf(cs ...*complaint) *complaint {
	for _, c := range cs {
		if c != nil {
			return c
		}
	}
	return nil
}

// unknown complains of a key that readers do not know.
func unknown(m asgi.Message, known ...string) *complaint {
	for key := range m.All() {
		if !slices.Contains(known, key) {
			return complain("known are "+strings.Join(known, ", "), "the key %q is not known here%s", key, didYouMean(key, known))
		}
	}
	return nil
}

// wrongType complains of a value that is there and does not fit.
func wrongType(m asgi.Message, key, want string, fits func(any) bool) *complaint {
	v, _ := m.Get(key)
	if v == nil || fits(v) {
		return nil
	}
	return complain("", "%q must be %s, not %s", key, want, typeName(v))
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64:
		return "an int"
	case float64:
		return "a float"
	case string:
		return "text"
	case asgi.Bytes:
		return "bytes"
	case asgi.List:
		return "a list"
	}
	return "a dict"
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

// responseComplaint is about an answer to the request that is being handled.
func (r *run) responseComplaint(m asgi.Message) *complaint {
	if r.job.Completed() {
		return complain("send more_content: True with what comes before", "the response is complete already: nobody will see the message")
	}
	if c := unknown(m, "status", "headers", "content", "more_content", "request", "abort"); c != nil {
		return c
	}
	if m.Has("request") {
		return wrongType(m, "request", "a dict", isDict)
	}
	status, _ := m.Get("status")
	switch {
	case status == nil && !r.job.Replied():
		return complain(`{"status": 200, …}`, "the first message of a response must have a status")
	case status != nil && r.job.Replied():
		return complain("", "the response has begun: its status cannot be changed")
	}
	return firstOf(
		wrongType(m, "status", "an int", isInt),
		statusRange(status),
		wrongType(m, "headers", "a list of [name, value] pairs", isHeaders),
		wrongType(m, "content", "text or bytes", isOctets),
		wrongType(m, "more_content", "a bool", isBool),
	)
}

func statusRange(v any) *complaint {
	if n, ok := v.(int64); ok && (n < 200 || n > 999) {
		return complain("", "the status %d is outside 200 to 999", n)
	}
	return nil
}

// socketComplaint is about a message to a WebSocket, open or not yet.
func socketComplaint(m asgi.Message, open bool) *complaint {
	c := firstOf(
		unknown(m, "text", "bytes", "close", "accept", "subprotocol", "reason", "response"),
		textOrBytes(m, "text", isText, "bytes"),
		textOrBytes(m, "bytes", isOctets, "text"),
		wrongType(m, "accept", "a bool", isBool),
		wrongType(m, "close", "a bool or a code", func(v any) bool { return isBool(v) || isInt(v) }),
		closeCode(m),
		wrongType(m, "subprotocol", "text", isText),
		wrongType(m, "reason", "text", isText),
	)
	if c != nil {
		return c
	}
	text, _ := m.Get("text")
	data, _ := m.Get("bytes")
	if text != nil && data != nil {
		return complain("send two messages", "a message has text or bytes, not both: it will be ignored")
	}
	if open && text == nil && data == nil && !m.Has("close") && !m.Has("accept") && !m.Has("response") {
		return complain(`send {"text": text} or {"bytes": data}`, "the message holds nothing to send")
	}
	if !open && (text == "" || data == asgi.Bytes("")) && !m.Has("accept") && !m.Has("close") {
		return complain(`add "accept": True`, "empty data does not accept a handshake")
	}
	return nil
}

func textOrBytes(m asgi.Message, key string, fits func(any) bool, other string) *complaint {
	v, _ := m.Get(key)
	if v == nil || fits(v) {
		return nil
	}
	if isOctets(v) {
		return complain(fmt.Sprintf("send it as {%q: …}", other), "%q must be %s, not %s", key, key, typeName(v))
	}
	return complain("str(…) makes text of it, json.encode(…) JSON", "%q must be %s, not %s", key, key, typeName(v))
}

// closeCode complains of a code that may not be sent.
func closeCode(m asgi.Message) *complaint {
	n, ok := mustInt(m, "close")
	switch {
	case !ok, n == 0, n >= 1000 && n <= 1003, n >= 1007 && n <= 1014, n >= 3000 && n <= 4999:
		return nil
	}
	return complain("1000 to 1003, 1007 to 1014 and 3000 to 4999 may be sent", "%d is no close code that may be sent", n)
}

func mustInt(m asgi.Message, key string) (int64, bool) {
	v, _ := m.Get(key)
	n, ok := v.(int64)
	return n, ok
}

func delayComplaint(m asgi.Message) *complaint {
	if c := unknown(m, "channel", "delay", "content"); c != nil {
		return c
	}
	for _, key := range []string{"channel", "delay", "content"} {
		if !m.Has(key) {
			return complain("", "a message to asgi.delay must have %q", key)
		}
	}
	c := firstOf(wrongType(m, "channel", "text", isOctets), wrongType(m, "delay", "an int, in milliseconds", isInt), wrongType(m, "content", "a dict", isDict))
	if n, ok := mustInt(m, "delay"); c == nil && ok && n <= 0 {
		return complain("", "the delay %d is not above zero", n)
	}
	return c
}
