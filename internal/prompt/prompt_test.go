package prompt

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestColumns(t *testing.T) {
	if got := columns([]string{"a", "bb", "c", "d", "e"}, 9); got != "a   d\nbb  e\nc\n" {
		t.Errorf("%q", got)
	}
	if got := columns([]string{"longer than the terminal"}, 9); got != "longer than the terminal\n" {
		t.Errorf("%q", got)
	}
	if got := columns(make([]string, maxNames+2), 80); !strings.HasSuffix(got, "\n… and 2 more\n") {
		t.Errorf("%q", got)
	}
}

func TestCommonPrefix(t *testing.T) {
	for want, names := range map[string][]string{"group_": {"group_add", "group_discard"}, "": {"a", "b"}, "é": {"éa", "éb"}, "one": {"one"}} {
		if got := commonPrefix(names); got != want {
			t.Errorf("%q: %q", names, got)
		}
	}
}

func TestHistoryIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "history")
	var warnings bytes.Buffer
	h := openHistory(path, &warnings)
	for _, line := range []string{"a", " ", "b", "b", ""} {
		h.Add(line)
	}
	again := openHistory(path, &warnings)
	if again.Len() != 2 || again.At(0) != "b" || again.At(1) != "a" || warnings.Len() > 0 {
		t.Errorf("%q, %s", again.lines, warnings.String())
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != fs.FileMode(0o600) {
		t.Errorf("%v, %v", info, err)
	}
}

func TestHistoryIsShortened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	var text strings.Builder
	for i := range 2*maxHistory + 1 {
		fmt.Fprintln(&text, i)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h := openHistory(path, &bytes.Buffer{})
		if h.Len() != maxHistory || h.At(0) != fmt.Sprint(2*maxHistory) {
			t.Errorf("%d lines, the last is %s", h.Len(), h.At(0))
		}
	}
}

func TestHistoryThatCannotBeKept(t *testing.T) {
	var warnings bytes.Buffer
	h := openHistory(t.TempDir(), &warnings)
	h.Add("a")
	if !strings.HasPrefix(warnings.String(), "the history is not kept: ") || h.Len() != 1 {
		t.Errorf("%q, %q", warnings.String(), h.lines)
	}
}

func TestHistoryFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no XDG_STATE_HOME")
	}
	folder := t.TempDir()
	t.Setenv("XDG_STATE_HOME", folder)
	if got, err := HistoryFile("p", "h"); got != filepath.Join(folder, "p", "h") || err != nil {
		t.Error(got, err)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	t.Setenv("HOME", folder)
	if got, err := HistoryFile("p", "h"); got != filepath.Join(folder, ".local", "state", "p", "h") || err != nil {
		t.Error(got, err)
	}
}
