package lib

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// maxPatterns is the size of the cache of compiled patterns. Most programs have
// few patterns.
const maxPatterns = 256

const (
	// maxPattern is the length of the longest pattern, in bytes.
	maxPattern = 1 << 16
	// maxSteps limits the time of one search, which cannot be cancelled. A search
	// takes at most a step for each instruction of the pattern and byte of the
	// text.
	maxSteps = 1 << 32
)

// patterns caches compiled patterns by their text.
type patterns struct {
	mu  sync.Mutex // guards all
	all map[string]pattern
}

type pattern struct {
	re           *regexp.Regexp
	instructions int
}

func reModule() *starlarkstruct.Module {
	p := &patterns{all: map[string]pattern{}}
	return module("re", map[string]function{
		"match":   p.match,
		"search":  p.search,
		"findall": p.findall,
		"sub":     p.sub,
		"split":   p.split,
		"escape":  escape,
	})
}

// compile compiles a pattern to search a text with.
func (p *patterns) compile(source, text string) (*regexp.Regexp, error) {
	if len(source) > maxPattern {
		return nil, fmt.Errorf("the pattern has %d bytes; it may have at most %d", len(source), maxPattern)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.all[source]
	if !ok {
		var err error
		if c, err = newPattern(source); err != nil {
			return nil, badPattern(source, err)
		}
		if len(p.all) >= maxPatterns {
			clear(p.all)
		}
		p.all[source] = c
	}
	if c.instructions > maxSteps/max(len(text), 1) {
		return nil, explain.Hintf("split the text into parts first, or write a pattern with fewer repetitions",
			"the search of a text of %d bytes for a pattern of %d instructions would take too long", len(text), c.instructions)
	}
	return c.re, nil
}

func newPattern(source string) (pattern, error) {
	re, err := regexp.Compile(source)
	if err != nil {
		return pattern{}, err
	}
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return pattern{}, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return pattern{}, err
	}
	return pattern{re, len(prog.Inst)}, nil
}

// badPattern describes a wrong pattern, with a hint about syntax of Python that
// RE2 does not have.
func badPattern(pattern string, err error) error {
	why, ok := err.(*syntax.Error)
	if !ok {
		return err
	}
	hint := ""
	switch {
	case strings.HasPrefix(why.Expr, "(?=") || strings.HasPrefix(why.Expr, "(?!") || strings.HasPrefix(why.Expr, "(?<"):
		hint = "RE2 has no lookahead and no lookbehind; match more text, and check the groups of the match"
	case why.Code == syntax.ErrInvalidEscape:
		hint = `RE2 has no references to groups like \1; to write a backslash, use r"…"`
	}
	return explain.Hintf(hint, "the pattern %q is wrong: %s: %s", pattern, why.Code, why.Expr)
}

// maxMatches is how many matches one call may find. A match of one letter takes
// many times the memory of the letter.
const maxMatches = 1 << 18

func tooMany(call string) error {
	return explain.Hintf("split the text into parts first", "%s: the pattern matches more than %d times", call, maxMatches)
}

// arguments unpacks a pattern, which it compiles, and a text.
func (p *patterns) arguments(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (*regexp.Regexp, string, error) {
	var pattern, text string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "pattern", &pattern, "text", &text); err != nil {
		return nil, "", err
	}
	re, err := p.compile(pattern, text)
	return re, text, err
}

// match matches at the beginning of the text only.
func (p *patterns) match(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	re, text, err := p.arguments(b, args, kwargs)
	if err == nil {
		re, err = p.compile(`\A(?:`+re.String()+`)`, text)
	}
	if err != nil {
		return nil, err
	}
	return found(re, text), nil
}

func (p *patterns) search(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	re, text, err := p.arguments(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	return found(re, text), nil
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
func (p *patterns) findall(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	re, text, err := p.arguments(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	all := re.FindAllStringSubmatch(text, maxMatches+1)
	if len(all) > maxMatches {
		return nil, tooMany(b.Name())
	}
	var out []starlark.Value
	for _, groups := range all {
		if len(groups) <= 2 {
			out = append(out, starlark.String(groups[len(groups)-1]))
			continue
		}
		var tuple starlark.Tuple
		for _, g := range groups[1:] {
			tuple = append(tuple, starlark.String(g))
		}
		out = append(out, tuple)
	}
	return starlark.NewList(out), nil
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
	re, err := p.compile(pattern, text)
	if err != nil {
		return nil, err
	}
	if count <= 0 || count > maxMatches {
		count = maxMatches + 1
	}
	all := re.FindAllStringSubmatchIndex(text, count)
	if len(all) > maxMatches {
		return nil, tooMany(b.Name())
	}
	var out builder
	last := 0
	for _, at := range all {
		piece, err := replace(thread, &match{re, text, at}, replacement)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
		if err := out.add(b.Name(), text[last:at[0]], piece); err != nil {
			return nil, err
		}
		last = at[1]
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
func (p *patterns) split(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var pattern, text string
	var limit int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "pattern", &pattern, "text", &text, "maxsplit?", &limit); err != nil {
		return nil, err
	}
	re, err := p.compile(pattern, text)
	if err != nil {
		return nil, err
	}
	if limit <= 0 || limit > maxMatches {
		limit = maxMatches + 1
	}
	all := re.FindAllStringSubmatchIndex(text, limit)
	if len(all) > maxMatches {
		return nil, tooMany(b.Name())
	}
	var out []starlark.Value
	last := 0
	for _, at := range all {
		out = append(out, starlark.String(text[last:at[0]]))
		m := &match{re, text, at}
		for i := 1; i <= re.NumSubexp(); i++ {
			out = append(out, m.group(i))
		}
		last = at[1]
	}
	return starlark.NewList(append(out, starlark.String(text[last:]))), nil
}

func escape(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	text, err := one(b, "text", args, kwargs)
	return starlark.String(regexp.QuoteMeta(text)), err
}
