package gobuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "module example.com/shop\n\ngo 1.22\n"

// shop is a program with a package of its own, an embedded folder, and a package
// that it does not use.
var shop = map[string]string{
	"go.mod":                  module,
	"cmd/app/main.go":         "package main\n\nimport \"example.com/shop/greet\"\n\nfunc main() { greet.Everyone() }\n",
	"greet/greet.go":          "package greet\n\nimport \"embed\"\n\n//go:embed texts/*.txt\nvar texts embed.FS\n\nfunc Everyone() { b, _ := texts.ReadFile(\"texts/hello.txt\"); print(string(b)) }\n",
	"greet/greet_test.go":     "package greet\n",
	"greet/texts/hello.txt":   "hello",
	"unused/unused.go":        "package unused\n",
	"cmd/app/static/page.css": "",
}

// write writes files into a folder.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// newBuilder returns a builder for the package in a folder of a new project.
func newBuilder(t *testing.T, files map[string]string, main string) (b *Builder, dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, dir, files)
	b, err := New(filepath.Join(dir, main), filepath.Join(dir, main, ".asgibox", "go"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, dir
}

// build builds and runs the program, and returns what it prints.
func build(t *testing.T, b *Builder) (bin *Binary, prints string) {
	t.Helper()
	bin, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), bin.Path).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return bin, string(out)
}

func TestEachBuildIsANewBinary(t *testing.T) {
	b, dir := newBuilder(t, shop, "cmd/app")
	first, prints := build(t, b)
	if prints != "hello" {
		t.Errorf("the program prints %q", prints)
	}
	write(t, dir, map[string]string{"greet/texts/hello.txt": "good evening"})
	second, prints := build(t, b)
	if prints != "good evening" || first.Path == second.Path {
		t.Errorf("the program prints %q", prints)
	}
	if err := first.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(second.Path); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "cmd/app/.asgibox/go")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestMistakesHavePlacesAndLines(t *testing.T) {
	b, dir := newBuilder(t, shop, "cmd/app")
	for name, c := range map[string]struct {
		file, content string
		line          string // the first error
		shown         string // the line of its place
		more          int    // further errors
	}{
		"types": {
			"cmd/app/main.go", "package main\n\nfunc main() {\n\tvar n int = \"one\"\n\tprint(m)\n}\n",
			`main.go:4:6: declared and not used: n`, "\tvar n int = \"one\"", 2,
		},
		"arguments": {
			"cmd/app/main.go", "package main\n\nfunc f(int) {}\n\nfunc main() { f() }\n",
			"main.go:5:15: not enough arguments in call to f \thave () \twant (int)", "func main() { f() }", 0,
		},
		"another package": {
			"greet/greet.go", "package greet\n\nfunc Everyone() int {\n}\n",
			"../../greet/greet.go:4:1: missing return", "}", 0,
		},
		"syntax": {
			"greet/greet.go", "package greet\n\nfunc Everyone( {\n",
			"../../greet/greet.go:3:16: syntax error: ", "func Everyone( {", 0,
		},
		"a missing module": {
			"cmd/app/main.go", "package main\n\nimport _ \"example.org/cart\"\n\nfunc main() {}\n",
			"main.go:3:8: no required module provides package example.org/cart", "import _ \"example.org/cart\"", 0,
		},
		"go.mod": {
			"go.mod", "module example.com/shop\n\nfoo bar\n",
			"../../go.mod:3: unknown directive: foo", "foo bar", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOPROXY", "off")
			write(t, dir, map[string]string{c.file: c.content})
			bin, err := b.Build(t.Context())
			write(t, dir, shop)
			var wrong *Error
			if !errors.As(err, &wrong) {
				t.Fatalf("%v, %v", bin, err)
			}
			e := wrong.Explanation()
			if !strings.HasPrefix(e.Line(), c.line) || e.Line() != err.Error() {
				t.Errorf("got  %s\nwant %s", e.Line(), c.line)
			}
			if len(e.More) != c.more {
				t.Errorf("%d further errors: %v", len(e.More), e.More)
			}
			place, _ := e.Place()
			for _, line := range place.Lines {
				if line.Number == place.Line && c.shown != "" && line.Text != c.shown {
					t.Errorf("line %d is %q, want %q", line.Number, line.Text, c.shown)
				}
			}
			if len(place.Lines) == 0 {
				t.Error("no lines are shown")
			}
			if files, _ := os.ReadDir(b.bin); len(files) > 0 {
				t.Errorf("a failed build leaves %v", files)
			}
		})
	}
	if _, prints := build(t, b); prints != "hello" {
		t.Errorf("afterwards the program prints %q", prints)
	}
}

// TestOnlySourcesAreQuoted has line directives, which can name any file.
func TestOnlySourcesAreQuoted(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	write(t, dir, map[string]string{"parser.y": "rule\n", "app/main.go": "package main\n"})
	write(t, other, map[string]string{"other.go": "package other\n", "key.pem": "secret\n"})
	for file, quoted := range map[string]bool{
		"main.go": true, "../parser.y": true, filepath.Join(other, "other.go"): true,
		filepath.Join(other, "key.pem"): false, os.DevNull: false, dir: false,
	} {
		place, ok := newError(filepath.Join(dir, "app"), dir, file+":1:1: wrong\n").Explanation().Place()
		if !ok || (len(place.Lines) > 0) != quoted {
			t.Errorf("%s: the place is %v, want lines: %v", file, place, quoted)
		}
	}
}

