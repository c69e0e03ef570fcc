package lib

import (
	"fmt"
	"regexp"
	"strings"
)

// An EnvError describes a wrong line of a .env file.
type EnvError struct {
	File    string
	Line    int // from 1
	Message string
	hint    string
}

func (e *EnvError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }

// Hint returns how to fix the line.
func (e *EnvError) Hint() string { return e.hint }

// Place returns the position for package explain.
func (e *EnvError) Place() (file string, line, col int) { return e.File, e.Line, 0 }

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// ParseEnv parses the text of a .env file: lines NAME=value, with an optional
// export before the name. A value in single quotes is literal. In double
// quotes, \n, \r, \t, \", \\ and \$ are escapes. Quoted values may span lines.
// A value without quotes ends before " #". Variables are not substituted. If a
// name has several lines, the last one counts. The error is an [EnvError];
// file is only used in its text.
func ParseEnv(file, text string) (map[string]string, error) {
	all := map[string]string{}
	text = strings.ReplaceAll(text, "\r\n", "\n")
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

// parseSetting parses the setting at the beginning of text. It returns the
// length of the setting, with the end of its line.
func parseSetting(text string) (name, value string, used int, problem *EnvError) {
	line, _, _ := strings.Cut(text, "\n")
	name, rest, ok := strings.Cut(line, "=")
	if !ok {
		return "", "", 0, &EnvError{Message: "the line has no =", hint: "write NAME=value"}
	}
	name = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), "export "))
	if !envName.MatchString(name) {
		return "", "", 0, &EnvError{Message: fmt.Sprintf("%q is not a valid name", name), hint: "a name begins with a letter or _ and has letters, digits, _, - and dots"}
	}
	begin := len(line) - len(strings.TrimLeft(rest, " \t"))
	if quote := strings.TrimLeft(rest, " \t"); quote != "" && (quote[0] == '"' || quote[0] == '\'') {
		value, n, problem := parseQuoted(text[begin:])
		if problem != nil {
			return "", "", 0, problem
		}
		tail, _, _ := strings.Cut(text[begin+n:], "\n")
		if t := strings.TrimSpace(tail); t != "" && t[0] != '#' {
			return "", "", 0, &EnvError{Message: "there is text after the closing quote", hint: "remove it, or write a # before it"}
		}
		return name, value, min(begin+n+len(tail)+1, len(text)), nil
	}
	if i := strings.Index(" "+strings.ReplaceAll(rest, "\t", " "), " #"); i >= 0 {
		rest = rest[:max(0, i-1)]
	}
	return name, strings.TrimSpace(rest), min(len(line)+1, len(text)), nil
}

// parseQuoted parses a quoted value. It returns its length with the quotes.
func parseQuoted(text string) (value string, length int, problem *EnvError) {
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
	return "", 0, &EnvError{Message: fmt.Sprintf("the value begins with %c but has no closing quote", text[0]), hint: "add the closing quote"}
}
