package script

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"asgibox/internal/spell"

	"go.starlark.net/syntax"
)

const (
	// maxSource is the longest file that is compiled, in bytes.
	maxSource = 1 << 20
	// maxBrackets is how deep brackets may nest in a file. The parser
	// recurses on the Go stack, which cannot be caught when it ends.
	maxBrackets = 500
)

// dialect is Starlark with everything on that makes it more of a Python.
var dialect = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true}

// sources are the files of one generation, as they were when it was loaded.
type sources struct {
	root *os.Root

	mu   sync.Mutex // guards text
	text map[string]string
}

// read answers the text of a file in the application's folder.
func (s *sources) read(name string) (string, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return "", s.unreadable(name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err != nil {
		return "", s.unreadable(name, err)
	}
	if len(data) > maxSource {
		return "", fmt.Errorf("%s is longer than %d bytes", name, maxSource)
	}
	text := strings.TrimPrefix(string(data), "\ufeff") // some editors mark UTF-8 so
	if at := invalid(text); at >= 0 {
		line := int32(1 + strings.Count(text[:at], "\n"))
		return "", &placedError{pos: syntax.MakePosition(&name, line, 0), msg: "the file is not UTF-8", hint: "have the editor save it as UTF-8"}
	}
	s.mu.Lock()
	s.text[name] = text
	s.mu.Unlock()
	return text, checkNesting(name, text)
}

// invalid answers where a text stops being UTF-8, or -1.
func invalid(text string) int {
	if utf8.ValidString(text) {
		return -1
	}
	for i, c := range text {
		if c == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return i
		}
	}
	return -1
}

func (s *sources) unreadable(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		s.mu.Lock()
		s.text[name] = "" // so that its coming is watched for
		s.mu.Unlock()
		return hintf(s.nearest(name), "%s: there is no such file", name)
	}
	var failed *fs.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("%s cannot be read: %w", name, err)
}

// nearest suggests a file of the same folder.
func (s *sources) nearest(name string) string {
	folder, err := s.root.Open(path.Dir(name))
	if err != nil {
		return ""
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(1000) // a suggestion only
	if whole := path.Base(name) + ".star"; slices.Contains(names, whole) {
		return fmt.Sprintf("did you mean %q?", name+".star")
	}
	if near := spell.Nearest(path.Base(name), names); near != "" {
		return fmt.Sprintf("did you mean %q?", path.Join(path.Dir(name), near))
	}
	return ""
}

// lookup answers the text of a file that was read, for explanations.
func (s *sources) lookup(name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, ok := s.text[name]
	return text, ok
}

// names answers the files that were read, sorted.
func (s *sources) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.text))
	for name := range s.text {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// resolve answers the file that a load statement means: relative to the
// application's folder, never outside it.
func resolve(module string) (string, error) {
	if strings.Contains(module, `\`) || path.IsAbs(module) {
		return "", fmt.Errorf("%s: name a file relative to the application's own, with /", module)
	}
	name := path.Clean(module)
	if name == ".." || strings.HasPrefix(name, "../") {
		return "", fmt.Errorf("%s is outside the application's folder", module)
	}
	return name, nil
}

// checkNesting refuses a text whose brackets nest so deep that parsing it
// could exhaust the stack. Brackets in strings and comments do not count.
func checkNesting(name, text string) error {
	depth, line := 0, int32(1)
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\n':
			line++
		case '#':
			i += skipTo(text[i:], "\n") - 1
		case '"', '\'':
			n := skipString(text[i:])
			line += int32(strings.Count(text[i:i+n], "\n"))
			i += n - 1
		case '(', '[', '{':
			if depth++; depth > maxBrackets {
				return &placedError{pos: syntax.MakePosition(&name, line, 1), msg: fmt.Sprintf("brackets nest deeper than %d", maxBrackets)}
			}
		case ')', ']', '}':
			depth--
		}
	}
	return nil
}

// skipTo answers how far it is to the mark, or to the end.
func skipTo(text, mark string) int {
	if i := strings.Index(text, mark); i >= 0 {
		return i
	}
	return len(text)
}

// skipString answers the length of the string literal that text begins with.
func skipString(text string) int {
	quote := text[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(text, triple) {
		quote = triple
	}
	for i := len(quote); i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case strings.HasPrefix(text[i:], quote):
			return i + len(quote)
		case text[i] == '\n' && len(quote) == 1:
			return i
		}
	}
	return len(text)
}
