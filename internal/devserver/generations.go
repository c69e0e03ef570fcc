package devserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sync/errgroup"

	"asgibox/asgi"
	"asgibox/internal/command"
	"asgibox/internal/console"
	"asgibox/internal/logkey"
	"asgibox/reload"
	"asgibox/workerpool"
	"asgibox/workerpool/pages"
	"asgibox/workerpool/process"
)

// generations loads an application and replaces it: at the start, when its
// files change, and on request. Every load ends in loaded.
type generations struct {
	app     Application
	log     *slog.Logger
	watch   watchPatterns
	loader  loader
	pages   *pages.Pages
	pool    *workerpool.Pool
	watcher *reload.Watcher // nil with --no-reload
	events  poolEvents
}

// poolEvents are the functions that a server gives to its generations. A
// worker elsewhere has none of them.
type poolEvents struct {
	sockets func() int // the number of open WebSockets
	loaded  func(g workerpool.Generation, changed []string, err error)
	handled func(workerpool.Handled)
	failed  func(workerpool.Failure)
	live    func(generation uint64)   // is called after each load that succeeded; may be nil
	inspect func(asgi.TraceID) string // returns the URL of a failure, or ""
	first   func(error)               // gets the outcome of the first load instead of the log
	local   bool                      // only clients on this machine can connect

	launch *launcher       // starts the application; nil for Starlark
	socket *process.Server // for its processes; nil if there are none
	url    func() string   // returns the address of the control server for them, or ""; may be nil
}

// newGenerations prepares the application to run on the layer.
// The files in written are those that the process writes itself: they are not
// watched.
func newGenerations(app Application, o *Options, layer asgi.Layer, log *slog.Logger, written []string, events poolEvents) (*generations, error) {
	g := &generations{app: app, log: log, watch: o.Watch, events: events}
	g.pages = newPages(app, o, events)
	pool, root := o.Pool, app.Folder
	if events.launch != nil {
		l, err := g.newProcessLoader(o, events)
		if err != nil {
			return nil, err
		}
		g.loader, root = l, l.root
		pool.Workers, pool.LoadTimeout = o.Process.Processes, loadForever
	} else {
		g.loader = g.newLoader(o, layer)
	}
	pool.Log, pool.ErrorPage = log, g.pages.ErrorPage
	if events.local {
		pool.CloseReason = g.pages.CloseReason
	}
	pool.Loaded, pool.Handled, pool.Report = g.loaded, events.handled, events.failed
	var err error
	if g.pool, err = workerpool.New(layer, g.loader, pool); err != nil || o.NoReload {
		return g, err
	}
	g.watcher, err = reload.New(reload.Options{Root: root, Poll: o.Poll, Ignore: written, Include: g.watch.match, Log: log})
	return g, err
}

// start runs the pool, whose first act is to load the application, until it is
// shut down, and the watcher until watching ends.
func (g *generations) start(tasks *errgroup.Group, watching context.Context) {
	tasks.Go(func() error { return g.pool.Run(context.WithoutCancel(watching)) })
	if g.watcher != nil {
		tasks.Go(func() error {
			var loads sync.WaitGroup
			defer loads.Wait()
			return g.watcher.Run(watching, func(changed []string) {
				loads.Go(func() { g.changed(watching, changed) }) // a newer change cancels the load
			})
		})
	}
}

// changed loads the application again if it uses one of the changed files, or if
// --watch names one. If only served files have changed, it refreshes open pages.
func (g *generations) changed(ctx context.Context, files []string) {
	var used []string
	served := false
	for _, f := range files {
		if g.loader.Uses(f) || g.watch.match(f) {
			used = append(used, f)
		}
		served = served || g.loader.Serves(f)
	}
	switch {
	case len(used) > 0:
		_, _ = g.pool.Reload(ctx, used...) // loaded reports the error
	case served:
		g.pages.Refresh()
	}
}

// follow watches a file that the application uses, even if its name is that of a
// temporary file or its folder is hidden.
func (g *generations) follow(path string, missing bool) {
	switch {
	case g.watcher == nil:
	case missing:
		g.watcher.Await(path)
	default:
		g.watcher.Follow(path)
	}
}

// LoadAgain loads the application again although no file has changed. The error
// has been logged.
func (g *generations) LoadAgain(ctx context.Context) error {
	_, err := g.pool.Reload(ctx, g.app.short())
	return err
}

// loaded follows the files of a load and reports its outcome. Changed is empty
// for the first load.
func (g *generations) loaded(now workerpool.Generation, changed []string, err error) {
	if errors.Is(err, workerpool.ErrClosed) && g.events.first == nil {
		return // the server stops
	}
	ctx := context.Background()
	if g.events.loaded != nil {
		g.events.loaded(now, changed, err)
		ctx = alreadyShown
	}
	if err == nil && g.events.live != nil {
		g.events.live(now.Number)
	}
	if len(changed) == 0 && g.events.first != nil {
		g.events.first(err)
		return
	}
	app := g.app.short()
	switch what := describe(changed); {
	case what == "" && err == nil:
		g.log.Info(fmt.Sprintf("loaded %s, generation %d, %s", app, now.Number, console.FormatDuration(now.Took)))
	case what == "":
		g.log.ErrorContext(ctx, fmt.Sprintf("%s does not load; every request gets the error until the file is fixed", app), logkey.Error, err)
	case err == nil:
		kept := ""
		if g.events.sockets != nil {
			kept = fmt.Sprintf(", %s kept open", command.Count(g.events.sockets(), "socket"))
		}
		g.log.Info(fmt.Sprintf("reloaded %s, generation %d, %s%s", what, now.Number, console.FormatDuration(now.Took), kept))
	case now.Number > 1:
		g.log.ErrorContext(ctx, fmt.Sprintf("reload of %s failed; generation %d continues", what, now.Number-1), logkey.Error, err)
	default:
		g.log.ErrorContext(ctx, fmt.Sprintf("reload of %s failed", what), logkey.Error, err)
	}
}

// describe names the changed files.
func describe(changed []string) string {
	switch len(changed) {
	case 0:
		return ""
	case 1:
		return changed[0]
	}
	return fmt.Sprintf("%s and %d more", changed[0], len(changed)-1)
}
