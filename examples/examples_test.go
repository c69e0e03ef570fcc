package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEveryTemplateIsComplete(t *testing.T) {
	for _, template := range Templates {
		files, err := template.Files()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"app.star", "app_test.star", "page.html", "README.md", "__builtins__.pyi", ".vscode/settings.json"} {
			if len(files[name]) == 0 {
				t.Errorf("%s lacks %s", template.Name, name)
			}
		}
		if lines := strings.Count(string(files["README.md"]), "\n"); lines != 10 {
			t.Errorf("the README of %s has %d lines", template.Name, lines)
		}
	}
	embeddedFolders, err := embedded.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range embeddedFolders {
		listed := slices.ContainsFunc(Templates, func(t Template) bool { return t.Name == folder.Name() })
		if !listed && folder.Name() != editorFolder {
			t.Errorf("%s is not in the list of templates", folder.Name())
		}
	}
}

// TestTheGoWorkerBuildsInAnotherModule checks that its files use the standard
// library alone, and that they are those of the folder go-worker.
func TestTheGoWorkerBuildsInAnotherModule(t *testing.T) {
	files, err := GoFiles("example.com/shop", true)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := filepath.Glob("go-worker/*/*.go")
	if err != nil || len(sources) == 0 {
		t.Fatal(err)
	}
	for _, source := range append(sources, "go-worker/main.go", "go-worker/page.html", "go-worker/README.md") {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		want, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(string(files[strings.TrimPrefix(source, "go-worker/")]), "example.com/shop", "asgibox/examples/go-worker")
		if got != string(want) {
			t.Errorf("%s differs", source)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "vet", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS=-trimpath")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestEditorsFindNoMistakes checks every template as an editor does: with Pyright,
// on copies that are named as Python files.
func TestEditorsFindNoMistakes(t *testing.T) {
	dir := pyrightFolder(t)
	copyAsPython(t, dir, "hello.star", "four_lines.py")
	for _, template := range Templates {
		sources, err := filepath.Glob(filepath.Join(template.Name, "*.star"))
		if err != nil || len(sources) == 0 {
			t.Fatal(template.Name, err)
		}
		for _, source := range sources {
			copyAsPython(t, dir, source, strings.TrimSuffix(source, ".star")+".py")
		}
	}
	if out, err := runPyright(t, dir); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestEditorsFindMistakes(t *testing.T) {
	dir := pyrightFolder(t)
	for name, source := range map[string]string{
		"name":      "stat.incr('visits')\n",
		"method":    "state.inc('visits')\n",
		"argument":  "state.incr('visits', by=2)\n",
		"attribute": "def page(request):  # type: (Request) -> object\n    return request.mehtod\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".py"), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := runPyright(t, dir)
	if err == nil {
		t.Error("Pyright finds no mistake")
	}
	for _, want := range []string{"name.py:1:1", "method.py:1:7", "argument.py:1:22", "attribute.py:2:20"} {
		if !strings.Contains(out, want) {
			t.Errorf("Pyright does not find %s:\n%s", want, out)
		}
	}
}

// pyrightFolder returns a folder with the stubs of the API.
func pyrightFolder(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("pyright"); err != nil {
		t.Skip("there is no Pyright on this machine; npm has it")
	}
	dir := t.TempDir()
	copyAsPython(t, dir, filepath.Join(editorFolder, "__builtins__.pyi"), "__builtins__.pyi")
	return dir
}

func copyAsPython(t *testing.T, dir, source, name string) {
	t.Helper()
	content, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func runPyright(t *testing.T, dir string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "pyright")
	cmd.Dir = dir // where Pyright looks for __builtins__.pyi
	out, err := cmd.CombinedOutput()
	return string(out), err
}
