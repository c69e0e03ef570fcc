package project

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var files = map[string][]byte{"app.star": []byte("app"), ".vscode/settings.json": []byte("{}"), "static/a/b.css": []byte("b")}

func TestCreateWritesTheFiles(t *testing.T) {
	for _, dir := range []string{".", "new", filepath.Join("several", "new", "folders")} {
		dir = filepath.Join(t.TempDir(), dir)
		if err := Create(dir, files); err != nil {
			t.Fatal(err)
		}
		for name, want := range files {
			got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			if err != nil || string(got) != string(want) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
}

// tree lists the files and folders below a folder, with the contents of files.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var content []byte
			content, err = os.ReadFile(name)
			name += " " + string(content)
		}
		found = append(found, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(found, "\n")
}

func TestCreateThatFailsChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string][]byte
		have  string // an existing file
		dir   string
		want  string
	}{
		"a file exists":         {files, "app.star", ".", "would be overwritten: app.star; "},
		"a file is a folder":    {files, "app.star/x", ".", "would be overwritten: app.star; "},
		"a folder is a file":    {files, "static", ".", "would be overwritten: static; "},
		"the project is a file": {files, "app", "app", "app is a file"},
		"it is below a file":    {files, "app", "app/x/y", "app"},
		"a write fails":         {map[string][]byte{"a/b": nil, "c": nil, "d/\x00": nil}, "x", "new/folder", "cannot be created"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			have := filepath.Join(dir, filepath.FromSlash(c.have))
			if err := os.MkdirAll(filepath.Dir(have), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(have, []byte("mine"), 0o644); err != nil {
				t.Fatal(err)
			}
			before := tree(t, dir)
			err := Create(filepath.Join(dir, filepath.FromSlash(c.dir)), c.files)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is %v", err)
			}
			if after := tree(t, dir); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

func TestCreateNamesFilesThatExist(t *testing.T) {
	dir := t.TempDir()
	if err := Create(dir, files); err != nil {
		t.Fatal(err)
	}
	err := Create(dir, files)
	for name := range files {
		if err == nil || !strings.Contains(err.Error(), filepath.FromSlash(name)) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestCreateDoesNotFollowLinksOutOfTheFolder(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "static")); err != nil {
		t.Skip("this system does not allow links: ", err)
	}
	before := tree(t, dir)
	if err := Create(dir, files); err == nil {
		t.Error("no error")
	}
	if after := tree(t, dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if got := tree(t, outside); got != outside {
		t.Errorf("outside:\n%s", got)
	}
}
