// Package lineout writes lines to an output that may not be read: a pipe whose
// reader has stopped, or a terminal after Ctrl-S. Whoever writes a line must not wait
// for that reader.
package lineout

import (
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	// patience is how long a line may take before the output counts as not read.
	patience = time.Second
	// maxDirect is the longest line that an output takes at once if it takes anything.
	// It is the smallest PIPE_BUF of today's systems.
	maxDirect = 512
	// maxKept is how many bytes of lines are kept while the output is not read.
	maxKept = 1 << 20
)

// A Writer passes lines on to another writer. Write returns when the line is written.
// If that takes longer than a second, the output counts as not read until it takes
// something again: Write keeps lines of up to 1 MiB meanwhile, drops further ones, and
// returns at once. Its methods may be called by any goroutine.
type Writer struct {
	to      io.Writer
	missing func(lines int)
	ready   func() bool // the other writer takes a line of up to maxDirect bytes at once

	mu      sync.Mutex // guards the rest
	lines   []byte     // to be written
	next    *write     // of these lines
	writing bool       // somebody writes
	unread  bool       // a write has taken longer than patience
	dropped int        // lines, since the output is not read
}

// A write is one call of the other writer. Err may be read when done is closed.
type write struct {
	done chan struct{}
	err  error
}

func newWrite() *write { return &write{done: make(chan struct{})} }

// New returns a writer to another one. File is the file that this one writes to, or
// nil; lines to some files cost less. When lines were dropped and the output is read
// again, missing is called with their number, if it is not nil. It may write.
func New(to io.Writer, file *os.File, missing func(lines int)) *Writer {
	w := &Writer{to: to, missing: missing, next: newWrite(), ready: func() bool { return false }}
	if file != nil && !term.IsTerminal(int(file.Fd())) { // a terminal may take a part of a line
		w.ready = func() bool { return takes(file.Fd()) }
	}
	return w
}

// Write writes one line, or several that belong together.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	unread := w.unread
	if unread && len(w.lines)+len(line) > maxKept {
		w.dropped++
		w.mu.Unlock()
		return len(line), nil
	}
	if !w.writing && len(line) <= maxDirect && w.ready() {
		return w.writeDirectly(line)
	}
	w.lines = append(w.lines, line...)
	own := w.next
	if !w.writing {
		w.writing = true
		go w.flush() // the callers of Write wait for it, unless the output is not read
	}
	w.mu.Unlock()
	if unread {
		return len(line), nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-own.done:
		return len(line), own.err
	case <-timer.C:
		w.giveUp(own)
		return len(line), nil
	}
}

// writeDirectly writes a line that the output takes at once. The caller has locked w.
func (w *Writer) writeDirectly(line []byte) (int, error) {
	w.writing = true
	w.mu.Unlock()
	n, err := w.to.Write(line)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writing = len(w.lines) > 0; w.writing {
		go w.flush()
	}
	return n, err
}

// giveUp notes that the output is not read, because a write is not done.
func (w *Writer) giveUp(own *write) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-own.done:
	default:
		w.unread = true
	}
}

// flush writes until there are no more lines.
func (w *Writer) flush() {
	w.mu.Lock()
	for len(w.lines) > 0 {
		lines, own := w.lines, w.next
		w.lines, w.next = nil, newWrite()
		w.mu.Unlock()
		_, own.err = w.to.Write(lines)
		w.mu.Lock()
		w.unread = false
		close(own.done)
	}
	dropped := w.dropped
	w.writing, w.dropped = false, 0
	w.mu.Unlock()
	if dropped > 0 && w.missing != nil {
		w.missing(dropped)
	}
}
