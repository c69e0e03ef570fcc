package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReleaseBuildsEveryTargetWithChecksums(t *testing.T) {
	out := filepath.Join(t.TempDir(), "dist")
	fake := func(_ context.Context, target, version, file string) error {
		return os.WriteFile(file, []byte(target+" "+version), 0o755)
	}
	var printed bytes.Buffer
	if err := run(t.Context(), []string{"-version", "v1.2.3-rc.1", "-out", out}, fake, &printed); err != nil {
		t.Fatal(err)
	}
	var files, checksums string
	for _, target := range []struct{ name, file string }{
		{"darwin/amd64", "asgibox-v1.2.3-rc.1-darwin-amd64"},
		{"darwin/arm64", "asgibox-v1.2.3-rc.1-darwin-arm64"},
		{"linux/amd64", "asgibox-v1.2.3-rc.1-linux-amd64"},
		{"linux/arm64", "asgibox-v1.2.3-rc.1-linux-arm64"},
		{"windows/amd64", "asgibox-v1.2.3-rc.1-windows-amd64.exe"},
		{"windows/arm64", "asgibox-v1.2.3-rc.1-windows-arm64.exe"},
	} {
		files += filepath.Join(out, target.file) + "\n"
		checksums += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(target.name+" v1.2.3-rc.1")), target.file)
	}
	if want := files + filepath.Join(out, sums) + "\n"; printed.String() != want {
		t.Errorf("printed %s, want %s", &printed, want)
	}
	if got, err := os.ReadFile(filepath.Join(out, sums)); err != nil || string(got) != checksums {
		t.Errorf("the checksums are %s (%v), want %s", got, err, checksums)
	}
}

func TestReleaseRefusesBadArguments(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "old"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-out", full}, `-version "": must look like`},
		{[]string{"-version", "v1.2"}, `-version "v1.2": must look like`},
		{[]string{"-version", "v1.2.3 -X a.b=c"}, "must look like"},
		{[]string{"-version", "v1.2.3", "-out", full}, "the directory is not empty"},
	} {
		err := run(t.Context(), test.args, build, new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.args, err, test.want)
		}
	}
}
