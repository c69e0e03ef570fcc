package script

import "strings"

// An Entry collects the lines of one statement, as a prompt reads them.
type Entry struct {
	text  strings.Builder
	quote string // the quotation mark that ends an open string, or ""
	depth int    // number of open brackets
	line  bool   // the last line ends in a backslash
	block bool
}

// Add adds a line, without the line end.
func (e *Entry) Add(line string) {
	if e.text.Len() == 0 {
		e.block = isBlock(line)
	}
	e.text.WriteString(line + "\n")
	e.line = false
	for len(line) > 0 {
		line = e.scan(line)
	}
	if len(e.quote) == 1 && !e.line {
		e.quote = "" // the parser reports it
	}
}

// scan reads the start of a line and returns the rest.
func (e *Entry) scan(line string) string {
	switch {
	case line[0] == '\\':
		e.line = len(line) == 1
		return line[min(2, len(line)):]
	case e.quote != "":
		if rest, ends := strings.CutPrefix(line, e.quote); ends {
			e.quote = ""
			return rest
		}
	case line[0] == '#':
		return ""
	case line[0] == '"' || line[0] == '\'':
		e.quote = line[:1]
		if triple := strings.Repeat(e.quote, 3); strings.HasPrefix(line, triple) {
			e.quote = triple
		}
		return line[len(e.quote):]
	case strings.IndexByte("([{", line[0]) >= 0:
		e.depth++
	case strings.IndexByte(")]}", line[0]) >= 0:
		e.depth--
	}
	return line[1:]
}

// isBlock reports whether a line begins a statement with an indented body.
func isBlock(line string) bool {
	for _, keyword := range []string{"def", "for", "if", "while"} {
		if rest, ok := strings.CutPrefix(line, keyword); ok && (rest == "" || strings.IndexByte(" \t(", rest[0]) >= 0) {
			return true
		}
	}
	return false
}

// Text returns the lines.
func (e *Entry) Text() string { return e.text.String() }

// Open reports whether the next line belongs to the statement in any case: a
// bracket or a string is open, or the last line ends in a backslash.
func (e *Entry) Open() bool { return e.quote != "" || e.depth > 0 || e.line }

// Block reports whether the statement has an indented body, so that more lines
// may follow.
func (e *Entry) Block() bool { return e.block }

// Continues reports whether a line of a file belongs to the block before it: it
// is empty, indented or a comment, or begins another branch.
func (e *Entry) Continues(line string) bool {
	if strings.TrimLeft(line, " \t") != line || line == "" || line[0] == '#' {
		return true
	}
	return strings.HasPrefix(line, "elif") || strings.HasPrefix(line, "else")
}
