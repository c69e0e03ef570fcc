// Package prompt reads lines from a terminal, with editing, history and
// completion, and lets Ctrl-C interrupt what runs between two lines.
package prompt

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"asgibox/internal/terminal"
)

// ErrCleared: Ctrl-C was pressed, so the line was dropped.
var ErrCleared = errors.New("the line was dropped with Ctrl-C")

// ErrInterrupted is the cause of a context that Ctrl-C ended.
var ErrInterrupted = errors.New("interrupted")

// Options configure a [Terminal].
type Options struct {
	// Complete returns the names that continue the end of a line, and the
	// index in the line where they begin.
	Complete func(ctx context.Context, line string) (start int, names []string)
	// History is the path of the file that keeps the lines, or empty.
	History string
}

// A Terminal reads lines from a person. Text that is written to it does not mix
// with the line that is being edited, so a log may write to it at any time. All
// other methods must be called by one goroutine.
type Terminal struct {
	in, out *os.File
	options Options
	editor  *term.Terminal
	lines   *bufio.Scanner // not nil if the system edits the lines
	stop    func()         // ends the goroutine that reads keys
	ctx     context.Context
	dropped bool          // Ctrl-C was pressed in the line
	arrived chan struct{} // has room for one; filled when the rest changes

	mu        sync.Mutex // guards the rest
	keys      []byte
	err       error                   // ends the input
	interrupt context.CancelCauseFunc // of what runs between two lines; otherwise nil
}

// New returns a terminal that can be written to.
func New(in, out *os.File, o Options) *Terminal {
	t := &Terminal{in: in, out: out, options: o, stop: func() {}, arrived: make(chan struct{}, 1)}
	t.editor = term.NewTerminal(keyReader{t, out}, "")
	t.editor.AutoCompleteCallback = t.complete
	return t
}

// Start prepares the terminal for ReadLine and Run. On systems where single keys
// cannot be read, the system edits the lines. The caller must close the terminal.
func (t *Terminal) Start() error {
	restore, err := terminal.Raw(t.in)
	if errors.Is(err, terminal.ErrNoTerminal) {
		t.lines = bufio.NewScanner(t.in)
		return nil
	}
	if err != nil {
		return err
	}
	t.editor.History = openHistory(t.options.History, t)
	t.editor.SetBracketedPasteMode(true)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.pressed(nil, terminal.Read(ctx, t.in, func(keys []byte) { t.pressed(keys, nil) }))
	}()
	t.stop = func() {
		cancel()
		<-ended
		t.editor.SetBracketedPasteMode(false)
		restore()
	}
	return nil
}

// Close restores the terminal.
func (t *Terminal) Close() { t.stop() }

// Write writes above the line that is being edited.
func (t *Terminal) Write(text []byte) (int, error) { return t.editor.Write(text) }

// Width returns the number of columns.
func (t *Terminal) Width() int {
	width, _, err := term.GetSize(int(t.out.Fd()))
	if err != nil || width < 1 {
		return 80
	}
	return width
}

// ReadLine reads a line. It returns [ErrCleared] after Ctrl-C, and [io.EOF]
// after Ctrl-D in an empty line.
func (t *Terminal) ReadLine(ctx context.Context, prompt string) (string, error) {
	if t.lines != nil {
		return t.scan(ctx, prompt)
	}
	t.ctx = ctx
	t.editor.SetPrompt(prompt)
	line, err := t.editor.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	if t.dropped {
		t.dropped = false
		return "", ErrCleared
	}
	return line, err
}

func (t *Terminal) scan(ctx context.Context, prompt string) (string, error) {
	if _, err := io.WriteString(t.out, prompt); err != nil {
		return "", err
	}
	if t.lines.Scan() {
		return t.lines.Text(), ctx.Err()
	}
	if err := t.lines.Err(); err != nil {
		return "", err
	}
	return "", io.EOF
}

// Run calls f with a context that Ctrl-C ends with [ErrInterrupted]. Other keys
// that are pressed meanwhile belong to the next lines.
func (t *Terminal) Run(ctx context.Context, f func(context.Context)) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.setInterrupt(cancel)
	defer t.setInterrupt(nil)
	f(ctx)
}

func (t *Terminal) setInterrupt(cancel context.CancelCauseFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.interrupt = cancel
}

const ctrlC = 3

// pressed takes keys, or the error that ends the input.
func (t *Terminal) pressed(keys []byte, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range keys {
		if key == ctrlC && t.interrupt != nil {
			t.interrupt(ErrInterrupted)
			t.keys = nil
			continue
		}
		t.keys = append(t.keys, key)
	}
	if keys == nil {
		t.err = errors.Join(io.EOF, err)
	}
	select {
	case t.arrived <- struct{}{}:
	default:
	}
}

// keyReader is what the editor reads from and writes to.
type keyReader struct {
	t *Terminal
	io.Writer
}

// clearLine are keys that make the editor return an empty line: to the end of
// the line, delete to its start, Enter.
const clearLine = "\x05\x15\r"

// Read returns the next keys, to the end of a line at most: the keys of later
// lines stay here, where Ctrl-C drops them.
func (r keyReader) Read(b []byte) (int, error) {
	t := r.t
	_ = t.editor.SetSize(t.Width(), 24) // an error of a write shows again at the next one
	for {
		n, err := t.take(b)
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-t.arrived:
		case <-t.ctx.Done():
			return 0, t.ctx.Err()
		}
	}
}

func (t *Terminal) take(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for n < len(t.keys) && n < len(b) && t.keys[n] != ctrlC && (n == 0 || t.keys[n-1] != '\r') {
		n++
	}
	switch {
	case n > 0:
		copy(b, t.keys[:n])
		t.keys = t.keys[n:]
		return n, nil
	case len(t.keys) > 0 && len(b) >= len(clearLine):
		t.keys, t.dropped = t.keys[1:], true
		return copy(b, clearLine), nil
	}
	return 0, t.err
}
