package lib

import (
	"fmt"
	"regexp"
	"strings"
)

// An EnvError is a line of a .env file that cannot be read.
type EnvError struct {
	File    string
	Line    int // from 1
	Message string
	hint    string
}

func (e *EnvError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }

// Hint says what to write instead.
func (e *EnvError) Hint() string { return e.hint }

// Place says where.
func (e *EnvError) Place() (file string, line, col int) { return e.File, e.Line, 0 }

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// ParseEnv reads the text of a .env file: lines NAME=value, perhaps with
// export before them. A value in single quotes is taken as it stands, one in
// double quotes knows \n, \r, \t, \" and \\, both may span lines; one without
// quotes ends before " #". Nothing is substituted: $ is a $. The last of
// several lines with one name counts. The error is an [EnvError]; file is for
// its words only.
func ParseEnv(file, text string) (map[string]string, error) {
	all := map[string]string{}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\uFEFF"), "\r\n", "\n")
	for line := 1; text != ""; {
		before, after, _ := strings.Cut(text, "\n")
		begin := strings.TrimSpace(before)
		if begin == "" || begin[0] == '#' {
			text, line = after, line+1
			continue
		}
		name, value, used, err := parseSetting(text)
		if err != nil {
			err.File, err.Line = file, line
			return nil, err
		}
		all[name] = value
		line += strings.Count(text[:used], "\n")
		text = text[used:]
	}
	return all, nil
}

// parseSetting reads the setting that text begins with, and answers how much
// of the text it took, its line's end included.
func parseSetting(text string) (name, value string, used int, fault *EnvError) {
	line, _, _ := strings.Cut(text, "\n")
	name, rest, ok := strings.Cut(line, "=")
	if !ok {
		return "", "", 0, &EnvError{Message: "the line has no =", hint: "write NAME=value"}
	}
	name = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), "export "))
	if !envName.MatchString(name) {
		return "", "", 0, &EnvError{Message: fmt.Sprintf("%q is no name", name), hint: "a name has letters, digits, _, - and dots"}
	}
	begin := len(line) - len(strings.TrimLeft(rest, " \t"))
	if quote := strings.TrimLeft(rest, " \t"); quote != "" && (quote[0] == '"' || quote[0] == '\'') {
		value, n, fault := parseQuoted(text[begin:])
		if fault != nil {
			return "", "", 0, fault
		}
		tail, _, _ := strings.Cut(text[begin+n:], "\n")
		if t := strings.TrimSpace(tail); t != "" && t[0] != '#' {
			return "", "", 0, &EnvError{Message: "something follows the closing quote"}
		}
		return name, value, min(begin+n+len(tail)+1, len(text)), nil
	}
	if i := strings.Index(" "+strings.ReplaceAll(rest, "\t", " "), " #"); i >= 0 {
		rest = rest[:max(0, i-1)]
	}
	return name, strings.TrimSpace(rest), min(len(line)+1, len(text)), nil
}

// parseQuoted reads a quoted value and answers its length, quotes included.
func parseQuoted(text string) (value string, length int, fault *EnvError) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		c := text[i]
		if c == text[0] {
			return b.String(), i + 1, nil
		}
		if c == '\\' && text[0] == '"' && i+1 < len(text) {
			i++
			switch text[i] {
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			case '"', '\\', '$':
				c = text[i]
			default:
				b.WriteByte('\\')
				c = text[i]
			}
		}
		b.WriteByte(c)
	}
	return "", 0, &EnvError{Message: fmt.Sprintf("a value begins with %c and never ends", text[0]), hint: "close the quote"}
}
