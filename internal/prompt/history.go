package prompt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/term"

	"asgibox/internal/userfile"
)

// maxHistory is how many lines are kept between two starts.
const maxHistory = 1000

// HistoryFile returns the path of a file in the folder where programs keep such
// data of a user.
func HistoryFile(program, name string) (string, error) {
	folder := os.Getenv("XDG_STATE_HOME")
	if runtime.GOOS == "windows" {
		folder = os.Getenv("LocalAppData")
	}
	if !filepath.IsAbs(folder) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		folder = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(folder, program, name), nil
}

// history is the lines that were entered, also by earlier processes.
type history struct {
	path  string // empty if they are not saved
	lines []string
}

var _ term.History = (*history)(nil)

// openHistory reads the history from a file. If that fails, it says so, and the
// lines are not saved.
func openHistory(path string, warnings io.Writer) *history {
	h := &history{path: path}
	if path == "" {
		return h
	}
	if err := h.read(); err != nil {
		fmt.Fprintf(warnings, "the history is not kept: %v\n", err)
		h.path = ""
	}
	return h
}

// read reads the lines. It shortens a file that has become long.
func (h *history) read() error {
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return err
	}
	text, err := userfile.Read(h.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	h.lines = strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
	long := len(h.lines) > 2*maxHistory
	h.lines = h.lines[max(0, len(h.lines)-maxHistory):]
	if long {
		return h.write(os.O_TRUNC, h.lines...)
	}
	return h.write(os.O_APPEND)
}

// write writes lines to the file, which only its owner can read.
func (h *history) write(flag int, lines ...string) error {
	f, err := userfile.Write(h.path, flag, userfile.Private)
	if err != nil {
		return err
	}
	err = f.Chmod(0o600)
	for _, line := range lines {
		_, failed := io.WriteString(f, line+"\n")
		err = errors.Join(err, failed)
	}
	return errors.Join(err, f.Close())
}

// Add adds a line, unless it is blank or the same as the one before.
func (h *history) Add(line string) {
	if strings.TrimSpace(line) == "" || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if h.path != "" && h.write(os.O_APPEND, line) != nil {
		h.path = ""
	}
}

func (h *history) Len() int        { return len(h.lines) }
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
