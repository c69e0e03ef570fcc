package value

import (
	"asgibox/asgi"

	"go.starlark.net/starlark"
)

// Content is a message as a script sees it: its values by key, and the same
// as a dict to change at will. Numbers and texts are converted one at a time
// as they are asked for; the dict is made when it is first needed, after
// which both views are one.
//
// A Content belongs to one handler and is not safe for concurrent use.
type Content struct {
	origin asgi.Dict
	dict   *starlark.Dict // nil until made
}

// NewContent is the view of a message.
func NewContent(m asgi.Message) Content { return Content{origin: m.Dict} }

// Get answers the value of a key, and whether there is one.
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

// Dict answers the handler's own dict, the same one each time.
func (c *Content) Dict() *starlark.Dict {
	if c.dict == nil {
		c.dict = Dict(c.origin)
	}
	return c.dict
}

// Keys answers the text keys, in order; for suggestions.
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

// Origin answers the message as it was received, whatever the handler did.
func (c *Content) Origin() asgi.Message { return asgi.Message{Dict: c.origin} }

// mutable reports whether a converted value could be changed, so that each
// look must find the same one.
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
