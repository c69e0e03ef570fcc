package lib

import (
	"fmt"
	"maps"
	"slices"

	"asgibox/internal/spell"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// Settings returns the value settings, a dict of text that cannot change.
func Settings(all map[string]string) starlark.Value {
	return &settings{maps.Clone(all), slices.Sorted(maps.Keys(all))}
}

type settings struct {
	values map[string]string
	names  []string // sorted
}

var _ starlark.IterableMapping = (*settings)(nil)

func (s *settings) Type() string          { return "settings" }
func (s *settings) Freeze()               {}
func (s *settings) Truth() starlark.Bool  { return len(s.names) > 0 }
func (s *settings) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: settings") }
func (s *settings) Len() int              { return len(s.names) }

// String returns the names of the settings without the values, which may be
// secret.
func (s *settings) String() string { return fmt.Sprintf("<settings %q>", s.names) }

func (s *settings) Get(k starlark.Value) (starlark.Value, bool, error) {
	name, _ := starlark.AsString(k)
	if v, ok := s.values[name]; ok {
		return starlark.String(v), true, nil
	}
	hint := fmt.Sprintf("pass --set %s=…, add it to .env, or write settings.get(%s, default)", name, value.Brief(k))
	if near := spell.Nearest(name, s.names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return nil, false, explain.Hintf(hint, "there is no setting %s", value.Brief(k))
}

func (s *settings) Items() []starlark.Tuple {
	items := make([]starlark.Tuple, len(s.names))
	for i, name := range s.names {
		items[i] = starlark.Tuple{starlark.String(name), starlark.String(s.values[name])}
	}
	return items
}

func (s *settings) keys() *starlark.List {
	names := make([]starlark.Value, len(s.names))
	for i, name := range s.names {
		names[i] = starlark.String(name)
	}
	return starlark.NewList(names)
}

func (s *settings) Iterate() starlark.Iterator { return s.keys().Iterate() }

func (s *settings) AttrNames() []string { return []string{"get", "keys"} }

func (s *settings) Attr(name string) (starlark.Value, error) {
	switch name {
	case "get":
		return getMethod(func(key string) (string, bool) {
			v, ok := s.values[key]
			return v, ok
		}), nil
	case "keys":
		return starlark.NewBuiltin(name, func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return s.keys(), starlark.UnpackArgs(b.Name(), args, kwargs)
		}), nil
	}
	return nil, nil
}
