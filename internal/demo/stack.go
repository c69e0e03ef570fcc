package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"asgibox/internal/devserver"
)

// stacks are the servers of the pages. Each starts when it is first used.
type stacks struct {
	config config
	parse  func(flags []string) (devserver.Options, error)
	stderr io.Writer

	mu      sync.Mutex // guards the rest
	started map[*page]*devserver.Mounted
	stopped bool
	running sync.WaitGroup
	life    context.Context
	end     context.CancelFunc
	errs    []error
}

func newStacks(c config, parse func([]string) (devserver.Options, error), stderr io.Writer) *stacks {
	s := &stacks{config: c, parse: parse, stderr: stderr, started: make(map[*page]*devserver.Mounted)}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// app returns the path of the application of a page.
func (s *stacks) app(p *page) string { return filepath.Join(s.config.Folder, p.Name, "app.star") }

// resume starts the stacks that an earlier server has started, so that their
// waiting messages are handled.
func (s *stacks) resume() {
	for _, p := range pages {
		if _, err := os.Stat(s.app(p)); err == nil {
			if _, err := s.of(p); err != nil {
				fmt.Fprintln(s.stderr, "asgibox:", err)
			}
		}
	}
}

// of returns the stack of a page, which it starts if necessary.
func (s *stacks) of(p *page) (*devserver.Mounted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.started[p]; m != nil {
		return m, nil
	}
	if s.stopped {
		return nil, errors.New("the tour is stopping")
	}
	m, err := s.start(p)
	if err != nil {
		return nil, fmt.Errorf("cannot start the application of %s: %w", p.Name, err)
	}
	s.started[p] = m
	s.running.Go(func() {
		if err := m.Run(s.life); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.errs = append(s.errs, err)
		}
	})
	return m, nil
}

// start makes the stack of a page.
func (s *stacks) start(p *page) (*devserver.Mounted, error) {
	o, err := s.parse(p.Flags)
	if err != nil {
		return nil, err
	}
	o.NoReload = true // saving in the editor reloads
	o.Quiet, o.Verbose = !s.config.Verbose, false
	o.Front.Grace, o.Pool.Grace = time.Second, time.Second
	o.Front.RootPath = mountPath(p)
	o.Script.SessionCookie = "sessionid_" + p.Name
	app := s.app(p)
	if err := os.MkdirAll(filepath.Dir(app), 0o700); err != nil {
		return nil, err
	}
	if _, err := os.Stat(app); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(app, []byte(p.original), 0o600); err != nil {
			return nil, err
		}
	}
	return devserver.Mount(app, s.config.URL+mountPath(p), s.config.Token, o, s.stderr)
}

// mountPath is where the application of a page is mounted.
func mountPath(p *page) string { return "/app/" + p.Name }

// source returns the application of a page as it was saved last.
func (s *stacks) source(p *page) (string, error) {
	b, err := os.ReadFile(s.app(p))
	if errors.Is(err, os.ErrNotExist) {
		return p.original, nil
	}
	return string(b), err
}

// stop ends all stacks.
func (s *stacks) stop() error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.end()
	s.running.Wait()
	return errors.Join(s.errs...)
}
