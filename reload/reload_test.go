package reload

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// testWatcher is a running watcher of a temporary folder.
type testWatcher struct {
	testing.TB
	dir     string
	reports chan []string
	watcher *Watcher
}

// watch starts a watcher of a folder that contains app.star.
func watch(t testing.TB, o Options, follow ...string) *testWatcher {
	t.Helper()
	w := &testWatcher{TB: t, dir: o.Root, reports: make(chan []string, 100)}
	if w.dir == "" {
		w.dir = t.TempDir()
		w.write("app.star", "one")
	}
	o.Root = w.dir
	if o.Settle == 0 {
		o.Settle = 50 * time.Millisecond // even a slow machine finishes a save within this
	}
	watcher, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.watcher = watcher
	watcher.Follow(follow...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- watcher.Run(ctx, func(files []string) { w.reports <- files }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *testWatcher) path(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

func (w *testWatcher) do(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *testWatcher) write(name, content string) {
	w.Helper()
	w.do(os.WriteFile(w.path(name), []byte(content), 0o644))
}

func (w *testWatcher) rename(from, to string) {
	w.Helper()
	w.do(os.Rename(w.path(from), w.path(to)))
}

// expect waits for the next report.
func (w *testWatcher) expect(files ...string) {
	w.Helper()
	select {
	case got := <-w.reports:
		if !slices.Equal(got, files) {
			w.Fatalf("reported %v, expected %v", got, files)
		}
	case <-time.After(20 * time.Second):
		w.Fatalf("nothing reported, expected %v", files)
	}
}

// expectNothingElse writes another file and waits for its report, before which
// any other report would come.
func (w *testWatcher) expectNothingElse() {
	w.Helper()
	w.write("sentinel.star", time.Now().String())
	w.expect("sentinel.star")
}

// editors save "two" to app.star as different editors do.
var editors = map[string]func(w *testWatcher){
	"in place (nano, VS Code)": func(w *testWatcher) { w.write("app.star", "two") },
	"in place, in pieces": func(w *testWatcher) {
		f, err := os.Create(w.path("app.star"))
		w.do(err)
		for _, piece := range []string{"t", "w", "o"} {
			_, err := f.WriteString(piece)
			w.do(err)
			w.do(f.Sync())
		}
		w.do(f.Close())
	},
	"vim": func(w *testWatcher) {
		w.write(".app.star.swp", "swap")
		w.write("4913", "")
		w.do(os.Remove(w.path("4913")))
		w.rename("app.star", "app.star~")
		w.write("app.star", "two")
		w.do(os.Remove(w.path("app.star~")))
		w.do(os.Remove(w.path(".app.star.swp")))
	},
	"Emacs": func(w *testWatcher) {
		_ = os.Symlink("me@here.1", w.path(".#app.star")) // fails if links are not allowed
		w.write("#app.star#", "auto")
		w.rename("app.star", "app.star~")
		w.write("app.star", "two")
		w.do(os.Remove(w.path("#app.star#")))
		_ = os.Remove(w.path(".#app.star"))
	},
	"JetBrains": func(w *testWatcher) {
		w.write("app.star___jb_tmp___", "two")
		w.rename("app.star", "app.star___jb_old___")
		w.rename("app.star___jb_tmp___", "app.star")
		w.do(os.Remove(w.path("app.star___jb_old___")))
	},
	"rename over (sed -i, Kate)": func(w *testWatcher) {
		w.write("app.star.Xa81Qz", "two")
		w.rename("app.star.Xa81Qz", "app.star")
	},
	"rename over from .tmp": func(w *testWatcher) {
		w.write("app.star.tmp", "two")
		w.rename("app.star.tmp", "app.star")
	},
	"delete and recreate": func(w *testWatcher) {
		w.do(os.Remove(w.path("app.star")))
		w.write("app.star", "two")
	},
	"copied over with its old time": func(w *testWatcher) {
		old := time.Now().Add(-time.Hour)
		w.write("app.star", "two")
		w.do(os.Chtimes(w.path("app.star"), old, old))
	},
}

func TestEverySaveIsReportedOnce(t *testing.T) {
	for name, save := range editors {
		for mode, o := range map[string]Options{
			"by events":  {},
			"by polling": {Poll: true, Rescan: 5 * time.Millisecond},
		} {
			// Even a slow machine finishes a save within these.
			o.Settle, o.Patience = 200*time.Millisecond, 20*time.Second
			t.Run(name+", "+mode, func(t *testing.T) {
				t.Parallel()
				w := watch(t, o)
				save(w)
				w.expect("app.star")
				w.expectNothingElse()
			})
		}
	}
}

func TestFilesSavedTogetherAreReportedTogether(t *testing.T) {
	w := watch(t, Options{Settle: 100 * time.Millisecond})
	for _, name := range []string{"c.html", "a.star", "b.css"} {
		w.write(name, "new")
	}
	w.expect("a.star", "b.css", "c.html")
}

func TestTheSameContentIsNoChange(t *testing.T) {
	w := watch(t, Options{Patience: 20 * time.Second})
	w.write("app.star", "one")
	w.do(os.Remove(w.path("app.star")))
	w.write("app.star", "one")
	w.expectNothingElse()
}

func TestAFileThatCameAndWentIsNoChange(t *testing.T) {
	w := watch(t, Options{Settle: 200 * time.Millisecond, Rescan: 5 * time.Millisecond})
	w.write("passing.star", "new")
	w.write("app.star", "two")
	w.do(os.Remove(w.path("passing.star")))
	w.expect("app.star")
}

func TestTemporaryFilesAreIgnored(t *testing.T) {
	w := watch(t, Options{})
	for _, name := range []string{".app.star.swp", "app.star~", "#app.star#", "4913", "5036", "app.star___jb_tmp___", "x.tmp", "app.star.tmp.123.4", ".hidden", "~$x", "x.bak", "server.log"} {
		w.write(name, "new")
	}
	for _, dir := range []string{".asgibox", ".git", "node_modules"} {
		w.do(os.Mkdir(w.path(dir), 0o755))
		w.write(dir+"/file", "new")
	}
	w.expectNothingElse()
}

func TestOrdinaryNamesAreNotTemporary(t *testing.T) {
	for _, name := range []string{"app.star", "4912", "2024", "a#b", "tmp", "template.html", "x.tmpl", "~x", "#1.html"} {
		if temporary(name) {
			t.Errorf("temporary(%q) = true", name)
		}
	}
}

func TestIgnoredFilesAreNotReported(t *testing.T) {
	dir := t.TempDir()
	w := watch(t, Options{Root: dir, Ignore: []string{filepath.Join(dir, "access.txt")}})
	w.write("access.txt", "line")
	w.expectNothingElse()
}

func TestIgnoreTakesEffectWhileWatching(t *testing.T) {
	real := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	w := watch(t, Options{Root: link})
	w.write("traffic.rec", "one")
	w.expect("traffic.rec")
	w.watcher.Ignore(filepath.Join(real, "traffic.rec"))
	w.write("traffic.rec", "two")
	w.expectNothingElse()
	w.do(os.Remove(w.path("traffic.rec")))
	w.expectNothingElse()
}

func TestOnlyTheNewestIgnoredFilesStayIgnored(t *testing.T) {
	dir := t.TempDir()
	w := watch(t, Options{Root: dir, Ignore: []string{filepath.Join(dir, "access.txt")}})
	for i := range 3 * maxIgnored {
		w.watcher.Ignore(filepath.Join(dir, fmt.Sprint(i)))
	}
	if n := len(slices.Collect(w.watcher.tree.ignoredLater.All())); n > maxIgnored {
		t.Errorf("%d paths are stored", n)
	}
	w.write(fmt.Sprint(3*maxIgnored-1), "one")
	w.write("access.txt", "one")
	w.expectNothingElse()
	w.write("0", "one")
	w.expect("0")
}

func TestNewFoldersAreWatched(t *testing.T) {
	w := watch(t, Options{})
	w.do(os.MkdirAll(w.path("static/css"), 0o755))
	w.write("static/css/page.css", "one")
	w.expect("static/css/page.css")
	w.write("static/css/page.css", "two")
	w.expect("static/css/page.css")
}

func TestARenamedFolderIsWatchedUnderItsNewName(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "old"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := watch(t, Options{Root: dir, Patience: time.Millisecond})
	w.write("old/page.html", "one")
	w.expect("old/page.html")
	w.rename("old", "new")
	w.expect("new/page.html", "old/page.html")
	w.write("new/page.html", "two")
	w.expect("new/page.html")
}

func TestARemovedRootIsWatchedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := watch(t, Options{Root: dir, Patience: time.Millisecond, Rescan: 5 * time.Millisecond})
	w.write("app.star", "one")
	w.expect("app.star")
	w.do(os.RemoveAll(dir))
	w.expect("app.star")
	w.do(os.Mkdir(dir, 0o755))
	w.write("app.star", "two")
	w.expect("app.star")
}

func TestADeletedFileIsReportedOnceItStaysAway(t *testing.T) {
	w := watch(t, Options{Patience: 10 * time.Millisecond})
	w.do(os.Remove(w.path("app.star")))
	w.expect("app.star")
	w.expectNothingElse()
}

func TestLinksAreFollowed(t *testing.T) {
	elsewhere := t.TempDir()
	dir := t.TempDir()
	target := filepath.Join(elsewhere, "target.star")
	for _, err := range []error{
		os.WriteFile(target, []byte("one"), 0o644),
		os.Mkdir(filepath.Join(elsewhere, "pages"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(target, filepath.Join(dir, "app.star")); err != nil {
		t.Skip("this system makes no links:", err)
	}
	w := &testWatcher{TB: t, dir: dir}
	w.do(os.Symlink(filepath.Join(elsewhere, "pages"), w.path("pages")))
	w.do(os.Symlink(dir, w.path("circle")))
	w.do(os.Symlink("nowhere", w.path("dangling")))
	w = watch(t, Options{Root: dir})

	w.do(os.WriteFile(target, []byte("two"), 0o644))
	w.expect("app.star")
	w.write("pages/index.html", "new")
	w.expect("pages/index.html")
	w.do(os.WriteFile(filepath.Join(elsewhere, "other"), nil, 0o644))
	w.expectNothingElse()
}

func TestAReplacedLinkIsAChange(t *testing.T) {
	dir := t.TempDir()
	w := &testWatcher{TB: t, dir: dir}
	w.do(os.Mkdir(w.path("..one"), 0o755))
	w.do(os.Mkdir(w.path("..two"), 0o755))
	w.write("..one/app.star", "one")
	w.write("..two/app.star", "two")
	if err := os.Symlink("..one", w.path("..data")); err != nil {
		t.Skip("this system makes no links:", err)
	}
	w.do(os.Symlink("..data/app.star", w.path("app.star")))
	w = watch(t, Options{Root: dir})
	w.do(os.Symlink("..two", w.path("..new")))
	w.rename("..new", "..data")
	w.expect("app.star")
}

func TestFollowedFilesAreWatchedWhereverTheyAre(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	w := watch(t, Options{Root: dir}, filepath.Join(dir, ".env"), filepath.Join(elsewhere, "lib.star"))
	w.write(".env", "A=1")
	w.expect(".env")
	w.do(os.WriteFile(filepath.Join(elsewhere, "lib.star"), []byte("x"), 0o644))
	rel, err := filepath.Rel(dir, filepath.Join(elsewhere, "lib.star"))
	w.do(err)
	w.expect(filepath.ToSlash(rel))
	w.write(".other", "A=1")
	w.expectNothingElse()
}

func TestTheNewestMissingFilesAreAwaited(t *testing.T) {
	dir := t.TempDir()
	w := watch(t, Options{Root: dir})
	w.do(os.Mkdir(w.path("node_modules"), 0o755))
	name := func(i int) string { return fmt.Sprintf("node_modules/%d.html", i) }
	await := func(from, to int) {
		for i := from; i < to; i++ {
			w.watcher.Await(w.path(name(i)))
		}
	}
	await(0, maxAwaited)
	w.write(name(0), "one")
	w.expect(name(0))
	await(maxAwaited, 3*maxAwaited)
	w.write(name(1), "one")
	w.expectNothingElse()
	w.write(name(3*maxAwaited-1), "one")
	w.expect(name(3*maxAwaited - 1))
	w.write(name(0), "two")
	w.expect(name(0))
	w.watcher.mu.Lock()
	defer w.watcher.mu.Unlock()
	if n := len(slices.Collect(w.watcher.tree.awaited.All())); n != maxAwaited {
		t.Errorf("%d files are awaited", n)
	}
}

func TestAMissingFolderIsAnError(t *testing.T) {
	if _, err := New(Options{Root: filepath.Join(t.TempDir(), "no")}); err == nil {
		t.Error("New accepted a folder that does not exist")
	}
}

func TestTheNumberOfFoldersIsLimited(t *testing.T) {
	dir := t.TempDir()
	w := &testWatcher{TB: t, dir: dir}
	for i := range maxFolders + 10 {
		w.do(os.Mkdir(w.path("f"+time.Duration(i).String()), 0o755))
	}
	tree := newTree(Options{Root: dir}.withDefaults())
	if _, err := tree.scan(nil); err != nil {
		t.Fatal(err)
	}
	if len(tree.watched) != maxFolders {
		t.Errorf("%d folders are watched", len(tree.watched))
	}
}

func TestTheNumberOfFilesIsLimited(t *testing.T) {
	w := &testWatcher{TB: t, dir: t.TempDir()}
	w.write("app.star", "one")
	for seen, limited := range map[int]bool{maxFiles - 1: false, maxFiles: true} {
		tree := newTree(Options{Root: w.dir}.withDefaults())
		s := tree.newScan(nil)
		for i := range seen {
			s.seen[strconv.Itoa(i)] = true
		}
		w.do(s.walk(w.dir))
		if found := s.seen[w.path("app.star")]; found == limited || tree.limitReported != limited {
			t.Errorf("after %d files: found %v, limit reported %v", seen, found, tree.limitReported)
		}
	}
}
