package terminal

import (
	"context"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// pair opens a terminal: what is written to the one end is typed at the other.
func pair(t *testing.T) (hands, screen *os.File) {
	t.Helper()
	hands, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("this machine has no pseudo-terminals:", err)
	}
	t.Cleanup(func() { hands.Close() })
	if err := unix.IoctlSetPointerInt(int(hands.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(hands.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	return hands, screen
}

func TestKeysComeOneByOneAndTheTerminalIsRestored(t *testing.T) {
	hands, screen := pair(t)
	before, err := unix.IoctlGetTermios(int(screen.Fd()), getTermios)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := hands.WriteString("rq"); err != nil {
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

func TestAFileHasNoKeys(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Keys(t.Context(), f, nil); err != ErrNone {
		t.Error(err)
	}
}
