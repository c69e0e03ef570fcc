package web

import (
	"fmt"
	"html/template"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// The functions that a guard puts into templates.
const (
	countText = "_count_text"
	countKeys = "_count_keys"
	enter     = "_enter"
	leave     = "_leave"
)

// functions returns the functions that a guard puts into templates, and functions
// in place of those of Go that make text. They count the text.
func (p *page) functions() template.FuncMap {
	return template.FuncMap{
		countText:  p.countText,
		countKeys:  p.countKeys,
		enter:      p.enter,
		leave:      p.leave,
		"print":    p.counted(fmt.Sprint),
		"println":  p.counted(fmt.Sprintln),
		"printf":   p.printf,
		"html":     p.counted(template.HTMLEscaper),
		"js":       p.counted(template.JSEscaper),
		"urlquery": p.counted(template.URLQueryEscaper),
	}
}

// counted returns f with its arguments and result counted.
func (p *page) counted(f func(...any) string) func(...any) (string, error) {
	return func(args ...any) (string, error) {
		if err := p.count(textSize(args)); err != nil {
			return "", err
		}
		text := f(args...)
		return text, p.count(len(text))
	}
}

func (p *page) printf(format string, args ...any) (string, error) {
	if err := p.count(formatSize(format, args)); err != nil {
		return "", err
	}
	text := fmt.Sprintf(format, args...)
	return text, p.count(len(text))
}

// enter counts the templates that include one another. If they are too many, the next
// write fails.
func (p *page) enter() string {
	p.depth++
	return ""
}

func (p *page) leave() string {
	p.depth--
	return ""
}

// countText counts the text of a value. Its error is a panic, which package template
// returns: a second result would take more time.
func (p *page) countText(v any) any {
	if err := p.count(textSize(v)); err != nil {
		panic(err)
	}
	return v
}

// countKeys counts the keys of a dict, which a loop sorts before it begins.
func (p *page) countKeys(v any) any {
	if dict, ok := v.(map[string]any); ok {
		if err := p.count(keySize * len(dict)); err != nil {
			panic(err)
		}
	}
	return v
}

// What textSize counts for a number or time, and for an item of a list and a key of a
// dict in addition to its text. It is enough that the true size is a small multiple.
const (
	numberSize = 8
	itemSize   = 4
	keySize    = 16
)

// textSize returns about how many bytes of text a value makes. It stops when they are
// more than maxText.
func textSize(v any) int { return addText(0, v) }

func addText(n int, v any) int {
	switch v := v.(type) {
	case string:
		return n + len(v)
	case []byte: // of a method of a time
		return n + itemSize*len(v)
	case []any:
		for _, item := range v {
			if n = addText(n+itemSize, item); n > maxText {
				break
			}
		}
		return n
	case map[string]any:
		for key, item := range v {
			if n = addText(n+keySize+len(key), item); n > maxText {
				break
			}
		}
		return n
	}
	return n + numberSize
}

// formatVerb matches a verb of a format before its letter, formatNumber the numbers in
// it, and indexedVerb a verb that uses only the argument with the number in brackets.
var (
	formatVerb   = regexp.MustCompile(`%[-+# 0-9.*\[\]]*`)
	formatNumber = regexp.MustCompile(`[0-9]+`)
	indexedVerb  = regexp.MustCompile(`^%[-+# 0]*[0-9]*(?:\.[0-9]*)?\[([0-9]+)\]$`)
)

// formatSize returns about how many bytes printf makes at most.
func formatSize(format string, args []any) int {
	verbs := formatVerb.FindAllString(format, -1)
	width := 0
	for _, verb := range verbs {
		if strings.Contains(verb, "*") {
			width = max(width, widestOf(args))
		}
		for _, digits := range formatNumber.FindAllString(verb, -1) {
			n, _ := strconv.ParseInt(digits, 10, 64)
			width = max(width, validWidth(n))
		}
	}
	once := argumentSize(args, width)
	if !strings.Contains(format, "[") {
		return len(format) + once
	}
	sizes, largest := make([]int, len(args)), 0
	for i, arg := range args {
		sizes[i] = argumentSize(arg, width)
		largest = max(largest, sizes[i])
	}
	several := 0 // if a number in brackets makes verbs use an argument again
	for _, verb := range verbs {
		m := indexedVerb.FindStringSubmatch(verb)
		if m == nil {
			several += largest
		} else if n, err := strconv.Atoi(m[1]); err == nil && 0 < n && n <= len(args) {
			several += sizes[n-1]
		}
	}
	return len(format) + max(once, several)
}

// argumentSize returns about how many bytes a value makes, if each item of a list has
// the width and the precision.
func argumentSize(v any, width int) int {
	size := textSize(v)
	if size <= maxText && width > 0 {
		size += 2 * width * countValues(v)
	}
	return size
}

// widestOf returns the largest width that one of the arguments of printf may be.
func widestOf(args []any) int {
	width := 0
	for _, arg := range args {
		if v := reflect.ValueOf(arg); v.CanInt() {
			width = max(width, validWidth(v.Int()))
		}
	}
	return width
}

// validWidth returns n or -n if package fmt permits it as a width, and otherwise 0.
func validWidth(n int64) int {
	const largest = 1_000_000
	if n = max(n, -n); n > largest {
		return 0
	}
	return int(n)
}

// countValues returns how many values a value contains, itself included.
func countValues(v any) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			n += countValues(item)
		}
	case map[string]any:
		for _, item := range v {
			n += 1 + countValues(item)
		}
	}
	return n
}
