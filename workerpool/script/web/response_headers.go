package web

import (
	"fmt"
	"strings"

	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// responseHeaders is the value of response.headers, a dict that ignores the case
// of names.
type responseHeaders struct {
	object
	r *Response
}

// Held returns the response.
func (h *responseHeaders) Held() []starlark.Value { return []starlark.Value{h.r} }

func (h *responseHeaders) Freeze() { h.r.Freeze() }

func (h *responseHeaders) Get(k starlark.Value) (starlark.Value, bool, error) {
	name, _ := nameOf(k)
	for _, header := range h.r.headers {
		if header.name == strings.ToLower(name) {
			return starlark.String(header.value), true, nil
		}
	}
	return nil, false, nil
}

func (h *responseHeaders) SetKey(k, v starlark.Value) error {
	name, ok := nameOf(k)
	if !ok {
		return fmt.Errorf("the name of a header is %s; it must be text", value.An(k))
	}
	return h.r.setHeader(name, v)
}

func (h *responseHeaders) Items() []starlark.Tuple {
	var items []starlark.Tuple
	for _, header := range h.r.headers {
		items = append(items, starlark.Tuple{starlark.String(header.name), starlark.String(header.value)})
	}
	return items
}

func (h *responseHeaders) Iterate() starlark.Iterator {
	var names []string
	for _, header := range h.r.headers {
		names = append(names, header.name)
	}
	return stringList(names).Iterate()
}

func (h *responseHeaders) Len() int { return len(h.r.headers) }

func (h *responseHeaders) String() string { return fmt.Sprint(h.Items()) }

func (h *responseHeaders) AttrNames() []string { return []string{"get", "items"} }

func (h *responseHeaders) Attr(name string) (starlark.Value, error) {
	switch name {
	case "get":
		return method(name, func(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			var key string
			var otherwise starlark.Value = starlark.None
			if err := starlark.UnpackArgs(name, args, kwargs, "name", &key, "default?", &otherwise); err != nil {
				return nil, err
			}
			if v, ok, _ := h.Get(starlark.String(key)); ok {
				return v, nil
			}
			return otherwise, nil
		}), nil
	case "items":
		return method(name, func(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			var out []starlark.Value
			for _, item := range h.Items() {
				out = append(out, item)
			}
			return starlark.NewList(out), starlark.UnpackPositionalArgs(name, args, kwargs, 0)
		}), nil
	}
	return nil, nil
}
