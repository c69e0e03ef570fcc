package remote

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
)

// arguments are the body of a call. The first argument that is missing or of a
// wrong type sets err, so that a call can read all arguments and then check err
// once.
type arguments struct {
	asgi.Fields
	err error
}

// newArguments fails if the fields have keys that are not known.
func newArguments(fields asgi.Fields, known []string) (*arguments, error) {
	for _, f := range fields {
		if !slices.Contains(known, f.Key) {
			return nil, Errorf(BadRequest, "unknown key %q; the call takes: %s", f.Key, strings.Join(known, ", "))
		}
	}
	return &arguments{Fields: fields}, nil
}

// invalid sets err, if no earlier argument did.
func (a *arguments) invalid(key, want string) {
	if a.err == nil {
		a.err = Errorf(BadRequest, "%s must be %s", key, want)
	}
}

// text returns a required text.
func (a *arguments) text(key string) string {
	v, _ := a.Get(key)
	s, ok := v.(string)
	if !ok {
		a.invalid(key, "given as a text")
	}
	return s
}

// textOr returns an optional text, or byDefault.
func (a *arguments) textOr(key, byDefault string) string {
	if v, given := a.Get(key); !given || v == nil {
		return byDefault
	}
	return a.text(key)
}

// texts returns a required list of texts. A single text is a list of one.
func (a *arguments) texts(key string) []string {
	v, _ := a.Get(key)
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
		a.invalid(key, "given as a list of texts or a single text")
	}
	return texts
}

// boolean returns an optional bool, or false.
func (a *arguments) boolean(key string) bool {
	v, _ := a.Get(key)
	b, ok := v.(bool)
	if !ok && v != nil {
		a.invalid(key, "true or false")
	}
	return b
}

// integer returns an optional integer, or byDefault.
func (a *arguments) integer(key string, byDefault int64) int64 {
	v, _ := a.Get(key)
	n, ok := v.(int64)
	switch {
	case v == nil:
		return byDefault
	case !ok:
		a.invalid(key, "an integer")
	}
	return n
}

// seconds returns an optional duration and reports whether it was given.
func (a *arguments) seconds(key string) (d time.Duration, given bool) {
	v, _ := a.Get(key)
	var s float64
	switch v := v.(type) {
	case nil:
		return 0, false
	case int64:
		s = float64(v)
	case float64:
		s = v
	default:
		a.invalid(key, "a number of seconds")
		return 0, true
	}
	if s < 0 {
		a.invalid(key, "a number of seconds, zero or more")
		return 0, true
	}
	return time.Duration(min(s*float64(time.Second), math.MaxInt64/2)), true
}

// value returns a required value, which may be null.
func (a *arguments) value(key string) any {
	v, given := a.Get(key)
	if !given {
		a.invalid(key, "given")
	}
	return v
}

// message returns a required message.
func (a *arguments) message(key string) asgi.Message {
	v, _ := a.Get(key)
	d, ok := v.(asgi.Dict)
	if !ok {
		a.invalid(key, "given as a dict")
		return asgi.Message{}
	}
	m, err := asgi.AsMessage(d)
	if err != nil && a.err == nil {
		a.err = err
	}
	return m
}

// cause returns a cause for the call, with the given trace or with a new one.
func (a *arguments) cause() *asgi.Cause {
	v, _ := a.Get("trace")
	if v == nil {
		return asgi.NewCause(asgi.NewTrace())
	}
	text, _ := v.(string)
	trace, err := strconv.ParseUint(text, 16, 64)
	if err != nil || trace == 0 {
		a.invalid("trace", "16 hexadecimal digits, not all zero")
	}
	return asgi.NewCause(asgi.TraceID(trace))
}
