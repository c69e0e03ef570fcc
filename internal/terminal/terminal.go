// Package terminal reads single keys from a terminal, without waiting for Enter,
// and opens pages in the browser.
package terminal

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
)

// ErrNoTerminal: the file is not a terminal from which single keys can be read.
var ErrNoTerminal = errors.New("not a terminal that can read single keys")

// Keys calls pressed for each key until the context ends, and then restores the
// terminal. Until then the terminal does not show the keys; Ctrl-C works as
// usual.
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
		case err != nil && !errors.Is(err, io.EOF): // EOF means that no key was pressed
			return err
		}
	}
	return nil
}

// Browse opens a page in the user's browser.
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
	go func() { _ = cmd.Wait() }() // does not block the caller
	return nil
}
