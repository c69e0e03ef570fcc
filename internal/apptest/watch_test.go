package apptest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestWatchRunsTheTestsThatAChangeTouches(t *testing.T) {
	root := t.TempDir()
	app := "channel_routing = []\n"
	tests := "def test_x(client): pass\n"
	var files []string
	for _, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, name, "app.star"), app)
		files = append(files, filepath.Join(root, name, "app_test.star"))
		write(t, files[len(files)-1], tests)
	}
	ran := make(chan []string)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	w := Watcher{Roots: []string{root, filepath.Join(root, "a")}, Find: func() ([]string, error) { return Find(root) }}
	go func() {
		ended <- w.Run(ctx, func(_, files []string) (Summary, error) {
			s := Run(ctx, files, Options{}, func(Result) {})
			ran <- files
			return s, nil
		})
	}()
	expect := func(want ...string) {
		t.Helper()
		if got := <-ran; !slices.Equal(got, want) {
			t.Errorf("ran %v, want %v", got, want)
		}
	}
	expect(files...)
	save := func(file, text string) { // at once, as editors do
		t.Helper()
		write(t, file+".tmp", text)
		if err := os.Rename(file+".tmp", file); err != nil {
			t.Fatal(err)
		}
	}
	save(filepath.Join(root, "a", "app.star"), app+"x = 1\n")
	expect(files[0])
	save(filepath.Join(root, "a", "notes.txt"), "no test uses this")
	save(files[1], tests+"x = 1\n")
	expect(files[1])
	third := filepath.Join(root, "b", "more_test.star")
	save(third, tests)
	expect(third)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestOutermost(t *testing.T) {
	if got := outermost([]string{"a/b", "a", "c", "./a", "ab"}); !slices.Equal(got, []string{"a", "c", "ab"}) {
		t.Errorf("got %v", got)
	}
}
