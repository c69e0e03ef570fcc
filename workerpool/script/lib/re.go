package lib

import (
	"errors"
	"fmt"
	"regexp"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

func reModule() *starlarkstruct.Module {
	p := &patterns{all: map[string]*pattern{}}
	return module("re", map[string]function{
		"match":   p.match,
		"search":  p.search,
		"findall": p.findall,
		"sub":     p.sub,
		"split":   p.split,
		"escape":  escape,
	})
}

// maxMatches is how many matches one call may find; fewer if they have several groups.
// A match of one letter takes many times the memory of the letter.
const maxMatches = 1 << 18

// collect calls found with each match in a text, at most limit times if limit is
// positive. It reserves the memory of the groups, and fails if there are too many.
func (p *pattern) collect(thread *starlark.Thread, call, text string, limit int, found func(m *match) error) error {
	groups := max(1, p.NumSubexp())
	most := maxMatches / groups
	if limit <= 0 || limit > most {
		limit = most + 1
	}
	n := 0
	return p.matches(contextOf(thread), text, limit, func(m *match) error {
		if n++; n > most {
			return explain.Hintf("split the text into parts first", "%s: the pattern matches more than %d times", call, most)
		}
		if err := reserve(thread, n*groups); err != nil {
			return err
		}
		return found(m)
	})
}

// arguments unpacks a pattern, which it compiles, and a text.
func (p *patterns) arguments(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (*pattern, string, error) {
	var pattern, text string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "pattern", &pattern, "text", &text); err != nil {
		return nil, "", err
	}
	re, err := p.compile(thread, pattern, text)
	return re, text, err
}

// match matches at the beginning of the text only.
func (p *patterns) match(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	re, text, err := p.arguments(thread, b, args, kwargs)
	if err != nil {
		return nil, err
	}
	first, err := re.first()
	if err != nil {
		return nil, err
	}
	return found(first, text), nil
}

func (p *patterns) search(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	re, text, err := p.arguments(thread, b, args, kwargs)
	if err != nil {
		return nil, err
	}
	return found(re.Regexp, text), nil
}

func found(re *regexp.Regexp, text string) starlark.Value {
	at := re.FindStringSubmatchIndex(text)
	if at == nil {
		return starlark.None
	}
	return &match{re, text, at}
}

// findall returns the text of each match: its group if the pattern has one, or
// a tuple of its groups if the pattern has more.
func (p *patterns) findall(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	re, text, err := p.arguments(thread, b, args, kwargs)
	if err != nil {
		return nil, err
	}
	var out []starlark.Value
	err = re.collect(thread, b.Name(), text, 0, func(m *match) error {
		switch n := re.NumSubexp(); n {
		case 0, 1:
			out = append(out, starlark.String(m.textOf(n)))
		default:
			tuple := make(starlark.Tuple, n)
			for i := range tuple {
				tuple[i] = starlark.String(m.textOf(i + 1))
			}
			out = append(out, tuple)
		}
		return nil
	})
	return starlark.NewList(out), err
}

// sub replaces the matches. The replacement is text, which may contain \1 and
// \g<name>, or a function that takes the match and returns text.
func (p *patterns) sub(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var pattern, text string
	var replacement starlark.Value
	var count int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "pattern", &pattern, "replacement", &replacement, "text", &text, "count?", &count); err != nil {
		return nil, err
	}
	re, err := p.compile(thread, pattern, text)
	if err != nil {
		return nil, err
	}
	var out builder
	last := 0
	err = re.collect(thread, b.Name(), text, count, func(m *match) error {
		piece, err := replace(thread, m, replacement)
		var called *starlark.EvalError
		switch {
		case errors.As(err, &called):
			return err // unchanged: the interpreter copies the call stack into each wrapper
		case err != nil:
			return fmt.Errorf("%s: %w", b.Name(), err)
		}
		before := text[last:m.at[0]]
		last = m.at[1]
		return out.add(b.Name(), before, piece)
	})
	if err != nil {
		return nil, err
	}
	err = out.add(b.Name(), text[last:])
	return starlark.String(out.String()), err
}

func replace(thread *starlark.Thread, m *match, replacement starlark.Value) (string, error) {
	switch r := replacement.(type) {
	case starlark.String:
		return m.expand(string(r))
	case starlark.Callable:
		v, err := starlark.Call(thread, r, starlark.Tuple{m}, nil)
		if err != nil {
			return "", err
		}
		s, ok := starlark.AsString(v)
		if !ok {
			return "", fmt.Errorf("the function returned %s; it must return text", value.An(v))
		}
		return s, nil
	}
	return "", fmt.Errorf("the replacement is %s; it must be text or a function", value.An(replacement))
}

// split splits the text at each match. The result includes the groups.
func (p *patterns) split(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var pattern, text string
	var limit int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "pattern", &pattern, "text", &text, "maxsplit?", &limit); err != nil {
		return nil, err
	}
	re, err := p.compile(thread, pattern, text)
	if err != nil {
		return nil, err
	}
	var out []starlark.Value
	last := 0
	err = re.collect(thread, b.Name(), text, limit, func(m *match) error {
		out = append(out, starlark.String(text[last:m.at[0]]))
		for i := 1; i <= re.NumSubexp(); i++ {
			out = append(out, m.group(i))
		}
		last = m.at[1]
		return nil
	})
	return starlark.NewList(append(out, starlark.String(text[last:]))), err
}

func escape(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	text, err := one(b, "text", args, kwargs)
	if err != nil {
		return nil, err
	}
	return made(b.Name(), text, regexp.QuoteMeta)
}
