package script

import (
	"context"
	"slices"
	"strings"

	"asgibox/asgi"

	"go.starlark.net/starlark"
)

// keywords that a prompt completes.
var keywords = []string{"and", "break", "continue", "def", "elif", "else", "for", "if", "in", "lambda", "load", "not", "or", "pass", "return", "while"}

// Complete returns names that continue the end of a line, and the index in the
// line where they begin. In a text that is an argument of a call or a key, these
// are the names of channels, groups, keys of the state or keys of a dict;
// otherwise names and attributes.
func (p *Prompt) Complete(ctx context.Context, line string) (start int, names []string) {
	var prefix string
	if at, open := openText(line); open {
		start, prefix = at+1, line[at+1:]
		names = p.texts(ctx, line[:at], prefix)
	} else {
		start = len(strings.TrimRightFunc(line, isNameRune))
		prefix = line[start:]
		switch base, dotted := strings.CutSuffix(line[:start], "."); {
		case dotted:
			names = p.attributes(lastOperand(base))
		case prefix != "":
			names = slices.Concat(p.names().Keys(), starlark.Universe.Keys(), keywords)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	slices.Sort(names)
	return start, slices.Compact(names)
}

func isNameRune(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 0x7f
}

// openText returns the index of the quotation mark that begins the text in which
// the line ends, if it ends in one.
func openText(line string) (at int, open bool) {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '#':
			return 0, false
		case '"', '\'':
			n := skipString(line[i:])
			if i+n == len(line) && (n == 1 || line[len(line)-1] != line[i]) {
				return i, true
			}
			i += n - 1
		}
	}
	return 0, false
}

// attributes returns the names of the attributes of an operand like layer, a.b
// or Group("x").
func (p *Prompt) attributes(operand string) []string {
	switch name, _, _ := strings.Cut(operand, "("); name {
	case "Channel":
		return (*channel)(nil).AttrNames()
	case "Group":
		return (*group)(nil).AttrNames()
	}
	if v, ok := p.lookup(operand).(starlark.HasAttrs); ok {
		return v.AttrNames()
	}
	return nil
}

// lookup returns the value of a dotted name, or nil. Nothing is called, and a
// session is not read.
func (p *Prompt) lookup(dotted string) starlark.Value {
	path := strings.Split(dotted, ".")
	v := p.globals[path[0]]
	for _, name := range path[1:] {
		inner, ok := v.(starlark.HasAttrs)
		if _, isMessage := v.(*message); !ok || isMessage && strings.HasSuffix(name, "_session") {
			return nil
		}
		v, _ = inner.Attr(name)
	}
	return v
}

// lastOperand returns the operand at the end of a line: a dotted name, a call of
// one, or an attribute of a call.
func lastOperand(line string) string {
	dotted := func(r rune) bool { return r == '.' || isNameRune(r) }
	rest := strings.TrimRightFunc(line, dotted)
	if strings.HasSuffix(rest, ")") {
		rest = strings.TrimRightFunc(rest[:max(0, strings.LastIndexByte(rest, '('))], dotted)
	}
	return line[len(rest):]
}

// texts returns the texts that can follow in a call or between brackets.
func (p *Prompt) texts(ctx context.Context, before, prefix string) []string {
	before, bracket, commas := openBracket(before)
	if bracket == '[' && !isOperandEnd(before) { // a list: what can the call get?
		before, bracket, commas = openBracket(before)
	}
	operand := lastOperand(before)
	if bracket == '[' || bracket == '(' && strings.HasSuffix(operand, ".get") && operand != "state.get" {
		return keysOf(p.lookup(strings.TrimSuffix(operand, ".get")))
	}
	if bracket != '(' {
		return nil
	}
	switch kind := textKinds[operand]; {
	case commas < len(kind):
		return p.namesOf(ctx, kind[commas], prefix)
	case commas == 0 && strings.HasPrefix(operand, "Group(") && (strings.HasSuffix(operand, ".add") || strings.HasSuffix(operand, ".discard")):
		return p.namesOf(ctx, 'c', prefix)
	}
	return nil
}

// textKinds says for each argument of a call what a text is: the name of a
// channel, the name of a group, or a key of the state.
var textKinds = map[string]string{
	"Channel": "c", "layer.send": "c", "layer.receive": "c", "layer.receive_many": "c", "layer.channel_statistics": "c",
	"Group": "g", "layer.send_group": "g", "layer.group_channels": "g", "layer.group_add": "gc", "layer.group_discard": "gc",
	"state.get": "s", "state.set": "s", "state.delete": "s", "state.incr": "s", "state.update": "s", "state.append": "s", "state.keys": "s",
}

func (p *Prompt) namesOf(ctx context.Context, kind byte, prefix string) (names []string) {
	switch {
	case kind == 'c' && p.opts.Channels != nil:
		names = p.opts.Channels(ctx)
	case kind == 'g' && p.opts.Groups != nil:
		names = p.opts.Groups(ctx)
	case kind == 's':
		p.run.reset(ctx)
		if kv, err := p.run.kv("state.keys"); err == nil {
			keys, _ := kv.Keys(ctx, nil, asgi.StatePrefix+prefix)
			for _, key := range keys {
				names = append(names, key[len(asgi.StatePrefix):])
			}
		}
	}
	return slices.DeleteFunc(names, needsEscape)
}

// keysOf returns the text keys of a dict or a message.
func keysOf(v starlark.Value) (keys []string) {
	m, ok := v.(starlark.IterableMapping)
	if !ok {
		return nil
	}
	for k := range starlark.Elements(m) {
		if text, ok := starlark.AsString(k); ok && !needsEscape(text) {
			keys = append(keys, text)
		}
	}
	return keys
}

// needsEscape reports whether a text cannot be written between quotation marks
// as it is.
func needsEscape(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' || r >= 0x80 && r < 0xa0 || strings.ContainsRune("\"'\\\x7f\uFFFD", r)
	})
}

// openBracket returns the line before the last bracket that is open at its end,
// the bracket, and the number of commas after it.
func openBracket(line string) (before string, bracket byte, commas int) {
	type place struct{ at, commas int }
	var open []place
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '"', '\'':
			i += skipString(line[i:]) - 1
		case '(', '[', '{':
			open = append(open, place{at: i})
		case ')', ']', '}':
			open = open[:max(0, len(open)-1)]
		case ',':
			if len(open) > 0 {
				open[len(open)-1].commas++
			}
		}
	}
	if len(open) == 0 {
		return "", 0, 0
	}
	last := open[len(open)-1]
	return line[:last.at], line[last.at], last.commas
}

// isOperandEnd reports whether a value ends there, so that a bracket is an index.
func isOperandEnd(line string) bool {
	return line != "" && (isNameRune(rune(line[len(line)-1])) || strings.HasSuffix(line, ")") || strings.HasSuffix(line, "]"))
}
