package lib

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"asgibox/internal/spell"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// A match is the result of a search in a text.
type match struct {
	re   *regexp.Regexp
	text string
	at   []int // begin and end of each group, -1 if the group did not match
}

func (m *match) Type() string          { return "match" }
func (m *match) Freeze()               {}
func (m *match) Truth() starlark.Bool  { return true }
func (m *match) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: match") }
func (m *match) String() string        { return fmt.Sprintf("<match %q>", m.text[m.at[0]:m.at[1]]) }

func (m *match) AttrNames() []string {
	return []string{"end", "group", "groupdict", "groups", "span", "start"}
}

func (m *match) Attr(name string) (starlark.Value, error) {
	switch name {
	case "group":
		return m.method(name, func(i int) starlark.Value { return m.group(i) }), nil
	case "start":
		return m.method(name, func(i int) starlark.Value { return starlark.MakeInt(m.at[2*i]) }), nil
	case "end":
		return m.method(name, func(i int) starlark.Value { return starlark.MakeInt(m.at[2*i+1]) }), nil
	case "span":
		return m.method(name, func(i int) starlark.Value {
			return starlark.Tuple{starlark.MakeInt(m.at[2*i]), starlark.MakeInt(m.at[2*i+1])}
		}), nil
	case "groups":
		return starlark.NewBuiltin(name, m.groups), nil
	case "groupdict":
		return starlark.NewBuiltin(name, m.groupdict), nil
	}
	return nil, nil
}

// group returns the text of a group, or None if the group did not match.
func (m *match) group(i int) starlark.Value {
	if m.at[2*i] < 0 {
		return starlark.None
	}
	return starlark.String(m.text[m.at[2*i]:m.at[2*i+1]])
}

// textOf returns the text of a group, or "" if the group did not match.
func (m *match) textOf(i int) string {
	s, _ := starlark.AsString(m.group(i))
	return s
}

// method returns a method that takes the number or name of a group, 0 by
// default.
func (m *match) method(name string, result func(int) starlark.Value) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var which starlark.Value = starlark.MakeInt(0)
		if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 0, &which); err != nil {
			return nil, err
		}
		i, err := m.index(which)
		if err != nil {
			return nil, err
		}
		return result(i), nil
	})
}

// index returns the number of a group.
func (m *match) index(which starlark.Value) (int, error) {
	if name, ok := starlark.AsString(which); ok {
		if i := m.re.SubexpIndex(name); i >= 0 {
			return i, nil
		}
		hint := ""
		if near := spell.Nearest(name, m.re.SubexpNames()); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return 0, explain.Hintf(hint, "the pattern has no group %q", name)
	}
	i, err := starlark.AsInt32(which)
	if err != nil || i < 0 || i > m.re.NumSubexp() {
		return 0, fmt.Errorf("the pattern has no group %s; it has %d", value.Brief(which), m.re.NumSubexp())
	}
	return i, nil
}

func (m *match) groups(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	out := make(starlark.Tuple, m.re.NumSubexp())
	for i := range out {
		out[i] = m.group(i + 1)
	}
	return out, starlark.UnpackArgs(b.Name(), args, kwargs)
}

func (m *match) groupdict(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	d := starlark.NewDict(0)
	for i, name := range m.re.SubexpNames() {
		if name != "" {
			d.SetKey(starlark.String(name), m.group(i)) // cannot fail: the dict is new
		}
	}
	return d, starlark.UnpackArgs(b.Name(), args, kwargs)
}

// expand returns the replacement with \1, \g<1> and \g<name> replaced by the
// groups, \n by a line end and \\ by a backslash.
func (m *match) expand(replacement string) (string, error) {
	var out builder
	for i := 0; i < len(replacement); i++ {
		if replacement[i] != '\\' || i+1 == len(replacement) {
			out.WriteByte(replacement[i])
			continue
		}
		i++
		switch c := replacement[i]; {
		case c == 'n':
			out.WriteByte('\n')
		case c == '\\':
			out.WriteByte('\\')
		case '0' <= c && c <= '9' || c == 'g':
			name, n := groupName(replacement[i:])
			s, err := m.named(name)
			if err != nil {
				return "", err
			}
			if err := out.add("the replacement", s); err != nil {
				return "", err
			}
			i += n - 1
		default:
			return "", explain.Hintf(`write a backslash twice: "\\\\"`, "the replacement contains %q, which is not a valid escape", replacement[i-1:i+1])
		}
	}
	return out.String(), nil
}

// groupName parses the group after a backslash: 12, g<12> or g<name>.
func groupName(s string) (name string, length int) {
	if s[0] != 'g' {
		n := 1
		if n < len(s) && '0' <= s[n] && s[n] <= '9' {
			n++
		}
		return s[:n], n
	}
	end := strings.IndexByte(s, '>')
	if end < 0 || s[1] != '<' {
		return "", 1
	}
	return s[2:end], end + 1
}

func (m *match) named(name string) (string, error) {
	var which starlark.Value = starlark.String(name)
	if n, err := strconv.Atoi(name); err == nil {
		which = starlark.MakeInt(n)
	}
	i, err := m.index(which)
	if err != nil {
		return "", err
	}
	return m.textOf(i), nil
}
