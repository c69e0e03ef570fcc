package testfile

import (
	"math"
	"strconv"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

const (
	// lineLength is how long a line may get before a value is written on several.
	lineLength = 120
	// maxLines and maxShown limit the part of a reply that a test compares, in
	// lines and bytes.
	maxLines = 20
	maxShown = 2000
)

// literal writes a value as Starlark. The value begins in the column start of a
// line that is indented by indent.
func (m *masker) literal(v any, indent, start int) string {
	flat := m.flat(v)
	if start+len(flat) <= lineLength || !strings.ContainsAny(flat[:1], "[{") {
		return flat
	}
	inner := indent + 4
	pad := "\n" + strings.Repeat(" ", inner)
	open, content, end := flat[:1], flat[1:len(flat)-1], pad[:1+indent]+flat[len(flat)-1:]
	if inner+len(content) < lineLength {
		return open + pad + content + "," + end
	}
	var b strings.Builder
	item := func(key string, v any) {
		b.WriteString(pad + key + m.literal(v, inner, inner+len(key)+1) + ",")
	}
	switch v := v.(type) {
	case asgi.List:
		for _, x := range v.All() {
			item("", x)
		}
	case asgi.Dict:
		for key, x := range v.All() {
			item(quote(key)+": ", x)
		}
	}
	return open + b.String() + end
}

// flat writes a value on one line.
func (m *masker) flat(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return m.number(strconv.FormatInt(v, 10))
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			text = strconv.FormatFloat(v, 'f', 1, 64)
		}
		return m.number(text)
	case string:
		return m.text(v)
	case asgi.Bytes:
		return "b" + quote(string(v))
	case asgi.List:
		items := make([]string, 0, v.Len())
		for _, x := range v.All() {
			items = append(items, m.flat(x))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case asgi.Dict:
		items := make([]string, 0, v.Len())
		for key, x := range v.All() {
			items = append(items, quote(key)+": "+m.flat(x))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return "None"
}

// quote writes a text as Starlark, in the quotes that need fewer backslashes.
func quote(text string) string {
	quoted := strconv.Quote(text)
	if strings.Contains(text, `"`) && !strings.Contains(text, "'") {
		return "'" + strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`) + "'"
	}
	return quoted
}

// block writes a text of several lines, each as a text of its own, and ANY for
// the rest of a long one.
func (m *masker) block(text string, indent int) string {
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	cut := len(lines) > maxLines+maxLines/2
	if cut {
		lines = lines[:maxLines]
	}
	var parts []string
	size := 0
	for _, line := range lines {
		if size += len(line); size > maxShown {
			line, cut = strings.ToValidUTF8(line[:max(0, len(line)-size+maxShown)], ""), true
		}
		if line != "" {
			parts = append(parts, m.text(line))
		}
		if size > maxShown {
			break
		}
	}
	if cut {
		parts = append(parts, "ANY")
	}
	if len(parts) == 0 {
		return `""`
	}
	if whole := strings.Join(parts, " + "); len(parts) == 1 || len(parts) == 2 && cut && len(whole) < lineLength-indent {
		return whole
	}
	pad := "\n" + strings.Repeat(" ", indent+4)
	return pad + strings.Join(parts, " +"+pad)
}

// decodeJSON decodes an object or a list in JSON.
func decodeJSON(text string) (v any, ok bool) {
	if s := strings.TrimSpace(text); s == "" || s[0] != '{' && s[0] != '[' {
		return nil, false
	}
	fields, err := codec.DecodeFieldsJSON([]byte(`{"value":` + text + `}`))
	if err != nil || len(fields) != 1 {
		return nil, false
	}
	return fields[0].Value, true
}
