package gobuild

import (
	"errors"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"asgibox/internal/userfile"
	"asgibox/workerpool/script/explain"
)

// maxReport is the length of a report without places that an error shows, in bytes.
const maxReport = 4 << 10

// An Error is a failed build: what the go command has reported.
type Error struct{ explanation explain.Explanation }

func (e *Error) Error() string { return e.explanation.Line() }

// Explanation returns the mistakes with their places. The files have paths from the
// folder of the main package.
func (e *Error) Explanation() explain.Explanation { return e.explanation }

// A mistake is an error of the compiler or of the go command with a place. Its
// methods are those that package explain calls.
type mistake struct {
	file      string
	line, col int
	message   string
}

func (m *mistake) Error() string             { return m.message }
func (m *mistake) Place() (string, int, int) { return m.file, m.line, m.col }

// placed matches a line of a report that begins with a place.
var placed = regexp.MustCompile(`^((?:[A-Za-z]:)?[^:\s][^:]*):(\d+)(?::(\d+))?: (.*)$`)

// maxSource is the size of the largest source file that is quoted, in bytes.
const maxSource = 4 << 20

// newError returns an error for the report of a go command that ran in the folder
// dir. It quotes source files, and other files below the folder root. A line directive can
// name any file.
func newError(dir, root, report string) *Error {
	var mistakes []*mistake
	var other []string // lines outside of mistakes
	for line := range strings.Lines(report) {
		line = strings.TrimRight(line, "\r\n")
		m := placed.FindStringSubmatch(line)
		switch {
		case m != nil:
			// Places are valid numbers, or become 0, which means unknown.
			row, _ := strconv.Atoi(m[2])
			col, _ := strconv.Atoi(m[3])
			mistakes = append(mistakes, &mistake{fromFolder(dir, m[1]), row, col, m[4]})
		case strings.HasPrefix(line, "\t") && len(mistakes) > 0:
			last := mistakes[len(mistakes)-1]
			last.message += "\n" + line
		case line != "" && !strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "go: downloading "):
			other = append(other, line)
		}
	}
	source := explain.Options{Source: func(file string) (string, bool) {
		path := filepath.Join(dir, filepath.FromSlash(file))
		if !isSource(path) && !within(path, root) {
			return "", false
		}
		text, err := userfile.ReadStart(path, maxSource)
		return string(text), err == nil
	}}
	if len(mistakes) == 0 {
		text := strings.Join(other, "\n")
		if len(text) > maxReport {
			text = strings.ToValidUTF8(text[:maxReport], "") + "…"
		}
		return &Error{explain.Error(errors.New(text), explain.Options{})}
	}
	all := make([]explain.Explanation, len(mistakes))
	for i, m := range mistakes {
		all[i] = explain.Error(m, source)
	}
	all[0].More = all[1:]
	return &Error{all[0]}
}

// fromFolder returns the path from the folder dir to a file, with slashes. The go
// command reports paths from that folder, or absolute ones.
func fromFolder(dir, file string) string {
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	if short, err := filepath.Rel(dir, file); err == nil {
		file = short
	}
	return filepath.ToSlash(file)
}
