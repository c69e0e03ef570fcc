package process

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"asgibox/internal/logkey"
	"asgibox/workerpool/script/explain"
)

const (
	// maxLine is the length of the longest line of output that is logged whole, in
	// bytes.
	maxLine = 8 << 10
	// keptLines is the number of the last lines of stderr that the error of a
	// process that has died shows.
	keptLines = 20
)

// An output logs the lines of one output stream of a child.
type output struct {
	log    *slog.Logger
	worker int

	mu   sync.Mutex // guards last
	last []string   // the last lines; nil if they are not kept
}

// follow logs the lines of r until its end.
func (o *output) follow(r *os.File) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			text := string(line)
			if errors.Is(err, bufio.ErrBufferFull) {
				var more int
				more, err = skipLine(lines)
				text = fmt.Sprintf("%s… (%d more bytes)", strings.ToValidUTF8(whole(text), "\uFFFD"), more)
			}
			o.line(text)
		}
		if err != nil {
			return
		}
	}
}

// whole removes a character that is cut at the end of the text.
func whole(text string) string {
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if c := text[len(text)-i]; utf8.RuneStart(c) {
			if !utf8.FullRuneInString(text[len(text)-i:]) {
				return text[:len(text)-i]
			}
			break
		}
	}
	return text
}

// skipLine skips the rest of a line and returns its length.
func skipLine(lines *bufio.Reader) (n int, err error) {
	for {
		rest, err := lines.ReadSlice('\n')
		n += len(rest)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return n, err
		}
	}
}

// line logs a line without its end. Control characters and bytes that are not UTF-8 are
// replaced.
func (o *output) line(text string) {
	text = explain.Printable(strings.ToValidUTF8(strings.TrimRight(text, "\r\n"), "\uFFFD"))
	o.mu.Lock()
	if o.last != nil {
		if len(o.last) == keptLines {
			o.last = append(o.last[:0], o.last[1:]...)
		}
		o.last = append(o.last, text)
	}
	o.mu.Unlock()
	o.log.Info(text, logkey.Worker, o.worker)
}

// tail returns the last lines.
func (o *output) tail() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.last...)
}
