// Package reload watches the files of an application and says once, after the
// dust of a save has settled, which of them changed.
//
// Editors save in many dialects: they write in place, write a neighbour and
// rename it over, move the file away and back, delete and recreate. So what
// the operating system tells is only a hint. After a hint the watcher waits
// for a moment of quiet, looks at the whole tree, and compares contents; a
// save that changes nothing is no change, and the temporary files of editors
// are nobody's. A file that is gone, or was just emptied, is given a moment to
// come back. A slow tick looks without a hint, for what was missed; where the
// file system has no events, the tick is quick and is all there is.
//
// The package does not know what an application is.
package reload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Options say what to watch and how. Only Root is needed.
type Options struct {
	// Root is the folder to watch, with all folders in it but hidden ones.
	Root string
	// Ignore are files and folders that the process itself writes.
	Ignore []string
	// Poll looks at the files every so often and asks for no events.
	Poll bool
	// Settle is the quiet to wait for after a hint; 12 ms unless set. The
	// wait never exceeds ten times as much, however busy the writer.
	Settle time.Duration
	// Patience is how long a file may be gone or empty before that counts as
	// a change; 200 ms unless set.
	Patience time.Duration
	// Rescan is the pause between looks without a hint; 2 s unless set, and
	// 100 ms where there are no events.
	Rescan time.Duration
	// Log hears what cannot be watched; silent unless set.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Settle <= 0 {
		o.Settle = 12 * time.Millisecond
	}
	if o.Patience <= 0 {
		o.Patience = 200 * time.Millisecond
	}
	if o.Rescan <= 0 {
		o.Rescan = 2 * time.Second
		if o.Poll {
			o.Rescan = 100 * time.Millisecond
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Watcher watches one tree. Follow and Ignore may be called from any
// goroutine.
type Watcher struct {
	system *fsnotify.Watcher // nil where there are no events

	mu      sync.Mutex // guards tree, polling and options.Rescan
	options Options
	tree    *tree
	polling bool // because some events do not come

	hinted  map[string]bool // names of files in events since the last look
	pending map[string]bool // changed, not yet reported
	held    time.Time       // since when something young holds the report back
}

// New starts to watch: what changes after it returns is reported by Run,
// which must be called and which ends the watching.
func New(o Options) (*Watcher, error) {
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", o.Root, err)
	}
	if !o.Poll && withoutEvents(root) {
		o.Poll = true
	}
	o.Root = root
	w := &Watcher{options: o.withDefaults(), hinted: map[string]bool{}, pending: map[string]bool{}}
	w.tree = newTree(w.options)
	if !o.Poll {
		w.listen()
	}
	s, err := w.tree.scan(nil)
	if err != nil {
		w.close()
		return nil, fmt.Errorf("watch %s: %w", root, err)
	}
	for _, path := range s.changed {
		w.tree.told(path)
	}
	return w, nil
}

// Follow also watches these files, in any folder and with any name.
func (w *Watcher) Follow(files ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range files {
		if abs, err := filepath.Abs(f); err == nil {
			w.tree.follow(abs)
		}
	}
}

// Ignore has a file count as none of the application's from now on. It may be
// called from any goroutine.
func (w *Watcher) Ignore(file string) { w.tree.pass(file) }

// Run calls changed with the files that changed, as paths relative to the
// root with slashes, sorted; never with none and never from two goroutines.
// It returns when the context is done.
func (w *Watcher) Run(ctx context.Context, changed func(files []string)) error {
	defer w.close()
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w.system != nil {
		events, errs = w.system.Events, w.system.Errors
	}
	return w.run(ctx, events, errs, changed)
}

func (w *Watcher) run(ctx context.Context, events <-chan fsnotify.Event, errs <-chan error, changed func([]string)) error {
	quiet := newQuiet(w.options.Settle)
	defer quiet.stop()
	tick := time.NewTimer(w.rescan())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-events:
			if w.note(e) {
				quiet.hint()
			}
		case err := <-errs:
			w.options.Log.Debug("events of the file system were lost; looking at all files", "error", err)
			quiet.hint()
		case <-tick.C:
			started := time.Now()
			if found, _ := w.look(); found {
				quiet.hint()
			}
			// A tree that is slow to look at is looked at less often.
			tick.Reset(max(w.rescan(), 10*time.Since(started)))
		case <-quiet.C:
			quiet.over()
			_, wait := w.look()
			if wait > 0 && w.mayHold() {
				quiet.again(wait)
				continue
			}
			w.report(changed)
		}
	}
}

// rescan returns the pause between scans.
func (w *Watcher) rescan() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.options.Rescan
}

// look scans the tree and keeps what changed. It answers whether something
// did, and how long something is still too young to tell.
func (w *Watcher) look() (found bool, wait time.Duration) {
	w.mu.Lock()
	s, err := w.tree.scan(w.hinted)
	w.mu.Unlock()
	if err != nil {
		w.options.Log.Debug("cannot look at the files", "error", err)
	}
	clear(w.hinted)
	for _, path := range s.changed {
		w.pending[path] = true
	}
	for _, path := range s.undone {
		delete(w.pending, path)
	}
	return len(s.changed) > 0 || s.wait > 0, s.wait
}

// mayHold bounds how long files that come and go delay the report of others.
func (w *Watcher) mayHold() bool {
	if w.held.IsZero() {
		w.held = time.Now()
	}
	return time.Since(w.held) < 2*w.options.Patience
}

func (w *Watcher) report(changed func([]string)) {
	w.held = time.Time{}
	if len(w.pending) == 0 {
		return
	}
	files := relative(w.options.Root, w.pending)
	w.mu.Lock()
	for path := range w.pending {
		w.tree.told(path)
	}
	w.mu.Unlock()
	clear(w.pending)
	changed(files)
}

// listen asks the system for events and polls where it has none to give.
func (w *Watcher) listen() {
	system, err := fsnotify.NewWatcher()
	if err != nil {
		w.options.Log.Warn("the system gives no file events; looking at the files ten times a second", "error", err)
		w.poll()
		return
	}
	w.system = system
	w.tree.watch = func(dir string) error {
		err := system.Add(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !w.polling {
			w.options.Log.Warn("some folders give no file events; looking at the files ten times a second", "folder", dir, "error", err)
			w.poll()
		}
		return err
	}
	w.tree.unwatch = func(dir string) { _ = system.Remove(dir) } // it may have gone by itself
}

func (w *Watcher) poll() {
	w.polling = true
	w.options.Rescan = min(w.options.Rescan, 100*time.Millisecond)
}

func (w *Watcher) close() {
	if w.system != nil {
		w.system.Close()
	}
}

// note keeps what an event names and tells whether it is worth a look.
func (w *Watcher) note(e fsnotify.Event) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.tree.concerns(e) {
		return false
	}
	w.hinted[filepath.Base(e.Name)] = true
	return true
}
