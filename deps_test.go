package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A room is a package with those below it. It may import what is listed, and
// itself; the reason is why not more.
type room struct {
	path   string
	may    []string
	reason string
}

// rooms are the floor plan of docs/design.md, most particular path first.
var rooms = []room{
	{"asgi/asgitest", []string{"asgi"}, "the suite judges any layer, so it may know none"},
	{"asgi/codec", []string{"asgi"}, "bytes on disk and wire depend on the vocabulary alone"},
	{"asgi/remote", []string{"asgi"}, "it carries any layer, so it may know none"},
	{"asgi/chaos", []string{"asgi"}, "it stands before any layer, so it may know none"},
	{"asgi", []string{}, "the vocabulary is what all others are built against"},
	{"store", []string{"asgi"}, "a layer knows nothing of HTTP, WebSockets or Starlark"},
	{"httpfront", []string{"asgi"}, "the protocol server meets workers only at the layer, and any layer does"},
	{"workerpool/script", []string{"asgi", "workerpool"}, "the script host runs in a pool, on any layer, and sees no socket"},
	{"workerpool", []string{"asgi"}, "the pool runs any kind of application, on any layer, and sees no socket"},
	{"reload", []string{}, "it watches files and does not know what an application is"},
	{"inspector", []string{"asgi", "store"}, "it looks into the store, and at its siblings only through interfaces of its own"},
	{"internal", []string{}, "helpers know nothing of the house"},
}

// homes are the only places that import a library, so that replacing it is the
// work of one room. Tests and benchmarks may import all of them.
var homes = []struct {
	library, reason string
	rooms           []string
}{
	{"go.etcd.io/bbolt", "only the store knows that there is a file", []string{"store"}},
	{"github.com/coder/websocket", "only the protocol server sees sockets", []string{"httpfront"}},
	{"go.starlark.net", "only the script host knows what language applications are written in", []string{"workerpool/script"}},
	{"github.com/fsnotify/fsnotify", "only reload listens to the file system", []string{"reload"}},
	{"github.com/tinylib/msgp", "messages have one home as bytes", []string{"asgi/codec"}},
	{"github.com/prometheus", "only the inspector is measured by machines", []string{"inspector"}},
	{"github.com/spf13", "only the command line parses flags", []string{"."}},
	{"net/http", "a layer knows nothing of HTTP", []string{"asgi/remote", "httpfront", "inspector", "workerpool", "internal", "benchmarks", "."}},
}

func TestImportsPointDown(t *testing.T) {
	everyImport(t, func(file, from, imported string) {
		to, ours := strings.CutPrefix(imported, "asgibox/")
		if !ours {
			return
		}
		r := roomOf(from)
		if r == nil || within(to, r.path) {
			return // the top of the house may know everyone
		}
		if within(to, "internal") {
			return
		}
		for _, may := range r.may {
			if within(to, may) && !helper(to) {
				return
			}
		}
		front := within(from, "asgi/chaos") || within(from, "asgi/remote")
		if strings.HasSuffix(file, "_test.go") && (helper(to) || within(to, "store")) && (front || !within(from, "asgi")) {
			return // a test needs a layer to stand on
		}
		if strings.HasSuffix(file, "_test.go") && within(from, "workerpool/script") && within(to, "httpfront") {
			return // what an application does is proved over real sockets
		}
		if strings.HasSuffix(file, "_test.go") && within(from, "asgi") && within(to, "asgi") {
			return
		}
		t.Errorf("%s imports %s: %s", file, to, r.reason)
	})
}

func TestEveryLibraryHasOneHome(t *testing.T) {
	everyImport(t, func(file, from, imported string) {
		if strings.HasSuffix(file, "_test.go") || helper(from) || within(from, "benchmarks") {
			return
		}
		for _, h := range homes {
			if !within(imported, h.library) {
				continue
			}
			home := false
			for _, room := range h.rooms {
				home = home || within(from, room)
			}
			if !home {
				t.Errorf("%s imports %s: %s", file, imported, h.reason)
			}
		}
	})
}

// helper tells the packages that are there for tests.
func helper(pkg string) bool { return strings.HasSuffix(pkg, "test") }

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
