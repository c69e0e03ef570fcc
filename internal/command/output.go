package command

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// patience is how long a write may take after the command was told to end.
const patience = time.Second

var errUnread = errors.New("the output is not read")

// An Output passes text to a writer and remembers the first error, so that no
// command has to check what it prints. When the command should end, it does not
// wait for a reader that has stopped.
type Output struct {
	ctx context.Context // its end is that of the command
	w   io.Writer

	mu  sync.Mutex // guards err
	err error
}

// NewOutput returns an output to w for a command that should end with ctx.
func NewOutput(ctx context.Context, w io.Writer) *Output { return &Output{ctx: ctx, w: w} }

// Write writes to the writer. It fails if the writer still has not taken the text a
// second after the end of the context, and from then on.
func (o *Output) Write(b []byte) (int, error) {
	if err := o.Err(); errors.Is(err, errUnread) {
		return 0, err
	}
	written := make(chan error, 1)
	text := bytes.Clone(b) // the caller may change b while an unread output has it
	go func() {            // ends with the write, or with the process
		_, err := o.w.Write(text)
		written <- err
	}()
	var err error
	select {
	case err = <-written:
	case <-o.ctx.Done():
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case err = <-written:
		case <-timer.C:
			err = errUnread
		}
	}
	if err == nil {
		return len(b), nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	return 0, err
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
