package value

import (
	"asgibox/asgi"

	"go.starlark.net/starlark"
)

// Content is a script's view of a message. Get returns single values, and Dict
// returns a dict that the script may change. Numbers and texts are converted
// when Get returns them. The dict is made when it is first needed, and then Get
// reads from it.
//
// A Content belongs to one handler and is not safe for concurrent use.
type Content struct {
	origin asgi.Dict
	dict   *starlark.Dict // nil until made
}

// NewContent returns the view of a message.
func NewContent(m asgi.Message) Content { return Content{origin: m.Dict} }

// Get returns the value of a key and reports whether it exists.
func (c *Content) Get(key string) (starlark.Value, bool) {
	if c.dict == nil {
		v, ok := c.origin.Get(key)
		if !ok {
			return nil, false
		}
		if !mutable(v) {
			return ToStarlark(v), true
		}
	}
	v, ok, err := c.Dict().Get(starlark.String(key))
	return v, ok && err == nil
}

// Dict returns the handler's own dict, the same at each call.
func (c *Content) Dict() *starlark.Dict {
	if c.dict == nil {
		c.dict = Dict(c.origin)
	}
	return c.dict
}

// Keys returns the text keys in order, for suggestions.
func (c *Content) Keys() []string {
	if c.dict != nil {
		return textKeys(c.dict)
	}
	keys := make([]string, 0, c.origin.Len())
	for k := range c.origin.All() {
		keys = append(keys, k)
	}
	return keys
}

// Origin returns the received message, without changes by the handler.
func (c *Content) Origin() asgi.Message { return asgi.Message{Dict: c.origin} }

// mutable reports whether a script could change the converted value, so that
// every Get must return the same one.
func mutable(v any) bool {
	switch v.(type) {
	case asgi.List, asgi.Dict:
		return true
	}
	return false
}

func textKeys(d *starlark.Dict) []string {
	keys := make([]string, 0, d.Len())
	for _, k := range d.Keys() {
		if s, ok := starlark.AsString(k); ok {
			keys = append(keys, s)
		}
	}
	return keys
}
