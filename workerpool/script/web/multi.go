package web

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"asgibox/internal/spell"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// A Multi is a read-only dict whose keys may have several values: GET, POST
// and FILES. Indexing returns the first value of a key, getlist returns all.
type Multi struct {
	object
	keys   []string
	values map[string][]starlark.Value
}

var (
	_ starlark.IterableMapping = (*Multi)(nil)
	_ starlark.HasAttrs        = (*Multi)(nil)
	_ starlark.Sequence        = (*Multi)(nil)
)

func newMulti(kind string) *Multi {
	return &Multi{object: object(kind), values: map[string][]starlark.Value{}}
}

func (m *Multi) add(key string, v starlark.Value) {
	if _, ok := m.values[key]; !ok {
		m.keys = append(m.keys, key)
	}
	m.values[key] = append(m.values[key], v)
}

// parseQuery adds the pairs of a query string or a urlencoded form. Text that is
// not well encoded is not decoded, and bytes that are not UTF-8 become U+FFFD.
func (m *Multi) parseQuery(query string) {
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		key, v, _ := strings.Cut(pair, "=")
		m.add(unescape(key), starlark.String(unescape(v)))
	}
}

func unescape(s string) string {
	if out, err := url.QueryUnescape(s); err == nil {
		s = out
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Get returns the first value of a key. If there is no such key, it fails with
// an error that suggests a similar key.
func (m *Multi) Get(k starlark.Value) (starlark.Value, bool, error) {
	key, ok := starlark.AsString(k)
	if vs := m.values[key]; ok && len(vs) > 0 {
		return vs[0], true, nil
	}
	return nil, false, explain.Hintf(missing(key, m.keys, m.Type()), "key %s not in %s", value.Brief(k), m.Type())
}

func missing(key string, keys []string, kind string) string {
	if near := spell.Nearest(key, keys); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return fmt.Sprintf("%s.get(%q) returns None if there is no such key", kind, key)
}

func (m *Multi) Len() int             { return len(m.keys) }
func (m *Multi) Truth() starlark.Bool { return len(m.keys) > 0 }
func (m *Multi) String() string       { return m.dict().String() }

// Iterate iterates over the keys in order.
func (m *Multi) Iterate() starlark.Iterator { return stringList(m.keys).Iterate() }

// Items returns each key with its first value.
func (m *Multi) Items() []starlark.Tuple {
	items := make([]starlark.Tuple, len(m.keys))
	for i, k := range m.keys {
		items[i] = starlark.Tuple{starlark.String(k), m.values[k][0]}
	}
	return items
}

func (m *Multi) AttrNames() []string {
	return []string{"dict", "get", "getlist", "items", "keys", "values"}
}

func (m *Multi) Attr(name string) (starlark.Value, error) {
	switch name {
	case "get":
		return method(name, m.get), nil
	case "getlist":
		return method(name, m.getlist), nil
	case "keys", "values", "items", "dict":
		return method(name, func(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return m.view(name), starlark.UnpackPositionalArgs(name, args, kwargs, 0)
		}), nil
	}
	return nil, nil
}

func (m *Multi) get(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var key string
	var otherwise starlark.Value = starlark.None
	if err := starlark.UnpackArgs("get", args, kwargs, "key", &key, "default?", &otherwise); err != nil {
		return nil, err
	}
	if vs := m.values[key]; len(vs) > 0 {
		return vs[0], nil
	}
	return otherwise, nil
}

func (m *Multi) getlist(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var key string
	if err := starlark.UnpackArgs("getlist", args, kwargs, "key", &key); err != nil {
		return nil, err
	}
	return starlark.NewList(slices.Clone(m.values[key])), nil
}

func (m *Multi) view(what string) starlark.Value {
	if what == "dict" {
		return m.dict()
	}
	out := make([]starlark.Value, len(m.keys))
	for i, item := range m.Items() {
		switch what {
		case "keys":
			out[i] = item[0]
		case "values":
			out[i] = item[1]
		default:
			out[i] = item
		}
	}
	return starlark.NewList(out)
}

// dict returns a plain dict of the first values.
func (m *Multi) dict() *starlark.Dict {
	d := starlark.NewDict(len(m.keys))
	for _, item := range m.Items() {
		d.SetKey(item[0], item[1]) // cannot fail: the key is text
	}
	return d
}

func stringList(all []string) *starlark.List {
	out := make([]starlark.Value, len(all))
	for i, s := range all {
		out[i] = starlark.String(s)
	}
	return starlark.NewList(out)
}
