package web

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"asgibox/workerpool/script/explain"
)

// A TemplateError is a mistake in a template, or in what it was given. Package
// explain shows it with the template's lines.
type TemplateError struct {
	File      string // in the application's folder
	Line, Col int    // from 1; 0 if unknown
	Message   string
	hint      string
}

func (e *TemplateError) Error() string {
	return explain.Frame{File: e.File, Line: e.Line, Col: e.Col}.String() + ": " + e.Message
}

// Hint says what to write instead.
func (e *TemplateError) Hint() string { return e.hint }

// Place says where.
func (e *TemplateError) Place() (file string, line, col int) { return e.File, e.Line, e.Col }

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func (t *templates) explain(err error, data any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.explainLocked(err, data)
}

var (
	templateWords = regexp.MustCompile(`(?s)^(?:html/)?template: ?([^:]+)(?::(\d+))?(?::(\d+))?: (.*)$`)
	executingAt   = regexp.MustCompile(`(?s)^executing ".*?" at <(.*?)>: (.*)$`)
	noEntry       = regexp.MustCompile(`map has no entry for key "(.*)"`)
	noFunction    = regexp.MustCompile(`function "(.*)" not defined`)
	noField       = regexp.MustCompile(`can't evaluate field (\w+) in type (\S+)`)
)

// explainLocked makes a TemplateError of what the template package says.
func (t *templates) explainLocked(err error, data any) error {
	var own *TemplateError
	if errors.As(err, &own) {
		return own
	}
	m := templateWords.FindStringSubmatch(err.Error())
	if m == nil {
		return fmt.Errorf("render: %w", err)
	}
	e := &TemplateError{File: m[1], Message: m[4]}
	e.Line, _ = strconv.Atoi(m[2])
	if n, err := strconv.Atoi(m[3]); err == nil {
		e.Col = n + 1
	}
	if at := executingAt.FindStringSubmatch(e.Message); at != nil {
		e.Message = at[2]
	}
	e.teach(data)
	return e
}

func (e *TemplateError) teach(data any) {
	if m := noEntry.FindStringSubmatch(e.Message); m != nil {
		e.Message = fmt.Sprintf("the context has no %q", m[1])
		e.hint = fmt.Sprintf("give it a value where render is called; None will do: {%q: None}", m[1])
		if near := explain.Nearest(m[1], dataKeys(nil, data)); near != "" {
			e.hint = fmt.Sprintf("did you mean .%s?", near)
		}
	}
	if m := noFunction.FindStringSubmatch(e.Message); m != nil {
		e.hint = functionHint(m[1])
	}
	if m := noField.FindStringSubmatch(e.Message); m != nil {
		e.Message = fmt.Sprintf("there is no .%s here, for this is not a dict", m[1])
		e.hint = "within {{range}} and {{with}} the dot is the inner value; $ is the whole context: {{$." + m[1] + "}}"
	}
}

func functionHint(name string) string {
	switch name {
	case "for":
		return "write {{range .items}} … {{end}}"
	case "endfor", "endif", "endblock", "endwith":
		return "write {{end}}"
	case "elif":
		return "write {{else if .condition}}"
	case "extends", "include":
		return `write {{template "base.html" .}}`
	case "safe":
		return "nothing is rendered unescaped"
	case "url", "static":
		return "write the path itself"
	case "csrf_token":
		return "leave it out"
	}
	return fmt.Sprintf("values of the context begin with a dot: {{.%s}}", name)
}

// dataKeys answers the keys that a context has, at any depth.
func dataKeys(keys []string, data any) []string {
	const enough = 200
	switch d := data.(type) {
	case map[string]any:
		for k, v := range d {
			if len(keys) > enough {
				break
			}
			keys = dataKeys(append(keys, k), v)
		}
	case []any:
		if len(d) > 0 {
			keys = dataKeys(keys, d[0])
		}
	}
	return keys
}

var identifier = regexp.MustCompile(`^[A-Za-z_]\w*$`)

// isName reports whether s can be a parameter's name.
func isName(s string) bool { return identifier.MatchString(s) && !strings.HasPrefix(s, "__") }
