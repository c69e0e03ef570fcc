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

// A rule says which packages a package and those below it may import, besides
// themselves and helpers.
type rule struct {
	path   string
	may    []string
	reason string // why it may import no others
}

// rules are those of docs/design.md. The first rule whose path contains a package
// applies to it.
var rules = []rule{
	{"asgi/asgitest", []string{"asgi"}, "the suite tests any layer, so it must not depend on one"},
	{"asgi/codec", []string{"asgi"}, "encoding depends only on the types of messages"},
	{"asgi/remote", []string{"asgi"}, "it serves any layer, so it must not depend on one"},
	{"asgi/chaos", []string{"asgi"}, "it wraps any layer, so it must not depend on one"},
	{"asgi", nil, "all other packages depend on it"},
	{"store", []string{"asgi"}, "a layer is independent of HTTP, WebSockets and Starlark"},
	{"httpfront/http1", nil, "it reads and writes bytes, and knows neither sockets nor messages"},
	{"httpfront", []string{"asgi"}, "the protocol server reaches workers only through the layer"},
	{"workerpool/process", []string{"asgi", "workerpool"}, "the process host runs in a pool, on any layer, without sockets of clients"},
	{"workerpool/script", []string{"asgi", "workerpool"}, "the script host runs in a pool, on any layer, without sockets"},
	{"workerpool", []string{"asgi"}, "the pool runs any application, on any layer, without sockets"},
	{"reload", nil, "it watches files, independent of applications"},
	{"inspector/api", []string{"asgi"}, "the commands share it, and they reach a server only by its control port"},
	{"inspector/playback", []string{"asgi", "inspector/api"}, "it plays recordings through any layer"},
	{"inspector/testfile", []string{"asgi", "inspector/playback"}, "it turns messages into text, wherever they come from"},
	{"inspector", []string{"asgi", "store"}, "it inspects the store, and other packages only through its own interfaces"},
	{"internal/command", []string{"internal/spell"}, "all commands share it"},
	{"internal/client", []string{"asgi", "store", "inspector", "internal/command"}, "its commands reach a server only by its control port, and a layer only as an inspector does"},
	{"internal/load", nil, "it knows neither flags nor reports, and no other part of the program"},
	{"internal/bench", []string{"internal/command", "internal/load"}, "it reaches a server only over HTTP and WebSocket"},
	{"internal/devserver", []string{"asgi", "store", "httpfront", "workerpool", "reload", "inspector", "python", "internal/command"}, "it runs without a command line"},
	{"internal/demo", []string{"httpfront", "workerpool", "internal/devserver"}, "it mounts servers that internal/devserver connects"},
	{"internal/apptest", []string{"asgi", "store", "httpfront", "workerpool", "reload", "internal/command"}, "it tests an application in memory"},
	{"internal/cli", []string{"asgi", "store", "workerpool", "inspector/api", "examples", "internal/apptest", "internal/bench", "internal/client", "internal/command", "internal/demo", "internal/devserver", "internal/project"}, "it parses flags and calls other packages"},
	{"internal/e2e", []string{"examples", "internal/cli"}, "its tests start the whole program"},
	{"python", nil, "it only holds the Python package"},
	{"examples/go-worker", nil, "asgibox new copies it into other modules"},
	{"internal/release", nil, "it builds the program from outside"},
	{"internal", nil, "helpers are independent of other packages"},
	{".", []string{"internal/cli", "internal/command"}, "main handles signals and the exit status"},
}

// helpers are the packages that every package except asgi may import.
var helpers = []string{
	"internal/budget", "internal/console", "internal/fileset", "internal/flagvalue", "internal/guard", "internal/heapfloor",
	"internal/lineout", "internal/logkey", "internal/prompt", "internal/recent", "internal/spell", "internal/stopsignal", "internal/terminal", "internal/userfile",
}

// libraryRules say which packages may import a library, so that replacing the
// library changes one package. Tests and benchmarks may import all of them.
var libraryRules = []struct {
	library, reason string
	importers       []string
}{
	{"go.etcd.io/bbolt", "only the store has a file", []string{"store"}},
	{"github.com/coder/websocket", "only the tests of applications have clients of WebSockets", []string{"internal/apptest"}},
	{"go.starlark.net", "only the script host and the tests of applications run Starlark", []string{"workerpool/script", "internal/apptest"}},
	{"github.com/fsnotify/fsnotify", "only reload listens to the file system", []string{"reload"}},
	{"github.com/tinylib/msgp", "only the codec encodes messages", []string{"asgi/codec"}},
	{"github.com/redis/go-redis", "only one layer is on Redis", []string{"store/redisstore"}},
	{"github.com/prometheus", "only the inspector exports metrics", []string{"inspector"}},
	{"github.com/spf13", "only the command line parses flags", []string{"internal/bench", "internal/cli", "internal/client", "internal/command"}},
	{"testing", "the program is no Go test; only the tests of applications need a bubble", []string{"internal/apptest"}},
	{"net/http", "a layer is independent of HTTP", []string{"asgi/remote", "httpfront", "inspector", "workerpool", "internal", "benchmarks", "examples"}},
}

// bans say which library a package must not import although its parent may.
var bans = []struct{ path, library, reason string }{
	{"httpfront/http1", "net/http", "there is one reader of HTTP/1"},
}

func TestImportsFollowTheDesign(t *testing.T) {
	everyImport(t, func(file, from, imported string) {
		to, ours := strings.CutPrefix(imported, "asgibox/")
		if !ours {
			return
		}
		r := ruleFor(from)
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
		(within(from, "workerpool/script") || within(from, "workerpool/process")) && within(to, "httpfront") // applications are tested over real sockets
}

func TestEveryLibraryIsImportedOnlyWhereAllowed(t *testing.T) {
	everyImport(t, func(file, from, imported string) {
		if strings.HasSuffix(file, "_test.go") || forTests(from) || within(from, "benchmarks") {
			return
		}
		for _, b := range bans {
			if within(from, b.path) && within(imported, b.library) {
				t.Errorf("%s imports %s: %s", file, imported, b.reason)
			}
		}
		for _, r := range libraryRules {
			if !within(imported, r.library) {
				continue
			}
			if !withinAny(from, r.importers) {
				t.Errorf("%s imports %s: %s", file, imported, r.reason)
			}
		}
	})
}

// forTests reports whether a package has helpers for tests in Go.
func forTests(pkg string) bool { return pkg == "asgi/asgitest" || pkg == "examples/stubtest" }

// ruleFor returns the rule for a package, or nil.
func ruleFor(pkg string) *rule {
	for i := range rules {
		if within(pkg, rules[i].path) {
			return &rules[i]
		}
	}
	return nil
}

// within reports whether a package is dir or below it.
func within(pkg, dir string) bool {
	return pkg == dir || strings.HasPrefix(pkg, dir+"/")
}

func withinAny(pkg string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return within(pkg, dir) })
}

// everyImport calls visit for the imports of every Go file in the module.
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

// everyFile calls visit for every Go file in the module, with slashes in its name.
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
