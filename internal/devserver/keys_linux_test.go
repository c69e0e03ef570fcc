package devserver

import (
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestKeysOpenURLs(t *testing.T) {
	dir := t.TempDir()
	opened := filepath.Join(dir, "opened")
	if err := syscall.Mkfifo(opened, 0o600); err != nil {
		t.Fatal(err)
	}
	opener := "#!/bin/sh\necho \"$1\" > '" + opened + "'\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(opener), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := &server{urls: []string{"http://127.0.0.1:8000/"}, stderr: io.Discard, log: slog.New(slog.DiscardHandler)}
	c := &control{listener: listener, token: "secret"}
	s.control.Store(c)
	for key, want := range map[byte]string{'o': s.urls[0], 'i': "http://" + listener.Addr().String() + "/?token=secret"} {
		s.press(t.Context(), key, nil)
		url := make(chan string, 1)
		go func() {
			b, _ := os.ReadFile(opened) // waits for the opener
			url <- strings.TrimSpace(string(b))
		}()
		select {
		case got := <-url:
			if got != want {
				t.Errorf("%c opened %q, want %q", key, got, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%c opened nothing", key)
		}
	}
}

func TestBannerAndHelpListAvailableKeys(t *testing.T) {
	for _, help := range []func(inspected bool) string{keysHelp, keysList} {
		if text := help(true); !strings.Contains(text, "inspector") {
			t.Errorf("with an inspector: %s", text)
		}
		if text := help(false); strings.Contains(text, "inspector") {
			t.Errorf("without an inspector: %s", text)
		}
	}
}
