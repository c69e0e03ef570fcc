package reload

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

func TestDefaultIntervals(t *testing.T) {
	for _, tt := range []struct {
		options Options
		rescan  time.Duration
	}{
		{Options{}, 2 * time.Second},
		{Options{Poll: true}, 100 * time.Millisecond},
		{Options{Rescan: time.Minute}, time.Minute},
		{Options{Rescan: time.Minute, Poll: true}, time.Minute},
	} {
		if o := tt.options.withDefaults(); o.Rescan != tt.rescan || o.Settle != 12*time.Millisecond || o.Patience != 200*time.Millisecond {
			t.Errorf("%+v: %+v", tt.options, o)
		}
	}
}

func TestWhichEventsAreHints(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	w := &testWatcher{TB: t, dir: dir}
	w.write("app.star", "one")
	w.do(os.Mkdir(w.path("sub"), 0o755))
	for _, link := range []string{"..data", ".#lock"} {
		if err := os.Symlink("sub", w.path(link)); err != nil {
			t.Skip("this system makes no links:", err)
		}
	}
	tree := newTree(Options{Root: dir, Ignore: []string{w.path("own.log.txt")}}.withDefaults())
	tree.follow(filepath.Join(elsewhere, "lib.star"))
	if _, err := tree.scan(nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		op   fsnotify.Op
		hint bool
	}{
		{w.path("app.star"), fsnotify.Write, true},
		{w.path("app.star"), fsnotify.Chmod, false},
		{w.path("app.star"), fsnotify.Chmod | fsnotify.Write, true},
		{w.path("sub/new"), fsnotify.Create, true},
		{w.path("sub"), fsnotify.Remove, true},
		{dir, fsnotify.Remove, true},
		{w.path("unknown/new"), fsnotify.Create, false},
		{w.path("own.log.txt"), fsnotify.Write, false},
		{w.path(".app.star.swp"), fsnotify.Create, false},
		{w.path("..data"), fsnotify.Create, true},
		{w.path(".#lock"), fsnotify.Create, false},
		{filepath.Join(elsewhere, "lib.star"), fsnotify.Create, true},
		{filepath.Join(elsewhere, "other.star"), fsnotify.Create, false},
	} {
		if hint := tree.isHint(fsnotify.Event{Name: tt.path, Op: tt.op}); hint != tt.hint {
			t.Errorf("%s %s: %v", tt.op, tt.path, hint)
		}
	}
}

func TestAFolderThatIsReplacedAtOnceIsStillWatched(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := watch(t, Options{Root: dir, Settle: 200 * time.Millisecond, Rescan: time.Hour})
	w.write("sub/app.star", "one")
	w.expect("sub/app.star")
	w.do(os.RemoveAll(w.path("sub")))
	w.do(os.Mkdir(w.path("sub"), 0o755))
	w.write("sub/app.star", "two")
	w.expect("sub/app.star")
	w.write("sub/app.star", "three")
	w.expect("sub/app.star")
}

func TestAFileIsUnchangedOnlyIfItsTimeIsOldEnough(t *testing.T) {
	dir := t.TempDir()
	written := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	info := func(name, content string, changed time.Time) os.FileInfo {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	old := info("app.star", "one", written)
	later := time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		now       os.FileInfo
		read      time.Time
		unchanged bool
	}{
		"read long after": {old, later, true},
		"read soon after": {old, written.Add(clockSlack), false},
		"another size":    {info("app.star", "four", written), later, false},
		"another time":    {info("app.star", "one", written.Add(-time.Hour)), later, false},
		"another file":    {info("new.star", "one", written), later, false},
	} {
		f := &file{info: old, read: tt.read}
		if f.unchanged(tt.now) != tt.unchanged {
			t.Errorf("%s: unchanged is %v", name, !tt.unchanged)
		}
	}
}

func TestAFolderWithoutEventsStartsPolling(t *testing.T) {
	var log strings.Builder
	dir := t.TempDir()
	w, err := New(Options{Root: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if w.system == nil || w.interval() != 2*time.Second {
		t.Skip("this system has no file events")
	}
	w.close()
	for range 2 {
		if err := w.tree.watch(dir); err == nil {
			t.Error("a closed watcher accepted a folder")
		}
	}
	if w.interval() != pollInterval {
		t.Errorf("scans every %v", w.interval())
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 {
		t.Errorf("log: %s", log.String())
	}
}

func TestLargeFilesAreComparedBySizeAndTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.bin")
	sums := map[uint64]bool{}
	for _, change := range []struct {
		size int64
		at   time.Duration
	}{{hashLimit, 0}, {hashLimit, time.Hour}, {hashLimit + 1, 0}, {hashLimit + 1, time.Hour}, {hashLimit + 2, time.Hour}} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		changed := time.Unix(1e9, 0).Add(change.at)
		if err := os.Truncate(path, change.size); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := sum(path, info)
		if err != nil {
			t.Fatal(err)
		}
		sums[s] = true
	}
	if len(sums) != 4 { // the first two have the same content
		t.Errorf("%d different sums", len(sums))
	}
}
