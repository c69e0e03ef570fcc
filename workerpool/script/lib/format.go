package lib

import (
	"fmt"
	"strconv"
	"strings"

	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// A format is the text on the left of "%". It checks the values before it
// writes them.
type format struct{ starlark.Value }

var _ starlark.HasBinary = format{}

func formatOf(v starlark.Value) (starlark.Value, error) {
	if _, ok := v.(starlark.String); ok {
		return format{v}, nil
	}
	return v, nil
}

func (f format) Binary(op syntax.Token, x starlark.Value, side starlark.Side) (starlark.Value, error) {
	if op != syntax.PERCENT || side != starlark.Left {
		return nil, nil
	}
	text, _ := starlark.AsString(f.Value)
	values, ok := x.(starlark.Tuple)
	if !ok {
		values = starlark.Tuple{x}
	}
	if !short(text, values) {
		left := value.Budget(value.MaxText)
		if err := measurePercent(text, x, &left); err != nil {
			return nil, fmt.Errorf("%%: %w", err)
		}
	}
	return starlark.Binary(op, f.Value, x)
}

// short reports whether a text is certainly not too long after values are put
// into it, because it is short and so are they.
func short(text string, values []starlark.Value) bool {
	const most = 1 << 10
	for _, v := range values {
		switch v := v.(type) {
		case starlark.String:
			if len(v) > most {
				return false
			}
		case starlark.Int:
			if _, ok := v.Int64(); !ok {
				return false
			}
		default:
			return false
		}
	}
	return len(text) <= most
}

// measurePercent subtracts the smallest possible length of text % x from left.
// Starlark reports a text that is not well formed.
func measurePercent(text string, x starlark.Value, left *value.Budget) error {
	if err := left.Take(len(text)); err != nil {
		return err
	}
	values, ok := x.(starlark.Tuple)
	if !ok {
		values = starlark.Tuple{x}
	}
	for {
		_, after, found := strings.Cut(text, "%")
		if !found {
			return nil
		}
		text = after
		if rest, ok := strings.CutPrefix(text, "%"); ok {
			text = rest
			continue
		}
		var v starlark.Value
		if rest, ok := strings.CutPrefix(text, "("); ok {
			name, after, _ := strings.Cut(rest, ")")
			if m, ok := x.(starlark.Mapping); ok {
				v, _, _ = m.Get(starlark.String(name))
			}
			text = after
		} else if len(values) > 0 {
			v, values = values[0], values[1:]
		}
		if v == nil {
			return nil
		}
		if err := left.Measure(v); err != nil {
			return err
		}
		text = text[min(1, len(text)):] // the conversion
	}
}

// measureFormat subtracts the smallest possible length of text.format(…) from
// left. Starlark reports a text that is not well formed.
func measureFormat(text string, args starlark.Tuple, kwargs []starlark.Tuple, left *value.Budget) error {
	if err := left.Take(len(text)); err != nil {
		return err
	}
	next := 0
	for {
		_, after, found := strings.Cut(text, "{")
		if !found {
			return nil
		}
		text = after
		if rest, ok := strings.CutPrefix(text, "{"); ok {
			text = rest
			continue
		}
		field, after, found := strings.Cut(text, "}")
		if !found {
			return nil
		}
		text = after
		name := field
		if end := strings.IndexAny(field, "!:"); end >= 0 {
			name = field[:end]
		}
		if name == "" {
			name = strconv.Itoa(next)
			next++
		}
		v := named(kwargs, name)
		if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < len(args) {
			v = args[n]
		}
		if v == nil {
			continue
		}
		if err := left.Measure(v); err != nil {
			return err
		}
	}
}

// named returns the value of a keyword argument, or nil.
func named(kwargs []starlark.Tuple, name string) starlark.Value {
	for _, kw := range kwargs {
		if kw[0] == starlark.Value(starlark.String(name)) {
			return kw[1]
		}
	}
	return nil
}
