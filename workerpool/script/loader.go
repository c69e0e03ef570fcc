package script

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"

	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/pages"
	"asgibox/workerpool/script/memory"
	sessions "asgibox/workerpool/session"

	"go.starlark.net/starlark"
)

// Options configure a [Loader]. The zero value is ready for use, except that it
// has no Layer.
type Options struct {
	// Layer is the channel layer of scripts. A loader without one can only
	// check applications.
	Layer asgi.Layer
	// Settings are the values of the script's settings. They take precedence
	// over the .env file.
	Settings map[string]string
	// Strict turns warnings about messages and routes into errors.
	Strict bool
	// NoCheck turns off the checks of messages and routes.
	NoCheck bool
	// Memory is the number of bytes by which a handler may grow the heap,
	// checked between its steps. It is also what all handlers together may use
	// for request bodies and for the values of JSON texts. The default is
	// 256 MiB; a negative value means no limit.
	Memory int64
	// SessionCookie is the name of the cookie of a browser's session. The
	// default is sessionid_ and the port that the browser connected to.
	SessionCookie string
	// Locals makes the errors of handlers contain the variables of each call.
	// It costs time at each call of a function.
	Locals bool
	// Pages are the pages about the application. By default they show no more
	// than clients may see.
	Pages *pages.Pages
	// Follow, if not nil, is called with the path of each file that an
	// application loads or renders, or looks for in vain, before it is opened.
	// A file that is missing, and whose name a client may have chosen, may be
	// forgotten later.
	Follow func(path string, missing bool)
	// Private are files of the server, which applications must not serve.
	Private []string
	// Secret, if not nil, reports whether the content of a file must not be
	// served, whatever its name is.
	Secret func(io.ReaderAt) bool
	// Client sends the requests of http. The default is a new client.
	Client *http.Client
	// Random is the source of random and uuid4, safe for concurrent use. The
	// default cannot be predicted.
	Random rand.Source
	// Names are further names that every file can use.
	Names starlark.StringDict
	// Step, if not nil, is called before each step of a handler. It may wait,
	// so that tests can decide which handler goes on.
	Step func(Step)
	// Coverage, if not nil, counts the lines and routes that are reached.
	Coverage *Coverage
	// Interrupt, if not nil, is called between the steps of the interpreter.
	// If it returns an error, the script is cancelled with it.
	Interrupt func() error
	// Log receives the output of print and log. By default it is discarded.
	Log *slog.Logger
}

// A Loader loads generations of one application. It implements
// [workerpool.Loader]; its methods may be called from any goroutine.
type Loader struct {
	folder   string
	file     string // its name in the folder
	opts     Options
	log      *slog.Logger
	pages    *pages.Pages
	memory   *gauge
	account  *memory.Account
	sessions *sessions.Keeper

	mu     sync.Mutex             // guards the rest
	latest workerpool.Application // the last one that loaded
	units  []*unit                // the last unit that loaded, then one that is being loaded or has failed
}

var _ workerpool.Loader = (*Loader)(nil)

// NewLoader returns a loader for the application in a file. The application can
// load, render and serve only files in that file's folder.
func NewLoader(path string, o Options) *Loader {
	if o.Memory == 0 {
		o.Memory = 256 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Pages == nil {
		o.Pages = pages.New(pages.Options{App: filepath.Base(path), Folder: filepath.Dir(path)})
	}
	return &Loader{
		folder:   filepath.Dir(path),
		file:     filepath.Base(path),
		opts:     o,
		log:      o.Log,
		pages:    o.Pages,
		memory:   &gauge{limit: o.Memory},
		account:  memory.NewAccount(o.Memory),
		sessions: sessions.NewKeeper(o.Layer, o.SessionCookie),
	}
}

// Pages returns the pages about the application.
func (l *Loader) Pages() *pages.Pages { return l.pages }

// Load returns a new generation. It runs the file until it ends or receives.
func (l *Loader) Load(ctx context.Context, generation uint64) (workerpool.Application, error) {
	u, err := l.open(generation)
	if err != nil {
		return nil, l.pages.LoadFailed(ctx, err)
	}
	app, err := u.load(ctx)
	if err != nil {
		u.close()
		return nil, l.pages.LoadFailed(ctx, u.explained(err))
	}
	l.loaded(u, app)
	return app, nil
}
