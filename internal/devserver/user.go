package devserver

import (
	"context"
	"io"
	"strings"

	"asgibox/workerpool/script"
)

// Running is a server as a function uses it.
type Running struct {
	Loader    *script.Loader // loaded the application
	URL       string
	Inspector string // URL of the control server
}

// user is the function that a server runs for.
type user struct {
	use    func(context.Context, Running) error
	loaded func(error) // takes the outcome of the first load
	load   chan error  // has room for it
}

// ServeFor serves the application in the Starlark file app, from memory and on free ports
// of this machine, while a function uses it. It writes nothing to disk and does
// not reload the application. It returns the error of the function, or that of the
// application if it does not load. The log goes to stderr.
func ServeFor(ctx context.Context, app string, o Options, stderr io.Writer, use func(context.Context, Running) error) error {
	o.DataFile, o.Redis, o.Control, o.NoReload = MemoryStore, nil, "127.0.0.1:0", true
	o.Listen.Port, o.Listen.PortGiven = 0, true
	u := &user{use: use, load: make(chan error, 1)}
	u.loaded = func(err error) { u.load <- err }
	s := &server{app: StarlarkFile(app), options: o, stderr: stderr, user: u}
	return s.serve(ctx, strings.NewReader(""), io.Discard)
}

// runUser calls the function after the first load, and stops the server.
func (s *server) runUser(ctx context.Context, quit func()) error {
	defer quit()
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.user.load:
		if err != nil {
			return err
		}
	}
	return s.user.use(ctx, Running{Loader: s.generations.loader.(*script.Loader), URL: s.urls[0], Inspector: s.control.Load().url()})
}
