package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A room is a package with the packages below it. It may import itself, the
// packages in may, and those in helpers.
type room struct {
	path   string
	may    []string
	reason string // why it may not import more
}

// rooms are the floor plan of docs/design.md. A package belongs to the first
// room that contains it.
var rooms = []room{
	{"asgi/asgitest", []string{"asgi"}, "the suite tests any layer, so it may know none"},
	{"asgi/codec", []string{"asgi"}, "bytes on disk and wire depend on the vocabulary alone"},
	{"asgi/remote", []string{"asgi"}, "it carries any layer, so it may know none"},
	{"asgi/chaos", []string{"asgi"}, "it wraps any layer, so it may know none"},
	{"asgi", nil, "all others are built on the vocabulary"},
	{"store", []string{"asgi"}, "a layer knows nothing of HTTP, WebSockets or Starlark"},
	{"httpfront", []string{"asgi"}, "the protocol server meets workers only at the layer, and any layer will do"},
	{"workerpool/script", []string{"asgi", "workerpool"}, "the script host runs in a pool, on any layer, and sees no socket"},
	{"workerpool", []string{"asgi"}, "the pool runs any kind of application, on any layer, and sees no socket"},
	{"reload", nil, "it watches files and does not know what an application is"},
	{"inspector/api", []string{"asgi"}, "the commands share it, which know a server only by its control port"},
	{"inspector/playback", []string{"asgi", "inspector/api"}, "it plays recordings through any layer"},
	{"inspector", []string{"asgi", "store"}, "it inspects the store, and its siblings only through interfaces of its own"},
	{"internal/command", []string{"internal/spell"}, "all commands share it"},
	{"internal/client", []string{"asgi", "inspector/api", "internal/command"}, "its commands know a server only by its control port"},
	{"internal/devserver", []string{"asgi", "store", "httpfront", "workerpool", "reload", "inspector", "internal/command"}, "it runs without a command line"},
	{"internal/cli", []string{"asgi", "store", "workerpool", "internal/client", "internal/command", "internal/devserver"}, "it parses flags and leaves the work to others"},
	{"internal/e2e", []string{"internal/cli"}, "its tests start the whole program"},
	{"internal/release", nil, "it builds the program from outside"},
	{"internal", nil, "helpers know no other package"},
	{".", []string{"internal/cli", "internal/command"}, "main holds signals and the exit status"},
}

// helpers are the packages that every package except asgi may import.
var helpers = []string{
	"internal/console", "internal/flagvalue", "internal/guard", "internal/heapfloor",
	"internal/logkey", "internal/spell", "internal/terminal",
}

// homes are the only packages that import a library, so that replacing the
// library changes one package. Tests and benchmarks may import all of them.
var homes = []struct {
	library, reason string
	rooms           []string
}{
	{"go.etcd.io/bbolt", "only the store knows that there is a file", []string{"store"}},
	{"github.com/coder/websocket", "only the protocol server sees sockets", []string{"httpfront"}},
	{"go.starlark.net", "only the script host knows the language of applications", []string{"workerpool/script"}},
	{"github.com/fsnotify/fsnotify", "only reload listens to the file system", []string{"reload"}},
	{"github.com/tinylib/msgp", "only the codec turns messages into bytes", []string{"asgi/codec"}},
	{"github.com/prometheus", "only the inspector exports metrics", []string{"inspector"}},
	{"github.com/spf13", "only the command line parses flags", []string{"internal/cli", "internal/client", "internal/command"}},
	{"net/http", "a layer knows nothing of HTTP", []string{"asgi/remote", "httpfront", "inspector", "workerpool", "internal", "benchmarks", "examples"}},
}

func TestImportsFollowTheDesign(t *testing.T) {
	everyImport(t, func(file, from, imported string) {
		to, ours := strings.CutPrefix(imported, "asgibox/")
		if !ours {
			return
		}
		r := roomOf(from)
		if r == nil || within(to, r.path) {
			return // benchmarks and examples may import all packages
		}
		if r.path != "asgi" && withinAny(to, helpers) {
			return
		}
		if withinAny(to, r.may) && !forTests(to) {
			return
		}
		if strings.HasSuffix(file, "_test.go") && testMayImport(from, to) {
			return
		}
		t.Errorf("%s imports %s: %s", file, to, r.reason)
	})
}

// testMayImport reports whether the tests of a package may import another
// package that the package itself may not.
func testMayImport(from, to string) bool {
	switch {
	case within(from, "asgi/chaos"), within(from, "asgi/remote"), !within(from, "asgi"):
		if forTests(to) || within(to, "store") {
			return true // tests need a layer
		}
	}
	return within(from, "asgi") && within(to, "asgi") ||
		within(from, "workerpool/script") && within(to, "httpfront") // applications are tested over real sockets
}

func TestEveryLibraryIsImportedOnlyWhereAllowed(t *testing.T) {
	everyImport(t, func(file, from, imported string) {
		if strings.HasSuffix(file, "_test.go") || forTests(from) || within(from, "benchmarks") {
			return
		}
		for _, h := range homes {
			if !within(imported, h.library) {
				continue
			}
			if !withinAny(from, h.rooms) {
				t.Errorf("%s imports %s: %s", file, imported, h.reason)
			}
		}
	})
}

// forTests reports whether a package exists for tests.
func forTests(pkg string) bool { return strings.HasSuffix(pkg, "test") }

func roomOf(pkg string) *room {
	for i := range rooms {
		if within(pkg, rooms[i].path) {
			return &rooms[i]
		}
	}
	return nil
}

func within(pkg, room string) bool {
	return pkg == room || strings.HasPrefix(pkg, room+"/")
}

func withinAny(pkg string, rooms []string) bool {
	return slices.ContainsFunc(rooms, func(room string) bool { return within(pkg, room) })
}

// everyImport visits the imports of every Go file in the module.
func everyImport(t *testing.T, visit func(file, from, imported string)) {
	t.Helper()
	everyFile(t, func(name string, text []byte) {
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			visit(name, path.Dir(name), imported)
		}
	})
}

// everyFile visits every Go file in the module, by its path with slashes.
func everyFile(t *testing.T, visit func(name string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err == nil {
			visit(filepath.ToSlash(name), text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
