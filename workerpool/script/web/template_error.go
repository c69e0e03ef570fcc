package web

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"asgibox/internal/spell"
	"asgibox/workerpool/script/explain"
)

// A TemplateError is an error in a template or in its context. Package explain
// shows it with the lines of the template.
type TemplateError struct {
	File      string // in the application's folder
	Line, Col int    // from 1; 0 if unknown
	Message   string
	hint      string
}

func (e *TemplateError) Error() string {
	return explain.Frame{File: e.File, Line: e.Line, Col: e.Col}.String() + ": " + e.Message
}

// Hint returns what to write instead.
func (e *TemplateError) Hint() string { return e.hint }

// Place returns the position for package explain.
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
	templateMessage = regexp.MustCompile(`(?s)^(?:html/)?template: ?([^:]+)(?::(\d+))?(?::(\d+))?: (.*)$`)
	executingAt     = regexp.MustCompile(`(?s)^executing ".*?" at <(.*?)>: (.*)$`)
	noEntry         = regexp.MustCompile(`map has no entry for key "(.*)"`)
	noFunction      = regexp.MustCompile(`function "(.*)" not defined`)
	noField         = regexp.MustCompile(`can't evaluate field (\w+) in type (\S+)`)
)

// explainLocked converts an error of the template package to a TemplateError.
func (t *templates) explainLocked(err error, data any) error {
	var own *TemplateError
	if errors.As(err, &own) {
		return own
	}
	m := templateMessage.FindStringSubmatch(err.Error())
	if m == nil {
		return fmt.Errorf("render: %w", err)
	}
	e := &TemplateError{File: m[1], Message: m[4]}
	e.Line, _ = strconv.Atoi(m[2])
	text := t.text[e.File]
	if n, err := strconv.Atoi(m[3]); err == nil { // in bytes, from 0
		before := lineOf(text, e.Line)
		e.Col = utf8.RuneCountInString(before[:min(n, len(before))]) + 1
	}
	if at := executingAt.FindStringSubmatch(e.Message); at != nil {
		e.Message = at[2]
	}
	var limit *limitError
	if errors.As(err, &limit) {
		e.Message = limit.message
	}
	if e.Message == "unexpected EOF" {
		e.pointToOpenBlock(text)
	}
	e.findColumn(text)
	e.addHint(data)
	return e
}

// lineOf returns a line of a text by its number from 1.
func lineOf(text string, number int) string {
	lines := strings.Split(text, "\n")
	if number < 1 || number > len(lines) {
		return ""
	}
	return lines[number-1]
}

var blocks = regexp.MustCompile(`(?s)\{\{-?\s*(?:(if|range|with|block|define|end)\b|/\*.*?\*/)`)

// pointToOpenBlock moves the error from the end of the file to the innermost
// block without {{end}}.
func (e *TemplateError) pointToOpenBlock(text string) {
	type opening struct {
		word string
		at   int
	}
	var open []opening
	for _, at := range blocks.FindAllStringSubmatchIndex(text, -1) {
		switch {
		case at[2] < 0: // a comment
		case text[at[2]:at[3]] != "end":
			open = append(open, opening{text[at[2]:at[3]], at[0]})
		case len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return
	}
	last := open[len(open)-1]
	before := text[:last.at]
	e.Line = 1 + strings.Count(before, "\n")
	e.Col = 1 + utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:])
	e.Message = fmt.Sprintf("{{%s}} has no {{end}}", last.word)
	e.hint = "write {{end}} at the end of the block"
}

// quotedWord is the word of the template that an error message names.
var quotedWord = regexp.MustCompile(`"([^"]+)"|<(\S+)>|(\{\{\w+\}\})`)

// findColumn finds the column of an error that has only a line: that of the word
// in the message, or of the only action on the line.
func (e *TemplateError) findColumn(text string) {
	line := lineOf(text, e.Line)
	first := strings.Index(line, "{{")
	if e.Col > 0 || first < 0 {
		return
	}
	at := -1
	if m := quotedWord.FindStringSubmatch(e.Message); m != nil {
		at = wordIn(line[first:], m[1]+m[2]+m[3])
	}
	switch {
	case at >= 0:
		at += first
	case strings.HasPrefix(e.Message, "un"): // the last action is unclosed or unterminated
		at = strings.LastIndex(line, "{{")
	case strings.Count(line, "{{") == 1:
		at = first
	default:
		return
	}
	e.Col = utf8.RuneCountInString(line[:at]) + 1
}

// wordIn returns the index of a word in a line, or -1. A part of a longer word
// does not count.
func wordIn(line, word string) int {
	letter := func(s string, at int) bool {
		return at >= 0 && at < len(s) && (s[at] == '_' || s[at] == '.' || '0' <= s[at] && s[at] <= '9' || 'A' <= s[at]&^0x20 && s[at]&^0x20 <= 'Z')
	}
	for from := 0; ; {
		at := strings.Index(line[from:], word)
		if at < 0 {
			return -1
		}
		at += from
		if !letter(word, 0) || !letter(line, at-1) && !letter(line, at+len(word)) {
			return at
		}
		from = at + len(word)
	}
}

func (e *TemplateError) addHint(data any) {
	if m := noEntry.FindStringSubmatch(e.Message); m != nil {
		e.Message = fmt.Sprintf("the context has no %q", m[1])
		e.hint = fmt.Sprintf("pass a value to render, for example {%q: None}", m[1])
		if near := spell.Nearest(m[1], dataKeys(nil, data)); near != "" {
			e.hint = fmt.Sprintf("did you mean .%s?", near)
		}
	}
	if m := noFunction.FindStringSubmatch(e.Message); m != nil {
		e.hint = functionHint(m[1])
	}
	switch {
	case e.Message == "unclosed action":
		e.hint = "close it with }} on the same line"
	case e.Message == "unexpected {{end}}":
		e.hint = "no {{if}}, {{range}}, {{with}}, {{block}} or {{define}} is open here; remove this {{end}}"
	case strings.HasPrefix(e.Message, "cannot compute output context"):
		e.hint = "a template that includes itself must end where it begins, for example outside of tags"
	}
	if m := noField.FindStringSubmatch(e.Message); m != nil {
		e.Message = fmt.Sprintf("there is no .%s here, because the value is not a dict", m[1])
		e.hint = "inside {{range}} and {{with}}, the dot is the current value; to read the context, write {{$." + m[1] + "}}"
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
		return "leave safe out; every value is escaped"
	case "url", "static":
		return "write the path itself"
	case "csrf_token":
		return "leave it out"
	}
	return fmt.Sprintf("write a dot before names of the context: {{.%s}}", name)
}

// dataKeys appends the keys of a context, at any depth, to keys.
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

// isName reports whether s may be the name of a parameter.
func isName(s string) bool { return identifier.MatchString(s) && !strings.HasPrefix(s, "__") }
