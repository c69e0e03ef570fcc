package devserver

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"asgibox/asgi"
	"asgibox/httpfront"
	"asgibox/internal/command"
	"asgibox/internal/console"
	"asgibox/internal/guard"
)

// Welcome offers templates in the browser while there is no application.
type Welcome struct {
	Templates []Template
	// Create makes an application from a template in a folder. It overwrites
	// nothing.
	Create func(template, folder string) error
}

// A Template is an application to start from.
type Template struct{ Name, Summary string }

// welcome is the server that runs until the application's file exists.
type welcome struct {
	*Welcome
	app      string
	choosing bool // pages have buttons that make an application

	mu sync.Mutex // held while an application is made
}

// appears is the interval at which the application's file is looked for.
const appears = 200 * time.Millisecond

// awaitApplication serves the welcome page until the application's file exists or
// ctx ends. It returns the listeners, which stay open.
func (s *server) awaitApplication(ctx context.Context) ([]net.Listener, error) {
	o := &s.options
	listeners, err := o.Listen.Open()
	if err != nil {
		return nil, err
	}
	if s.tls, err = s.tlsConfig(); err != nil {
		closeAll(listeners)
		return nil, err
	}
	w := &welcome{Welcome: o.Welcome, app: s.app.Path, choosing: onlyLocal(listeners)}
	h := &http.Server{Handler: w.handler(), TLSConfig: s.tls.Clone()}
	httpfront.ConfigureServer(h)
	s.welcomeBanner(urls(listeners, s.tls != nil))
	tasks, failed := errgroup.WithContext(ctx)
	for _, l := range listeners {
		tasks.Go(func() error { return serveUnclosed(h, l) })
	}
	tasks.Go(func() error {
		w.await(failed)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if h.Shutdown(ending) != nil {
			return h.Close()
		}
		return nil
	})
	if err := tasks.Wait(); err != nil {
		closeAll(listeners)
		return nil, err
	}
	for _, l := range listeners {
		if err := setDeadline(l, time.Time{}); err != nil {
			closeAll(listeners)
			return nil, err
		}
	}
	return listeners, nil
}

// welcomeBanner prints where the welcome page is.
func (s *server) welcomeBanner(urls []string) {
	what := fmt.Sprintf("there is no %s yet", s.app.Path)
	if file := pythonBeside(s.app.Path); file != "" {
		what += "; to run " + file + ", give its name"
	}
	switch {
	case s.options.LogFormat == "json":
		s.log.Info(what, "urls", urls)
	case !s.options.Quiet:
		fmt.Fprintf(s.out, "asgibox %s\n\n  app        %s\n  open       %s to start from a template\n  stop       Ctrl-C\n\n",
			command.Version(), console.Printable(what), strings.Join(urls, " "))
	}
}

// serveUnclosed serves a listener until the server shuts down, and leaves it open.
func serveUnclosed(h *http.Server, l net.Listener) error {
	u := unclosed{l}
	var err error
	if h.TLSConfig != nil {
		err = h.ServeTLS(u, "", "")
	} else {
		err = h.Serve(u)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// unclosed is a listener whose Close only ends Accept.
type unclosed struct{ net.Listener }

func (l unclosed) Close() error { return setDeadline(l.Listener, time.Unix(1, 0)) }

// setDeadline sets the deadline of Accept.
func setDeadline(l net.Listener, at time.Time) error {
	d, ok := l.(interface{ SetDeadline(time.Time) error })
	if !ok {
		return fmt.Errorf("a %T has no deadline", l)
	}
	return d.SetDeadline(at)
}

// await waits until the application's file exists or ctx ends.
func (w *welcome) await(ctx context.Context) {
	ticker := time.NewTicker(appears)
	defer ticker.Stop()
	for !w.exists() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// exists reports whether the application's file exists, once it is complete.
func (w *welcome) exists() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fileExists(w.app)
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

//go:embed welcome.html
var welcomeSource string

var welcomePage = template.Must(template.New("welcome").Parse(welcomeSource))

// Paths of the welcome page.
const (
	createPath = asgi.OwnPath + "new"     // makes an application from ?template=
	waitPath   = asgi.OwnPath + "welcome" // exists while there is no application
)

func (w *welcome) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		if r.URL.Path != "/" {
			status = http.StatusNotFound
		}
		w.page(rw, r, status, "")
	})
	mux.HandleFunc("GET "+waitPath, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) })
	mux.Handle("POST "+createPath, guard.Handler(http.HandlerFunc(w.create), guard.Options{}))
	return mux
}

// create makes an application from a template.
func (w *welcome) create(rw http.ResponseWriter, r *http.Request) {
	if !w.choosing {
		http.Error(rw, "other machines can reach this server; use asgibox new", http.StatusForbidden)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !fileExists(w.app) { // a second click finds it
		if err := w.Create(r.URL.Query().Get("template"), filepath.Dir(w.app)); err != nil {
			w.page(rw, r, http.StatusConflict, err.Error())
			return
		}
	}
	http.Redirect(rw, r, "/", http.StatusSeeOther)
}

// python returns the file of a Python application that is there, or "".
func (w *welcome) python() string { return pythonBeside(w.app) }

// page writes the welcome page, as text to clients that are not browsers.
func (w *welcome) page(rw http.ResponseWriter, r *http.Request, status int, problem string) {
	var b strings.Builder
	kind := "text/plain; charset=utf-8"
	folder := "the application's folder" // other machines learn no more
	if w.choosing {
		folder = filepath.Dir(w.app)
		if path, err := filepath.Abs(folder); err == nil {
			folder = path
		}
	}
	var err error
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		kind = "text/html; charset=utf-8"
		err = welcomePage.Execute(&b, struct {
			Templates                                           []Template
			File, Folder, Python, Problem, CreatePath, WaitPath string
			Choosing                                            bool
		}{w.Templates, filepath.Base(w.app), folder, w.python(), problem, createPath, waitPath, w.choosing})
	} else {
		fmt.Fprintf(&b, "There is no %s in %s yet. Write one, or start from a template:\n\n", filepath.Base(w.app), folder)
		if w.python() != "" {
			fmt.Fprintf(&b, "  asgibox run %s    # the Python application that is there\n", w.python())
		}
		for _, t := range w.Templates {
			fmt.Fprintf(&b, "  asgibox new %s .    # %s\n", t.Name, t.Summary)
		}
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", kind)
	rw.Header().Set("Cache-Control", "no-store")
	rw.Header().Set("Content-Security-Policy", "frame-ancestors 'none'") // a page around it could direct clicks to its buttons
	rw.WriteHeader(status)
	_, _ = rw.Write([]byte(b.String())) // the client may have left
}
