package inspector

import (
	"sync"
	"time"
)

// loadsKept is how many outcomes of loading are remembered.
const loadsKept = 100

// A loadView is a [Load] as the page reads it.
type loadView struct {
	At         float64  `json:"at"`
	Generation uint64   `json:"generation"`
	Kind       string   `json:"kind"`
	TookMS     float64  `json:"tookMs"`
	Changed    []string `json:"changed,omitempty"`
	Sockets    int      `json:"sockets"`
	Error      string   `json:"error,omitempty"`
}

// A logView is one warning or error of the server's log.
type logView struct {
	At    float64 `json:"at"`
	Level string  `json:"level"`
	Text  string  `json:"text"`
}

// loads remembers how the application was loaded, and what went wrong since.
type loads struct {
	mu     sync.Mutex // guards the rest
	views  []loadView
	logs   []logView
	failed uint64
}

// Loaded is told of every load of the application.
func (s *Server) Loaded(l Load) {
	if l.At.IsZero() {
		l.At = time.Now()
	}
	c := &s.loads
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.Error != "" {
		c.failed++
	}
	c.views = keepNewest(append(c.views, loadView{
		At: millis(l.At), Generation: l.Generation, Kind: l.Kind, TookMS: ms(l.Took),
		Changed: l.Changed, Sockets: l.Sockets, Error: l.Error,
	}))
}

// Logged is told of warnings and errors, in the words of the log.
func (s *Server) Logged(at time.Time, level, text string) {
	c := &s.loads
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logs = keepNewest(append(c.logs, logView{millis(at), level, text}))
}

func keepNewest[T any](views []T) []T {
	if len(views) > loadsKept {
		return append(views[:0:0], views[len(views)-loadsKept:]...)
	}
	return views
}

// newest answers both lists, the newest first.
func (c *loads) newest() ([]loadView, []logView) {
	c.mu.Lock()
	defer c.mu.Unlock()
	views, logs := append([]loadView{}, c.views...), append([]logView{}, c.logs...)
	reverse(views)
	reverse(logs)
	return views, logs
}

// last answers the newest load and how many have failed.
func (c *loads) last() (l loadView, failed uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.views) > 0 {
		l = c.views[len(c.views)-1]
	}
	return l, c.failed
}
