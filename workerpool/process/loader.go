package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"sync"
	"time"

	"asgibox/internal/fileset"
	"asgibox/workerpool"
	"asgibox/workerpool/pages"
	"asgibox/workerpool/session"
)

// maxGenerations is the number of generations that may have processes at once.
const maxGenerations = 3

// Options configure a [Loader]. Command is required.
type Options struct {
	// Folder is the working folder of the processes, unless the command has one.
	Folder string
	// Command returns the program of a generation, which it may build. Its error is
	// that of the load.
	Command func(ctx context.Context, generation uint64) (*Command, error)
	// Processes is the number of processes that a generation starts with. The
	// default is 1. A loop application gets one for each worker of the pool.
	Processes int
	// Memory is how many bytes the request bodies that views have read, and what is made
	// of them, may take in all processes of a generation. The default is no limit.
	Memory int64
	// Threads is the number of jobs that a process runs at once.
	Threads int
	// Concurrency is the number of connections that a process of an ASGI 3
	// application serves at once.
	Concurrency int
	// Grace is the time that processes of a replaced generation have to end. The
	// default is 10 seconds.
	Grace time.Duration
	// LoadTimeout is the time in which all processes must be ready. It does not
	// include the time of Command. The default is 30 seconds; a negative one is no
	// limit.
	LoadTimeout time.Duration
	// HandlerTimeout is that of [workerpool.Options].
	HandlerTimeout time.Duration
	// Resume makes an ASGI 3 application keep its WebSockets over a reload.
	Resume bool
	// Debug gives the terminal to the process.
	Debug bool
	// URL returns the address of the control server for ASGIBOX_URL, or "".
	URL func() string
	// Uses, if not nil, reports whether the application depends on a file, besides
	// those that the processes name.
	Uses func(file string) bool
	// Follow, if not nil, is called with each file that a process names. A file that
	// is missing, and whose name a client may have chosen, may be forgotten later.
	Follow func(file string, missing bool)
	// Pages are the pages about the application. The default has no options but the
	// folder.
	Pages *pages.Pages
	// Strict turns warnings about messages and routes into errors.
	Strict bool
	// NoCheck turns off the checks of messages and routes.
	NoCheck bool
	// Private are files of the server, which the application must not serve.
	Private []string
	// Secret, if not nil, reports whether the content of a file must not be served,
	// whatever its name is.
	Secret func(io.ReaderAt) bool
	// SessionCookie is the name of the cookie of a browser's session. The default is
	// sessionid_ and the port that the browser connected to.
	SessionCookie string
	// Log receives the output of the processes, and what happens to them. By
	// default nothing is logged.
	Log *slog.Logger

	stuckAfter, killAfter time.Duration
}

// A Command is a program with its arguments.
type Command struct {
	Path   string
	Args   []string // without the program
	Env    []string // in addition to that of the server
	Dir    string   // the working folder; "" for the folder of the application
	Python bool     // the program is a Python interpreter

	// Settings are the application's settings.
	Settings map[string]string
	// Release, if not nil, is called once when the generation has no process and
	// will start none.
	Release func()
}

// release says that no process runs the program any more, and none will.
func (c *Command) release() {
	if c.Release != nil {
		c.Release()
	}
}

// A Loader loads generations of an application that runs in child processes. It
// implements [workerpool.Loader]; its methods may be called from any goroutine.
type Loader struct {
	server *Server
	opts   Options

	sockets  *sockets // of ASGI 3 applications
	sessions *session.Keeper

	places chan struct{} // holds a token for each generation that may still start
	build  func(*set, ready) (workerpool.Application, error)

	files     fileset.Set // that the processes use
	templates fileset.Set // that were rendered, or looked for in vain

	mu     sync.Mutex             // guards latest
	latest workerpool.Application // the last one that loaded
}

var _ workerpool.Loader = (*Loader)(nil)

