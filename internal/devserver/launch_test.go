package devserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The settings file of an application in processes is read as that of a Starlark one.
func TestTheSettingsFileMayBeginWithAByteOrderMark(t *testing.T) {
	for content, want := range map[string]string{
		"\ufeffA=1\n":             "1",
		"A=1\n":                   "1",
		"\xff\xfeA\x00=\x001\x00": ".env:1: the file is UTF-16, not UTF-8",
		"A=1\nB=\x00\n":           ".env:2: the file contains a NUL byte",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, settingsFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := settings(dir, nil)
		if err != nil {
			if !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%q: %v", content, err)
			}
		} else if all["A"] != want || len(all) != 1 {
			t.Errorf("%q: %v", content, all)
		}
	}
}
