package project

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGoPackage(t *testing.T) {
	dir := t.TempDir()
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(folder, want string) {
		t.Helper()
		if got, err := GoPackage(filepath.Join(dir, folder)); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", folder, got, err, want)
		}
	}
	expect("new", "")
	write("// a module\nmodule example.com/shop // ours\n\ngo 1.24\n")
	expect(".", "example.com/shop")
	expect("cmd/new", "example.com/shop/cmd/new")
	write("module \"shop\"\n")
	expect("new", "shop/new")
	write("go 1.24\n")
	if _, err := GoPackage(dir); err == nil || !strings.Contains(err.Error(), "names no module") {
		t.Errorf("the error is %v", err)
	}
}

func TestFoldersThatNoPackageCanHave(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/shop\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"my app", "ü", "a'b", "x@y", "-x", "n\nl", "vendor", "my app/inner"} {
		if pkg, err := GoPackage(filepath.Join(dir, name)); err == nil {
			t.Errorf("%q has the path %s", name, pkg)
		}
	}
	if pkg, err := GoPackage(filepath.Join(dir, "my_app-1.0", "inner")); err != nil || pkg != "example.com/shop/my_app-1.0/inner" {
		t.Error(pkg, err)
	}
}
