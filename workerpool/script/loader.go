package script

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// Options say how applications are run. The zero value is ready for use, but
// for the Layer.
type Options struct {
	// Layer is what scripts send to and receive from. A loader without one
	// can only check.
	Layer asgi.Layer
	// Settings are the script's settings.
	Settings map[string]string
	// Strict makes errors of what checking at send would warn of.
	Strict bool
	// NoCheck turns checking at send off.
	NoCheck bool
	// Memory is how many bytes a handler may make the heap grow by, looked
	// at between its steps; 256 MiB by default, without end if negative.
	Memory int64
	// Live adds a small script to HTML pages, which refreshes them when the
	// application changes.
	Live bool
	// Log is where scripts print and log; nowhere by default.
	Log *slog.Logger
}

// A Loader loads generations of one application. It implements
// [workerpool.Loader]; its methods may be called from any goroutine.
type Loader struct {
	folder string
	file   string // in the folder
	opts   Options
	log    *slog.Logger
	live   *generations
	memory *gauge
	signer signer

	mu    sync.Mutex // guards the rest
	files []string
}

var _ workerpool.Loader = (*Loader)(nil)

// NewLoader makes a loader of the application in a file. Whatever the
// application loads, renders or serves lies in that file's folder.
func NewLoader(path string, o Options) *Loader {
	if o.Memory == 0 {
		o.Memory = 256 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Loader{
		folder: filepath.Dir(path),
		file:   filepath.Base(path),
		opts:   o,
		log:    o.Log,
		live:   newGenerations(o.Layer),
		memory: &gauge{limit: o.Memory},
	}
}

// Load makes a generation: it runs the file until it ends or receives.
func (l *Loader) Load(ctx context.Context, generation uint64) (workerpool.Application, error) {
	u, err := l.open(generation)
	if err != nil {
		l.live.fail()
		return nil, err
	}
	app, err := u.load(ctx)
	l.remember(u)
	if err != nil {
		l.live.fail()
		u.close()
		return nil, u.explained(err)
	}
	return app, nil
}

// Files answers the files that the last load has read, as paths beside the
// application's own.
func (l *Loader) Files() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.files...)
}

func (l *Loader) remember(u *unit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = l.files[:0]
	for _, name := range u.sources.names() {
		l.files = append(l.files, filepath.Join(l.folder, filepath.FromSlash(name)))
	}
}
