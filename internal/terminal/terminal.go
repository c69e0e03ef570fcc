// Package terminal reads single keys from a terminal, without waiting for the
// end of a line.
package terminal

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
)

// ErrNone is what reading keys fails with where there is no terminal to read
// them from.
var ErrNone = errors.New("this is no terminal that gives single keys")

// Keys calls pressed with each key that is pressed, until the context ends.
// Meanwhile the terminal does not show what is typed; Ctrl-C works as ever.
func Keys(ctx context.Context, f *os.File, pressed func(key byte)) error {
	restore, err := raw(f)
	if err != nil {
		return err
	}
	defer restore()
	buffer := make([]byte, 1)
	for ctx.Err() == nil {
		n, err := f.Read(buffer)
		switch {
		case n == 1:
			pressed(buffer[0])
		case err != nil && !errors.Is(err, io.EOF): // which only says that no key was pressed
			return err
		}
	}
	return nil
}

// Browse opens a page in the browser of whoever sits there.
func Browse(url string) error {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // it ends when it likes
	return nil
}
