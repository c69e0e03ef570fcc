package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// smallFileSystem mounts a file system of limited size. It returns ok = false if
// it cannot.
func smallFileSystem(t testing.TB, options string) (dir string, ok bool) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Logf("cannot mount a file system of limited size (%v): the test limits the file instead", err)
		return dir, false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir, true
}

// A limitedDisk fails to write once the file is too long.
type limitedDisk struct {
	disk
	path  string
	limit func() int64
}

func (d *limitedDisk) commit(ops []op, now int64) error {
	if info, err := os.Stat(d.path); err == nil && len(ops) > 0 && info.Size() > d.limit() {
		return errNoSpace
	}
	return d.disk.commit(ops, now)
}

func TestFullDisk(t *testing.T) {
	mounted, isMounted := smallFileSystem(t, "size=4m")
	synctest.Test(t, func(t *testing.T) {
		ballast := filepath.Join(mounted, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o644); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(mounted, "channels.db")
		limit := func() int64 {
			if _, err := os.Stat(ballast); err != nil || isMounted {
				return 1 << 40
			}
			return 1 << 20
		}
		o := Options{Capacity: 100_000, Expiry: time.Hour}
		s, err := open(path, o, func(d disk) disk { return &limitedDisk{d, path, limit} })
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		acked, sent := 0, 0
		var waiting *asgi.Cause
		for err == nil {
			c := asgi.NewCause(0)
			if err = s.Send(ctx, c, "jobs", payload(10_000)); err != nil {
				break
			}
			sent++
			if waiting == nil && c.Barrier().Wait(ctx) == nil {
				acked++
			} else if waiting == nil {
				waiting = c
			}
			if sent > 10_000 {
				t.Fatal("the disk does not become full")
			}
		}
		if !errors.Is(err, asgi.ErrStoreFailed) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("a send when the disk is full: %v", err)
		}
		if acked == 0 || waiting == nil || waiting.Barrier().Passed() {
			t.Errorf("%d messages acknowledged, waiting cause: %v", acked, waiting)
		}
		if err := s.Send(ctx, nil, "http.request", number(1), asgi.Volatile); err != nil {
			t.Errorf("volatile: %v", err)
		}

		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if err := waiting.Barrier().Wait(ctx); err != nil {
			t.Errorf("after space came back: %v", err)
		}
		if err := s.Send(ctx, nil, "jobs", number(1)); err != nil {
			t.Errorf("a send after space came back: %v", err)
		}
		closeStore(t, s)
		s, err = Open(path, o)
		if err != nil {
			t.Fatal(err)
		}
		defer closeStore(t, s)
		if stats, _ := s.ChannelStatistics(ctx, "jobs"); stats.MessagesPending != sent+1 {
			t.Errorf("%d messages, want %d", stats.MessagesPending, sent+1)
		}
	})
}

// A store that is closed while its disk is full keeps the acknowledged messages.
func TestFullDiskAtTheEnd(t *testing.T) {
	mounted, isMounted := smallFileSystem(t, "size=2m")
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(mounted, "channels.db")
		limit := func() int64 {
			if isMounted {
				return 1 << 40
			}
			return 1 << 20
		}
		s, err := open(path, Options{Expiry: time.Hour}, func(d disk) disk { return &limitedDisk{d, path, limit} })
		if err != nil {
			t.Fatal(err)
		}
		acked := 0
		for {
			c := asgi.NewCause(0)
			if err := s.Send(t.Context(), c, "jobs", payload(10_000)); err != nil {
				t.Fatal(err)
			}
			if c.Barrier().Wait(t.Context()) != nil {
				break
			}
			acked++
		}
		if err := s.Close(context.Background()); !errors.Is(err, asgi.ErrStoreFailed) {
			t.Errorf("close: %v", err)
		}
		s, err = Open(path, Options{Expiry: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close(context.Background())
		if stats, _ := s.ChannelStatistics(t.Context(), "jobs"); stats.MessagesPending < acked {
			t.Errorf("%d messages, of %d acknowledged", stats.MessagesPending, acked)
		}
	})
}
