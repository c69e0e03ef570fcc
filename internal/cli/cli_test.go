package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fullDevice is a writer without space.
type fullDevice struct{}

func (fullDevice) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutputThatCannotBeWrittenIsAnError(t *testing.T) {
	for _, args := range []string{"", "version", "--version", "--help", "run --help", "help run", "completion bash", "group"} {
		var stderr strings.Builder
		status := Run(t.Context(), strings.Fields(args), strings.NewReader(""), fullDevice{}, &stderr)
		if status != 1 || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("%q: status %d, %q", args, status, stderr.String())
		}
		if status := Run(t.Context(), strings.Fields(args), strings.NewReader(""), io.Discard, &stderr); status != 0 {
			t.Errorf("%q: status %d with a good output", args, status)
		}
	}
}

func TestErrorsDoNotControlTheTerminal(t *testing.T) {
	for _, args := range []string{"run \x1b[31m.star", "run app.star --session-cookie \x1b", "routes \x1b[31m.star", "\x1b", "--\x1b"} {
		var stderr strings.Builder
		status := Run(t.Context(), strings.Fields(args), strings.NewReader(""), io.Discard, &stderr)
		if status != 1 || strings.Contains(stderr.String(), "\x1b") {
			t.Errorf("%q: status %d, %q", args, status, stderr.String())
		}
	}
}

func TestASessionCookieDoesNotHaveTheNameOfAnother(t *testing.T) {
	for _, name := range []string{"asgibox_control", "asgibox_control_8001", "a;b"} {
		var stderr strings.Builder
		status := Run(t.Context(), []string{"run", "missing.star", "--session-cookie", name}, strings.NewReader(""), io.Discard, &stderr)
		if status != 1 || !strings.Contains(stderr.String(), "--session-cookie") {
			t.Errorf("%q: status %d, %q", name, status, stderr.String())
		}
	}
}

func TestAnApplicationMayBeAFolder(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "app.star"), filepath.Join(t.TempDir(), "link")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := application([]string{dir}); got != file {
		t.Errorf("%s, want %s", got, file)
	}
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if got, want := application([]string{link}), filepath.Join(link, "app.star"); got != want {
		t.Errorf("by a link: %s, want %s", got, want)
	}
	t.Chdir(dir)
	if got := application(nil); got != "app.star" {
		t.Errorf("by default: %s", got)
	}
}