func TestErrorsWithoutAPlace(t *testing.T) {
	t.Setenv("GO111MODULE", "on")
	main := "package main\n\nfunc main() {}\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no module":    {map[string]string{"main.go": main}, "go: go.mod file not found"},
		"no program":   {map[string]string{"go.mod": module, "main.go": "package shop\n"}, "is shop, and only a package main is a program"},
		"two packages": {map[string]string{"go.mod": module, "main.go": main, "shop.go": "package shop\n"}, "found packages main (main.go) and shop (shop.go)"},
		"a cycle": {map[string]string{
			"go.mod": module, "main.go": "package main\n\nimport _ \"example.com/shop/a\"\n\nfunc main() {}\n",
			"a/a.go": "package a\n\nimport _ \"example.com/shop/b\"\n", "b/b.go": "package b\n\nimport _ \"example.com/shop/a\"\n",
		}, "import cycle not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := newBuilder(t, c.files, ".")
			if _, err := b.Build(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestFilesThatChangeTheProgram(t *testing.T) {
	b, dir := newBuilder(t, shop, "cmd/app")
	check := func(want bool, names ...string) {
		t.Helper()
		for _, name := range names {
			if got := b.Uses(filepath.Join(dir, name)); got != want {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	if b.Root() != dir {
		t.Errorf("the root is %s, not %s", b.Root(), dir)
	}
	check(true, "cmd/app/main.go", "unused/unused.go", "go.mod")
	check(false, "README.md", "../other/main.go")
	build(t, b)
	check(true, "cmd/app/main.go", "cmd/app/new.go", "greet/greet.go", "greet/texts/hello.txt", "greet/texts/new.txt", "go.mod", "go.sum", "go.work")
	check(false, "unused/unused.go", "greet/greet_test.go", "greet/notes.txt", "greet/texts/new.css", "cmd/app/static/page.css", "unused/go.mod", "main.go")

	// A program with mistakes counts too: the correction must build it.
	write(t, dir, map[string]string{"cmd/app/main.go": "package main\n\nimport \"example.com/shop/unused\"\n\nfunc main() { unused.None() }\n"})
	if _, err := b.Build(t.Context()); err == nil {
		t.Fatal("no error")
	}
	check(true, "unused/unused.go", "cmd/app/main.go")
	check(false, "greet/greet.go")
}

func TestWorkspacesAndReplacedModulesAreWatched(t *testing.T) {
	files := map[string]string{
		"go.work":     "go 1.22\n\nuse ./app\nuse ./lib\n",
		"app/go.mod":  "module example.com/app\n\ngo 1.22\n\nrequire example.com/far v0.0.0\n\nreplace example.com/far => ../far\n",
		"app/main.go": "package main\n\nimport (\n\t\"example.com/far\"\n\t\"example.com/lib\"\n)\n\nfunc main() { print(lib.Name, far.Name) }\n",
		"lib/go.mod":  "module example.com/lib\n\ngo 1.22\n",
		"lib/lib.go":  "package lib\n\nconst Name = \"lib\"\n",
		"far/go.mod":  "module example.com/far\n\ngo 1.22\n",
		"far/far.go":  "package far\n\nconst Name = \"far\"\n",
	}
	b, dir := newBuilder(t, files, "app")
	if _, prints := build(t, b); prints != "libfar" || b.Root() != dir {
		t.Errorf("the program prints %q, its root is %s", prints, b.Root())
	}
	for _, name := range []string{"lib/lib.go", "far/far.go", "far/go.mod", "lib/go.mod", "go.work"} {
		if !b.Uses(filepath.Join(dir, name)) {
			t.Errorf("%s does not count", name)
		}
	}
}

func TestABuildEndsWithItsContext(t *testing.T) {
	b, _ := newBuilder(t, shop, "cmd/app")
	reason := errors.New("too slow")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if _, err := b.Build(ctx); !errors.Is(err, reason) {
		t.Errorf("the error is %v", err)
	}
}

func TestNewRemovesWhatKilledProcessesLeft(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	write(t, dir, shop)
	ended := exec.CommandContext(t.Context(), "go", "version")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	left, mine, other := fmt.Sprint(ended.Process.Pid)+"-1/app", fmt.Sprint(os.Getpid())+"-1/app", "notes-1/app"
	write(t, out, map[string]string{left: "", mine: "", other: ""})
	b, err := New(filepath.Join(dir, "cmd/app"), out)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for name, want := range map[string]bool{left: false, mine: true, other: true} {
		if _, err := os.Stat(filepath.Join(out, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewExplainsWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"app_test.go": "package main\n", "app.py": ""})
	if _, err := New(dir, t.TempDir()); err == nil || !strings.Contains(err.Error(), dir+" has no Go files") {
		t.Errorf("the error is %v", err)
	}
	write(t, dir, map[string]string{"main.go": "package main\n"})
	t.Setenv("PATH", t.TempDir())
	if _, err := New(dir, t.TempDir()); err == nil || !strings.Contains(err.Error(), "https://go.dev/dl/") || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is %v", err)
	}
}
