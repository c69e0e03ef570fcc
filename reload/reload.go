// Package reload watches the files of an application and reports each save
// once, with the files that changed.
//
// Editors save in different ways: they write in place, write another file and
// rename it, move the file away and back, or delete and create it. Events of the
// operating system are therefore only hints. After a hint the watcher waits
// until there are no more hints for a short time, scans the whole tree and
// compares contents. A save that does not change the content is not reported,
// and temporary files of editors are ignored. A file that is missing or was just
// emptied is not reported until it stays so for a moment. The watcher also
// rescans at intervals, in case events were lost. The intervals are short if the
// file system has no events.
//
// The package knows nothing about applications.
package reload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"asgibox/internal/logkey"
)

// pollInterval is the pause between scans if there are no events.
const pollInterval = 100 * time.Millisecond

// Options say what to watch and how. Only Root is required.
type Options struct {
	// Root is the folder to watch, with all its subfolders except hidden ones.
	Root string
	// Ignore are files and folders whose changes are not reported, because the
	// process itself writes them.
	Ignore []string
	// Include, if not nil, reports whether a file is watched although its name is
	// that of a temporary file. The path is relative to Root, with slashes.
	Include func(path string) bool
	// Poll makes the watcher use rescans only, no events.
	Poll bool
	// Settle is the time without a hint before a scan; 12 ms by default. A scan
	// starts at most ten times Settle after the first hint.
	Settle time.Duration
	// Patience is how long a file must be missing or empty before that is
	// reported; 200 ms by default.
	Patience time.Duration
	// Rescan is the pause between scans without a hint; by default 2 s, or
	// 100 ms if there are no events.
	Rescan time.Duration
	// Log receives warnings about files that cannot be watched; by default they
	// are discarded.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Settle = cmp.Or(o.Settle, 12*time.Millisecond)
	o.Patience = cmp.Or(o.Patience, 200*time.Millisecond)
	if o.Poll {
		o.Rescan = cmp.Or(o.Rescan, pollInterval)
	}
	o.Rescan = cmp.Or(o.Rescan, 2*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Watcher watches one tree. Follow, Await and Ignore may be called from any
// goroutine.
type Watcher struct {
	system *fsnotify.Watcher // nil if there are no events

	mu      sync.Mutex // guards tree, polling and options.Rescan
	options Options
	tree    *tree
	polling bool // because some folders have no events

	hinted       map[string]bool // names of files in events since the last scan
	pending      map[string]bool // changed, not yet reported
	delayedSince time.Time       // since when missing or empty files delay the report
}

// New starts a watcher. Run, which must be called, reports all changes made
// after New returns, and stops the watcher.
func New(o Options) (*Watcher, error) {
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", o.Root, err)
	}
	if !o.Poll && lacksEvents(root) {
		o.Poll = true
	}
	o.Root = root
	w := &Watcher{options: o.withDefaults(), hinted: map[string]bool{}, pending: map[string]bool{}}
	w.tree = newTree(w.options)
	if !o.Poll {
		w.watchEvents()
	}
	s, err := w.tree.scan(nil)
	if err != nil {
		w.close()
		return nil, fmt.Errorf("watch %s: %w", root, err)
	}
	for _, path := range s.changed {
		w.tree.markReported(path)
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

// Await is like Follow for a file that does not exist. Only the 1,000 newest ones are
// watched.
func (w *Watcher) Await(file string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if abs, err := filepath.Abs(file); err == nil {
		w.tree.await(abs)
	}
}

// Ignore excludes a file or folder from the reports from now on. Only the newest ones,
// at least 1,000, stay excluded.
func (w *Watcher) Ignore(file string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tree.ignoreLater(file)
}

// Run calls changed with the sorted paths of the files that changed, relative to
// the root and with slashes. It calls it with at least one file, and from one
// goroutine. Run returns when the context is done.
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
	tick := time.NewTimer(w.interval())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-events:
			if w.addHint(e) {
				quiet.hint()
			}
		case err := <-errs:
			w.options.Log.Debug("lost events of the file system; scanning all files", logkey.Error, err)
			quiet.hint()
		case <-tick.C:
			started := time.Now()
			if found, _ := w.scan(); found {
				quiet.hint()
			}
			// A tree that takes long to scan is scanned less often.
			tick.Reset(max(w.interval(), 10*time.Since(started)))
		case <-quiet.C:
			quiet.clear()
			_, wait := w.scan()
			if wait > 0 && w.mayDelay() {
				quiet.fireAfter(wait)
				continue
			}
			w.report(changed)
		}
	}
}

// interval returns the pause between scans without a hint.
func (w *Watcher) interval() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.options.Rescan
}

// scan scans the tree and adds the changed files to pending. It reports whether
// it found any, and how long to wait for files that are missing or empty.
func (w *Watcher) scan() (found bool, wait time.Duration) {
	w.mu.Lock()
	s, err := w.tree.scan(w.hinted)
	w.mu.Unlock()
	if err != nil {
		w.options.Log.Debug("cannot scan the files", logkey.Error, err)
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

// mayDelay reports whether missing or empty files may delay the report of the
// other files any longer.
func (w *Watcher) mayDelay() bool {
	if w.delayedSince.IsZero() {
		w.delayedSince = time.Now()
	}
	return time.Since(w.delayedSince) < 2*w.options.Patience
}

func (w *Watcher) report(changed func([]string)) {
	w.delayedSince = time.Time{}
	if len(w.pending) == 0 {
		return
	}
	files := relative(w.options.Root, w.pending)
	w.mu.Lock()
	for path := range w.pending {
		w.tree.markReported(path)
	}
	w.mu.Unlock()
	clear(w.pending)
	changed(files)
}

// watchEvents requests events from the system and starts polling if it has none.
func (w *Watcher) watchEvents() {
	system, err := fsnotify.NewWatcher()
	if err != nil {
		w.options.Log.Warn("the system has no file events; scanning the files ten times a second", logkey.Error, err)
		w.startPolling()
		return
	}
	w.system = system
	w.tree.watch = func(dir string) error {
		err := system.Add(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !w.polling {
			w.options.Log.Warn("some folders have no file events; scanning the files ten times a second", logkey.Folder, dir, logkey.Error, err)
			w.startPolling()
		}
		return err
	}
	w.tree.unwatch = func(dir string) { _ = system.Remove(dir) } // an error means that the folder is gone
}

func (w *Watcher) startPolling() {
	w.polling = true
	w.options.Rescan = min(w.options.Rescan, pollInterval)
}

func (w *Watcher) close() {
	if w.system != nil {
		w.system.Close()
	}
}

// addHint stores the name in an event and reports whether the event is a hint.
func (w *Watcher) addHint(e fsnotify.Event) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.tree.isHint(e) {
		return false
	}
	w.hinted[filepath.Base(e.Name)] = true
	return true
}
