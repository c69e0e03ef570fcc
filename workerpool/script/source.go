package script

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"asgibox/internal/spell"
	"asgibox/internal/userfile"
	"asgibox/workerpool/script/explain"

	"go.starlark.net/syntax"
)

const (
	// maxSource is the maximum length of a source file, in bytes.
	maxSource = 1 << 20
	// maxBrackets is the maximum depth of nested brackets. The parser
	// recurses on the Go stack, and a Go stack overflow ends the process.
	maxBrackets = 500
)

// dialect is Starlark with all optional Python features.
var dialect = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true}

// sources holds the files of one generation as they were when it was loaded.
type sources struct {
	root *os.Root
	used func(name string) // called before a file is opened

	mu   sync.Mutex // guards text
	text map[string]string
}

// read returns the text of a file in the application's folder.
func (s *sources) read(name string) (string, error) {
	s.used(name)
	f, err := userfile.OpenIn(s.root, name)
	if err != nil {
		return "", s.readError(name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err != nil {
		return "", s.readError(name, err)
	}
	if len(data) > maxSource {
		return "", fmt.Errorf("%s is longer than %d bytes: split it into several files", name, maxSource)
	}
	text, line, err := explain.SourceText(data)
	if err != nil {
		return "", &placedError{err, syntax.MakePosition(&name, int32(line), 0)}
	}
	s.mu.Lock()
	s.text[name] = text
	s.mu.Unlock()
	return text, checkNesting(name, 1, text)
}

func (s *sources) readError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return explain.Hintf(s.suggestFile(name), "%s: there is no such file", name)
	}
	var failed *fs.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("cannot read %s: %w", name, err)
}

// suggestFile suggests a file with a similar name in the same folder.
func (s *sources) suggestFile(name string) string {
	folder, err := s.root.Open(path.Dir(name))
	if err != nil {
		return ""
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(1000) // enough for a suggestion
	if whole := path.Base(name) + ".star"; slices.Contains(names, whole) {
		return fmt.Sprintf("did you mean %q?", name+".star")
	}
	if near := spell.Nearest(path.Base(name), names); near != "" {
		return fmt.Sprintf("did you mean %q?", path.Join(path.Dir(name), near))
	}
	return ""
}

// lookup returns the text of a file that was read.
func (s *sources) lookup(name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, ok := s.text[name]
	return text, ok
}

// add adds text that was not read from a file. Lines before it that were not
// added are empty.
func (s *sources) add(name string, line int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.text[name]
	s.text[name] = before + strings.Repeat("\n", max(0, line-1-strings.Count(before, "\n"))) + text
}

// names returns the names of the files that were read, sorted.
func (s *sources) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.text))
}

// resolve returns the file that a load statement names, relative to the
// application's folder. It fails if the file is outside that folder.
func resolve(module string) (string, error) {
	if strings.Contains(module, `\`) || path.IsAbs(module) {
		return "", fmt.Errorf("%s: the path must be relative to the application's folder and use / as separator", module)
	}
	name := path.Clean(module)
	if name == ".." || strings.HasPrefix(name, "../") {
		return "", fmt.Errorf("%s is outside the application's folder", module)
	}
	return name, nil
}

// checkNesting returns an error if brackets nest so deeply that parsing the text
// could overflow the stack. Brackets in strings and comments do not count. Line is
// the number of the first line.
func checkNesting(name string, line int32, text string) error {
	depth := 0
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
				return &placedError{fmt.Errorf("brackets nest deeper than %d", maxBrackets), syntax.MakePosition(&name, line, 1)}
			}
		case ')', ']', '}':
			depth--
		}
	}
	return nil
}

// skipTo returns the index of the mark, or the length of the text.
func skipTo(text, mark string) int {
	if i := strings.Index(text, mark); i >= 0 {
		return i
	}
	return len(text)
}

// skipString returns the length of the string literal at the start of text.
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
