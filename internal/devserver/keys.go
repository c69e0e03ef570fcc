package devserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"asgibox/internal/command"
	"asgibox/internal/logkey"
	"asgibox/internal/terminal"
)

// keysHelp is the banner's line about keys.
func keysHelp(inspected bool) string {
	inspector := ""
	if inspected {
		inspector = ", i the inspector"
	}
	return "Ctrl-C, or q; o opens the browser" + inspector + ", r reloads, c clears, ? lists the keys"
}

// keysList describes each key on a line of its own.
func keysList(inspected bool) string {
	keys := [][2]string{
		{"o", "opens the application in the browser"},
		{"i", "opens the inspector in the browser"},
		{"r", "reloads the application"},
		{"c", "clears the terminal, except for the addresses"},
		{"q", "stops the server, like Ctrl-C"},
		{"?, h", "lists the keys"},
	}
	var b strings.Builder
	for _, key := range keys {
		if key[0] != "i" || inspected {
			fmt.Fprintf(&b, "  %-10s %s\n", key[0], key[1])
		}
	}
	return b.String()
}

// keyboard returns the terminal to read single keys from, or nil. It must also
// show our output.
func keyboard(o *Options, stdin io.Reader, stderr io.Writer) *os.File {
	f, ok := stdin.(*os.File)
	if !ok || o.Quiet || o.Process.Debug || o.LogFormat != "text" || !term.IsTerminal(int(f.Fd())) || !command.OnTerminal(stderr) {
		return nil
	}
	return f
}

// readKeys acts on keys until ctx ends.
func (s *server) readKeys(ctx context.Context, quit func()) error {
	err := terminal.Keys(ctx, s.keyboard, func(key byte) { s.press(ctx, key, quit) })
	if err != nil && !errors.Is(err, terminal.ErrNoTerminal) {
		s.log.Debug("keys are no longer read", logkey.Error, err)
	}
	return nil // the server runs without keys
}

// press acts on one key.
func (s *server) press(ctx context.Context, key byte, quit func()) {
	switch key {
	case 'o':
		s.browse(s.urls[0])
	case 'i':
		if c := s.control.Load(); c != nil {
			s.browse(c.url())
		}
	case 'r':
		if s.generations != nil {
			_ = s.generations.LoadAgain(ctx)
		}
	case 'c':
		_, _ = io.WriteString(s.out, "\x1b[2J\x1b[3J\x1b[H"+s.bannerText("")+"\n")
	case '?', 'h':
		_, _ = io.WriteString(s.out, keysList(s.control.Load() != nil))
	case 'q':
		quit()
	}
}

func (s *server) browse(url string) {
	if err := terminal.Browse(url); err != nil {
		s.log.Warn("cannot open a browser", logkey.Error, err)
	}
}