// NewLoader returns a loader of an application whose processes connect to the server.
func NewLoader(s *Server, o Options) *Loader {
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
	if o.LoadTimeout == 0 {
		o.LoadTimeout = 30 * time.Second
	}
	if o.LoadTimeout < 0 {
		o.LoadTimeout = math.MaxInt64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.stuckAfter, o.killAfter = cmp.Or(o.stuckAfter, stuckAfter), cmp.Or(o.killAfter, killAfter)
	o.Processes, o.Threads = max(1, o.Processes), max(1, o.Threads)
	if o.Pages == nil {
		o.Pages = pages.New(pages.Options{App: filepath.Base(o.Folder), Folder: o.Folder})
	}
	l := &Loader{
		server: s, opts: o, sockets: newSockets(s.layer, o.Log, o.Resume, &s.wg), sessions: session.NewKeeper(s.layer, o.SessionCookie),
		places: make(chan struct{}, maxGenerations), build: (*set).application,
	}
	for range maxGenerations {
		l.places <- struct{}{}
	}
	return l
}

// Load starts the processes of a new generation and waits until they are ready. If
// three generations have processes, it waits first until those of one have ended.
func (l *Loader) Load(ctx context.Context, generation uint64) (workerpool.Application, error) {
	app, err := l.load(ctx, generation)
	if err != nil {
		return nil, l.opts.Pages.LoadFailed(ctx, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest = app
	return app, nil
}

func (l *Loader) load(ctx context.Context, generation uint64) (workerpool.Application, error) {
	command, err := l.opts.Command(ctx, generation)
	if err != nil {
		return nil, err
	}
	if err := l.acquire(ctx); err != nil {
		command.release()
		return nil, err
	}
	g, err := l.newSet(generation, command)
	if err != nil {
		l.release()
		command.release()
		return nil, err
	}
	r, err := g.await(ctx)
	var app workerpool.Application
	if err == nil {
		app, err = l.build(g, r)
	}
	if err != nil {
		l.usePlaces(err)
		g.kill()
		return nil, err
	}
	return app, nil
}

// acquire waits until a further generation may start processes.
func (l *Loader) acquire(ctx context.Context) error {
	select {
	case <-l.places:
		return nil
	default:
	}
	l.opts.Log.Info(fmt.Sprintf("%d generations have processes; the new one waits until those of one have ended", maxGenerations))
	select {
	case <-l.places:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// release says that all processes of a generation have ended.
func (l *Loader) release() { l.places <- struct{}{} }

// use notes files that the application uses.
func (l *Loader) use(files []string) {
	for _, f := range files {
		f = filepath.Clean(f)
		l.follow(f, l.files.Keep(f), false)
	}
}

// useTemplate notes the file of a template, which is about to be opened. A client may
// have chosen the name.
func (l *Loader) useTemplate(file string) {
	file = filepath.Clean(file)
	added, missing := l.templates.Add(file)
	l.follow(file, added, missing)
}

func (l *Loader) follow(file string, added, missing bool) {
	if added && l.opts.Follow != nil {
		l.opts.Follow(file, missing)
	}
}

// usePlaces notes the files in which a load has failed, so that a change of them loads
// the application again.
func (l *Loader) usePlaces(err error) {
	var e *Error
	if !errors.As(err, &e) {
		return
	}
	var files []string
	for _, f := range e.explanation.Frames {
		file := f.File
		if !filepath.IsAbs(file) {
			file = filepath.Join(l.opts.Folder, file)
		}
		files = append(files, file)
	}
	l.use(files)
}

// Uses reports whether the application uses a file, given by its path or by its name in
// the folder of the application.
func (l *Loader) Uses(file string) bool {
	if !filepath.IsAbs(file) {
		file = filepath.Join(l.opts.Folder, file)
	}
	file = filepath.Clean(file)
	return l.files.Has(file) || l.templates.Has(file) || l.opts.Uses != nil && l.opts.Uses(file)
}

// Serves reports whether the application serves a file to browsers, given by its name in
// the folder of the application.
func (l *Loader) Serves(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	server, ok := l.latest.(interface{ Serves(name string) bool })
	return ok && server.Serves(name)
}

// Processes returns the processes of all generations.
func (l *Loader) Processes() []Process { return l.server.Processes() }
