package devserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"

	"asgibox/httpfront"
	"asgibox/internal/logkey"
	"asgibox/workerpool"
)

// Mounted is a server without listeners. Its protocol server and its control
// server are handlers, which another HTTP server serves below paths of its own.
type Mounted struct{ s *server }

// Mount makes a mounted server for the application in the Starlark file app. URL is where
// Front is mounted, without a slash at its end. Token, if not empty, is required
// by Control. The listeners of the options are not used. The caller must call
// [Mounted.Run], which also closes the store.
func Mount(app, url, token string, o Options, stderr io.Writer) (*Mounted, error) {
	s := &server{app: StarlarkFile(app), options: o, stderr: stderr, urls: []string{url + "/"}}
	s.log = slog.New(inspectedLog{Handler: newLog(&o, stderr), reporter: s.reporter()}).With(logkey.App, filepath.Base(filepath.Dir(app)))
	if err := CheckFile(app); err != nil {
		return nil, err
	}
	if err := s.openStore(context.Background()); err != nil {
		return nil, err
	}
	front := o.Front
	front.Access = httpfront.LogAccess(s.log)
	err := s.build(front, nil, true)
	if err == nil {
		err = s.buildControl(nil, token)
	}
	if err != nil {
		return nil, errors.Join(err, s.closeStore())
	}
	return &Mounted{s}, nil
}

// Run runs the server until ctx ends or a part of the server fails. It returns
// after everything that it started has ended.
func (m *Mounted) Run(ctx context.Context) error {
	return errors.Join(m.s.run(ctx, nil), m.s.closeStore())
}

// Front serves requests and WebSockets with the application.
func (m *Mounted) Front() http.Handler { return m.s.front }

// Control serves the inspector and its API.
func (m *Mounted) Control() http.Handler { return m.s.control.Load() }

// Sockets returns the number of open WebSockets.
func (m *Mounted) Sockets() int { return m.s.front.Sockets() }

// Reload loads the application again. If it does not load, the old generation
// continues, and the error says why.
func (m *Mounted) Reload(ctx context.Context) (workerpool.Generation, error) {
	return m.s.generations.pool.Reload(ctx, m.s.app.short())
}
