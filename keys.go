package main

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/term"

	"asgibox/internal/terminal"
)

// keysHelp is what the banner says of the keys; look tells whether there is an
// inspector.
func keysHelp(look bool) string {
	inspector := ""
	if look {
		inspector = ", i the inspector"
	}
	return "Ctrl-C, or q; o opens the browser" + inspector + ", r reloads, c clears"
}

// keyboard is where single keys come from: a terminal that shows our text.
func (o *options) keyboard(stdin io.Reader, stderr io.Writer) *os.File {
	f, ok := stdin.(*os.File)
	shown, onTerminal := stderr.(*os.File)
	if !ok || !onTerminal || o.quiet || o.logFormat != "text" || !term.IsTerminal(int(f.Fd())) || !term.IsTerminal(int(shown.Fd())) {
		return nil
	}
	return f
}

// hearKeys does what keys ask for until the context ends.
func (s *server) hearKeys(ctx context.Context, quit func()) error {
	err := terminal.Keys(ctx, s.keyboard, func(key byte) { s.press(ctx, key, quit) })
	if err != nil && !errors.Is(err, terminal.ErrNone) {
		s.log.Debug("keys are not heard any more", "err", err)
	}
	return nil // the server does without
}

// press does what one key asks for.
func (s *server) press(ctx context.Context, key byte, quit func()) {
	switch key {
	case 'o':
		s.browse(s.urls[0])
	case 'i':
		if c := s.control.Load(); c != nil {
			s.browse(c.url())
		}
	case 'r':
		s.reloadByHand(ctx)
	case 'c':
		_, _ = io.WriteString(s.stderr, "\x1b[2J\x1b[3J\x1b[H")
	case 'q':
		quit()
	}
}

func (s *server) browse(url string) {
	if err := terminal.Browse(url); err != nil {
		s.log.Warn("no browser opens", "err", err)
	}
}

func (s *server) reloadByHand(ctx context.Context) {
	if s.pool != nil {
		_ = poolView{s}.Reload(ctx) // either outcome is told by loaded
	}
}
