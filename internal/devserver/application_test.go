package devserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inNewFolder makes a folder with empty files and makes it the current one.
func inNewFolder(t *testing.T, files ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryKindOfApplicationIsFound(t *testing.T) {
	inNewFolder(t, "app.star", "hello.py", "shop/app.star", "cmd/app/main.go", "cmd/empty/main_test.go", "odd:name", "a.b:c/app.star", "python/app.py")
	for name, want := range map[string]Application{
		"app.star":              {Kind: Starlark, Path: "app.star", Folder: "."},
		"none.star":             {Kind: Starlark, Path: "none.star", Folder: "."},
		"shop":                  {Kind: Starlark, Path: filepath.Join("shop", "app.star"), Folder: "shop"},
		"odd:name":              {Kind: Starlark, Path: "odd:name", Folder: "."},
		"a.b:c":                 {Kind: Starlark, Path: filepath.Join("a.b:c", "app.star"), Folder: "a.b:c"},
		"python":                {Kind: PythonFile, Path: filepath.Join("python", "app.py"), Folder: "python"},
		"hello.py":              {Kind: PythonFile, Path: "hello.py", Folder: "."},
		"shop.wsgi:application": {Kind: PythonCallable, Folder: "."},
		"app:app":               {Kind: PythonCallable, Folder: "."},
		"größe:_x1.y":           {Kind: PythonCallable, Folder: "."},
		"./cmd/app":             {Kind: GoProgram, Path: "./cmd/app", Folder: "./cmd/app"},
		"cmd/empty":             {Kind: Starlark, Path: filepath.Join("cmd", "empty", "app.star"), Folder: filepath.Join("cmd", "empty")},
	} {
		got, err := FindApplication(name)
		if err != nil || got.Kind != want.Kind || got.Path != want.Path || got.Folder != want.Folder {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	if a := DefaultApplication(); a.Kind != Starlark || a.Path != "app.star" {
		t.Errorf("by default: %+v", a)
	}
	if a, err := ProgramApplication([]string{"go", "run", "x"}); err != nil || a.Kind != Program || a.Name != "go run x" || a.Folder != "." {
		t.Errorf("a program: %+v, %v", a, err)
	}
}

func TestANameThatIsNoApplicationIsExplained(t *testing.T) {
	inNewFolder(t, "both/app.star", "both/main.go", "worker.mjs", "main.go", "shop/wsgi.py", "python/app.py")
	for name, want := range map[string]string{
		"":           "the name of the application is empty",
		"both":       "both has Go files and app.star: to run app.star, give its path",
		"worker.mjs": "asgibox run -- node worker.mjs",
		"main.go":    "give the folder of the Go program: .",
		"shop.wsgi":  "written shop.wsgi:application",
		"none.py":    "none.py: there is no such file",
	} {
		if a, err := FindApplication(name); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %+v, %v, want %q", name, a, err, want)
		}
	}
	err := CheckFile(filepath.Join("python", "app.star"))
	if err == nil || !strings.Contains(err.Error(), "to run the Python application, give its file: python/app.py") {
		t.Errorf("beside app.py: %v", err)
	}
	for command, want := range map[string]string{"": "after -- write the command", "no-such-program x": "cannot run the program no-such-program: executable file not found"} {
		if _, err := ProgramApplication(strings.Fields(command)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", command, err, want)
		}
	}
}

func TestTheFolderOfAnApplicationIsThatOfTheFileThatALinkLeadsTo(t *testing.T) {
	inNewFolder(t, "real/app.star", "real/hello.py")
	real, err := filepath.EvalSymlinks("real")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app.star", "hello.py"} {
		if err := os.Symlink(filepath.Join("real", name), name); err != nil {
			t.Skip(err) // Windows needs a privilege
		}
		if a, err := FindApplication(name); err != nil || a.Folder != real {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	if a := DefaultApplication(); a.Folder != real {
		t.Errorf("by default: %+v", a)
	}
	if err := os.Symlink("real", "linked"); err != nil {
		t.Fatal(err)
	}
	if a, err := FindApplication("linked"); err != nil || a.Folder != "linked" {
		t.Errorf("a linked folder: %+v, %v", a, err)
	}
}
