package remote

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
)

// arguments are the body of a call. What is missing or of a wrong type is
// noted in bad, so that a call can read them all and look once.
type arguments struct {
	fields asgi.Fields
	bad    error
}

// newArguments refuses keys that the call does not know.
func newArguments(fields asgi.Fields, known []string) (*arguments, error) {
	for _, f := range fields {
		if !slices.Contains(known, f.Key) {
			return nil, badRequest("the key %q is not known here: %s", f.Key, strings.Join(known, ", "))
		}
	}
	return &arguments{fields: fields}, nil
}

func (a *arguments) get(key string) (any, bool) {
	for _, f := range a.fields {
		if f.Key == key {
			return f.Value, true
		}
	}
	return nil, false
}

// wrong notes the first thing that is wrong.
func (a *arguments) wrong(key, want string) {
	if a.bad == nil {
		a.bad = badRequest("%s must be %s", key, want)
	}
}

// text returns a text that must be there.
func (a *arguments) text(key string) string {
	v, _ := a.get(key)
	s, ok := v.(string)
	if !ok {
		a.wrong(key, "given, a text")
	}
	return s
}

func (a *arguments) textOr(key, absent string) string {
	if v, given := a.get(key); !given || v == nil {
		return absent
	}
	return a.text(key)
}

// texts returns a list of texts; one text is a list of one.
func (a *arguments) texts(key string) []string {
	v, _ := a.get(key)
	if s, ok := v.(string); ok {
		return []string{s}
	}
	l, ok := v.(asgi.List)
	texts := make([]string, 0, l.Len())
	for _, item := range l.All() {
		s, isText := item.(string)
		ok = ok && isText
		texts = append(texts, s)
	}
	if !ok || len(texts) == 0 {
		a.wrong(key, "given, a list of texts or one text")
	}
	return texts
}

func (a *arguments) flag(key string) bool {
	v, _ := a.get(key)
	b, ok := v.(bool)
	if !ok && v != nil {
		a.wrong(key, "true or false")
	}
	return b
}

func (a *arguments) integer(key string, absent int64) int64 {
	v, _ := a.get(key)
	n, ok := v.(int64)
	switch {
	case v == nil:
		return absent
	case !ok:
		a.wrong(key, "an integer")
	}
	return n
}

// seconds returns a duration, and whether it was given.
func (a *arguments) seconds(key string) (d time.Duration, given bool) {
	v, _ := a.get(key)
	var s float64
	switch v := v.(type) {
	case nil:
		return 0, false
	case int64:
		s = float64(v)
	case float64:
		s = v
	default:
		a.wrong(key, "a number of seconds")
		return 0, true
	}
	if s < 0 {
		a.wrong(key, "a number of seconds, not below zero")
		return 0, true
	}
	return time.Duration(min(s*float64(time.Second), math.MaxInt64/2)), true
}

// value returns a value that must be there; it may be null.
func (a *arguments) value(key string) any {
	v, given := a.get(key)
	if !given {
		a.wrong(key, "given")
	}
	return v
}

func (a *arguments) message(key string) asgi.Message {
	v, _ := a.get(key)
	d, ok := v.(asgi.Dict)
	if !ok {
		a.wrong(key, "given, a dict")
		return asgi.Message{}
	}
	m, err := asgi.AsMessage(d)
	if err != nil && a.bad == nil {
		a.bad = err
	}
	return m
}

// cause begins the work of a call, in the chain that it names or in one of its
// own.
func (a *arguments) cause() *asgi.Cause {
	v, _ := a.get("trace")
	if v == nil {
		return asgi.NewCause(asgi.NewTrace())
	}
	text, _ := v.(string)
	trace, err := strconv.ParseUint(text, 16, 64)
	if err != nil || trace == 0 {
		a.wrong("trace", "16 hexadecimal digits, not all zero")
	}
	return asgi.NewCause(asgi.TraceID(trace))
}
