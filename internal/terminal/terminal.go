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
	restore, err := raw(f, false)
	if err != nil {
		return err
	}
	defer restore()
	return Read(ctx, f, func(keys []byte) {
		for _, key := range keys {
			if ctx.Err() == nil {
				pressed(key)
			}
		}
	})
}

// Raw switches the terminal to single keys for [Read], without showing them.
// Ctrl-C and the other keys for signals become keys like all others.
func Raw(f *os.File) (restore func(), err error) { return raw(f, true) }

// Read calls pressed with the keys that are pressed until the context ends.
func Read(ctx context.Context, f *os.File, pressed func(keys []byte)) error {
	buffer := make([]byte, 256)
	for ctx.Err() == nil {
		n, err := f.Read(buffer)
		switch {
		case n > 0:
			pressed(buffer[:n])
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
