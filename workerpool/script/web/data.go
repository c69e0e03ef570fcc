package web

import (
	"fmt"
	gotime "time"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// Limits for the number of values in a context and for their nesting. Even a
// small script can make a very large context, with lists that contain a list
// many times.
const (
	maxData  = 1 << 20
	maxDepth = 100
)

// templateData converts a context to Go values: dicts to maps, lists to slices,
// times to time.Time.
func templateData(context starlark.Value) (any, error) {
	c := converter{left: maxData}
	switch context.(type) {
	case starlark.NoneType:
		return map[string]any{}, nil
	case starlark.IterableMapping:
		return c.convert(context, 0)
	}
	return nil, explain.Hintf(`write render("page.html", {"name": value})`, "render: the context is %s; it must be a dict", value.An(context))
}

type converter struct{ left int }

func (c *converter) convert(v starlark.Value, depth int) (any, error) {
	if c.left--; c.left < 0 || depth > maxDepth {
		return nil, fmt.Errorf("render: the context is too large, or contains itself")
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		return bool(v), nil
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return asText(string(v)), nil
	case starlark.Float:
		return float64(v), nil
	case starlark.Int:
		if n, ok := v.Int64(); ok {
			return n, nil
		}
		return value.Text(v)
	case startime.Time:
		return gotime.Time(v).Round(0), nil // without the monotonic clock, which String would show
	case startime.Duration:
		return gotime.Duration(v), nil
	case starlark.IterableMapping:
		return c.dict(v, depth)
	case starlark.Iterable:
		return c.list(v, depth)
	}
	return nil, explain.Hintf("put the values that the page shows into the context", "render: the context contains %s, which a template cannot show", value.An(v))
}

func (c *converter) dict(v starlark.IterableMapping, depth int) (any, error) {
	items := v.Items()
	out := make(map[string]any, len(items))
	for _, item := range items {
		key, ok := starlark.AsString(item[0])
		if !ok {
			var err error
			if key, err = value.Text(item[0]); err != nil {
				return nil, fmt.Errorf("render: a key of the context: %w", err)
			}
		}
		inner, err := c.convert(item[1], depth+1)
		if err != nil {
			return nil, err
		}
		out[key] = inner
	}
	return out, nil
}

func (c *converter) list(v starlark.Iterable, depth int) (any, error) {
	out := []any{}
	for item := range starlark.Elements(v) {
		inner, err := c.convert(item, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, inner)
	}
	return out, nil
}

// plainData converts a value of a message to Go values for a template.
func plainData(v any) any {
	switch v := v.(type) {
	case asgi.Bytes:
		return asText(string(v))
	case asgi.List:
		list := make([]any, v.Len())
		for i, item := range v.All() {
			list[i] = plainData(item)
		}
		return list
	case asgi.Dict:
		dict := make(map[string]any, v.Len())
		for key, item := range v.All() {
			dict[key] = plainData(item)
		}
		return dict
	}
	return v
}
