package web

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"asgibox/internal/spell"
	"asgibox/workerpool/script/explain"
)

// A Path is the pattern of a view's paths: literal text and captured parts.
// <name> and <str:name> capture up to the next slash, <int:name> captures
// digits, and <path:name> captures the rest with slashes. A Path is safe for
// concurrent use.
type Path struct {
	pattern string
	names   []string
	kinds   []string
	re      *regexp.Regexp // nil if nothing is captured
}

// pathKinds maps the kinds of captured parts to regular expressions.
var pathKinds = map[string]string{"str": `([^/]+)`, "int": `([0-9]+)`, "path": `(.+)`}

// CompilePath parses a pattern.
func CompilePath(pattern string) (*Path, error) {
	if !strings.HasPrefix(pattern, "/") {
		hint := fmt.Sprintf("write %q", "/"+strings.TrimLeft(pattern, "^/"))
		if strings.HasPrefix(pattern, "^") {
			hint = "a view's path is not a regular expression; write it like /rooms/<room>, or use route(…)"
		}
		return nil, explain.Hintf(hint, "the path %q must begin with /", pattern)
	}
	p := &Path{pattern: pattern}
	var re strings.Builder
	re.WriteString(`(?s)^`)
	for rest := pattern; rest != ""; {
		before, after, found := strings.Cut(rest, "<")
		if strings.Contains(before, ">") {
			return nil, explain.Hintf("to capture a part, write <name>", "the path %q has a > without a <", pattern)
		}
		re.WriteString(regexp.QuoteMeta(before))
		if !found {
			break
		}
		inner, next, closed := strings.Cut(after, ">")
		if !closed {
			return nil, explain.Hintf("to capture a part, write <name>", "the path %q has a < without a >", pattern)
		}
		expr, err := p.capture(inner, next)
		if err != nil {
			return nil, err
		}
		re.WriteString(expr)
		rest = next
	}
	if len(p.names) > 0 {
		re.WriteString(`$`)
		compiled, err := regexp.Compile(re.String())
		if err != nil {
			return nil, fmt.Errorf("the path %q: %w", pattern, err)
		}
		p.re = compiled
	}
	return p, nil
}

// capture returns the regular expression for the text between < and >.
func (p *Path) capture(inner, next string) (string, error) {
	kind, name, typed := strings.Cut(inner, ":")
	if !typed {
		kind, name = "str", inner
	}
	expr, ok := pathKinds[kind]
	if !ok {
		hint := "write <name>, <int:name> or <path:name>"
		if near := spell.Nearest(kind, []string{"str", "int", "path"}); near != "" {
			hint = fmt.Sprintf("did you mean <%s:%s>?", near, name)
		}
		return "", explain.Hintf(hint, "the path %q captures <%s>, but there is no kind %q", p.pattern, inner, kind)
	}
	if !isName(name) {
		return "", explain.Hintf("a captured part becomes an argument; name it with letters, digits and _", "the path %q captures <%s>, which is not a valid name", p.pattern, inner)
	}
	if slices.Contains(p.names, name) {
		return "", explain.Hintf("use two names", "the path %q captures %s twice", p.pattern, name)
	}
	if kind == "path" && next != "" {
		return "", explain.Hintf("put it last", "the path %q has <%s>, which captures the rest, before its end", p.pattern, inner)
	}
	p.names, p.kinds = append(p.names, name), append(p.kinds, kind)
	return expr, nil
}

// String returns the pattern.
func (p *Path) String() string { return p.pattern }

// Names returns the names of the captured parts, in order.
func (p *Path) Names() []string { return p.names }

// A Capture is a captured part of a text. Its value is text, an int64, or nil if
// the part is missing.
type Capture struct {
	Name  string
	Value any
}

// String returns the capture as a keyword argument.
func (c Capture) String() string {
	switch v := c.Value.(type) {
	case nil:
		return c.Name + "=None"
	case string:
		return fmt.Sprintf("%s=%q", c.Name, v)
	}
	return fmt.Sprintf("%s=%v", c.Name, c.Value)
}

// Match reports whether the pattern matches the whole path, and returns the
// captured parts.
func (p *Path) Match(path string) (captured []Capture, ok bool) {
	if p.re == nil {
		return nil, path == p.pattern
	}
	found := p.re.FindStringSubmatch(path)
	if found == nil {
		return nil, false
	}
	captured = make([]Capture, len(p.names))
	for i, name := range p.names {
		var v any = found[i+1]
		if p.kinds[i] == "int" {
			n, err := strconv.ParseInt(found[i+1], 10, 64)
			if err != nil {
				return nil, false // the number is too large
			}
			v = n
		}
		captured[i] = Capture{name, v}
	}
	return captured, true
}

// Near returns the path that the client may have intended, if path resembles
// one that the pattern matches, or "".
func (p *Path) Near(path string) string {
	want, have := strings.Split(p.pattern, "/"), strings.Split(path, "/")
	if len(want) > len(have) {
		return ""
	}
	for i, part := range want {
		if part == have[i] || strings.Contains(part, "<") {
			continue
		}
		if spell.Nearest(have[i], []string{part}) == "" {
			return ""
		}
		have[i] = part
	}
	near := strings.Join(have, "/")
	if _, ok := p.Match(near); !ok || near == path {
		return ""
	}
	return near
}
