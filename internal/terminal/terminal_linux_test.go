package terminal

import (
	"context"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// pair opens a pseudo-terminal. Text written to the keyboard end can be read from
// the screen end.
func pair(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("cannot open a pseudo-terminal:", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	return keyboard, screen
}

func TestKeysAreReadAndTheTerminalIsRestored(t *testing.T) {
	keyboard, screen := pair(t)
	before, err := unix.IoctlGetTermios(int(screen.Fd()), getTermios)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := keyboard.WriteString("rq"); err != nil {
		t.Fatal(err)
	}
	var keys []byte
	if err := Keys(ctx, screen, func(key byte) {
		keys = append(keys, key)
		if key == 'q' {
			cancel()
		}
	}); err != nil {
		t.Fatal(err)
	}
	if string(keys) != "rq" {
		t.Errorf("%q", keys)
	}
	after, err := unix.IoctlGetTermios(int(screen.Fd()), getTermios)
	if err != nil || *after != *before {
		t.Errorf("the terminal was left as %+v, %v", after, err)
	}
}

func TestKeysNeedATerminal(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Keys(t.Context(), f, nil); err != ErrNoTerminal {
		t.Error(err)
	}
}
