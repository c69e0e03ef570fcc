package command

import (
	"io"
	"os"
	"sync"
)

// An Output passes text to a writer and remembers the first error, so that no
// command has to check what it prints.
type Output struct {
	w io.Writer

	mu  sync.Mutex // guards err
	err error
}

// NewOutput returns an output to w.
func NewOutput(w io.Writer) *Output { return &Output{w: w} }

// Write writes to the writer.
func (o *Output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err == nil {
			o.err = err
		}
	}
	return n, err
}

// Err returns the first error of a write.
func (o *Output) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// File returns the file that w writes to, also through an [Output], or nil.
func File(w io.Writer) *os.File {
	if o, ok := w.(*Output); ok {
		w = o.w
	}
	f, _ := w.(*os.File)
	return f
}
