package store

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"asgibox/asgi"
)

const (
	testPage   = 4096 // bbolt's pages have this size or a multiple
	testSector = 512
	metaPages  = 2
)

// A diff is the pages that a commit changed, by offset.
type diff map[int][]byte

func pageDiff(before, after []byte) diff {
	d := make(diff)
	for at := 0; at < len(after); at += testPage {
		page := after[at:min(at+testPage, len(after))]
		if at >= len(before) || !bytes.Equal(page, before[at:min(at+len(page), len(before))]) {
			d[at] = page
		}
	}
	return d
}

// An image is the bytes of a file and the contents of a store that opens it.
type image struct {
	bytes []byte
	holds string
}

// commits are changes of many kinds, made in this order.
var commits = []struct {
	name   string
	change func(ctx context.Context, s *Store)
}{
	{"sends", func(ctx context.Context, s *Store) {
		for i := range 40 {
			s.Send(ctx, nil, "jobs", number(i))
		}
	}},
	{"takes", func(ctx context.Context, s *Store) {
		for range 15 {
			s.Poll(ctx, nil, "jobs")
		}
	}},
	{"a large message", func(ctx context.Context, s *Store) {
		s.Send(ctx, nil, "jobs", payload(50_000))
	}},
	{"values", func(ctx context.Context, s *Store) {
		for i := range 200 {
			s.Set(ctx, nil, fmt.Sprintf("state/%d", i), i, 0)
		}
	}},
	{"a group", func(ctx context.Context, s *Store) {
		for _, channel := range groupChannels {
			s.GroupAdd(ctx, nil, "room", channel)
		}
		s.SendGroup(ctx, nil, "room", number(7))
	}},
	{"a copy taken", func(ctx context.Context, s *Store) {
		s.Poll(ctx, nil, groupChannels[1])
	}},
	{"everything taken", func(ctx context.Context, s *Store) {
		for {
			if _, ok, _ := s.Poll(ctx, nil, append([]string{"jobs"}, groupChannels...)...); !ok {
				return
			}
		}
	}},
	{"values again", func(ctx context.Context, s *Store) {
		for i := range 200 {
			s.Incr(ctx, nil, fmt.Sprintf("state/%d", i), 1000)
			s.Delete(ctx, nil, fmt.Sprintf("state/%d", i/3*3))
		}
	}},
	{"a flush", func(ctx context.Context, s *Store) {
		s.Send(ctx, nil, "jobs", number(1))
		s.Flush(ctx, nil)
		s.Send(ctx, nil, "jobs", number(2))
	}},
}

var tornOptions = Options{Expiry: time.Hour, NoSync: true}

// images returns the file before the first commit and after each commit.
func images(t testing.TB) []image {
	t.Helper()
	s := openAt(t, newPath(t), tornOptions)
	var all []image
	add := func() {
		settle(t, s)
		b, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, image{b, s.holds()})
	}
	add()
	s.journal.lingerTime = time.Hour // each change is one commit
	for _, c := range commits {
		c.change(t.Context(), s)
		add()
	}
	return all
}

// holds describes all durable entries.
func (s *Store) holds() string {
	var lines []string
	for id := range s.present() {
		lines = append(lines, "message "+id)
	}
	s.mu.Lock()
	for _, q := range s.queues {
		n := 0
		for r := q.head; r != nil; r = r.next {
			n = n*31 + int(r.message.Int("n")) + r.message.Size()
		}
		if q.length > 0 {
			lines = append(lines, fmt.Sprintf("queue %s %d %d", q.name, q.length, n))
		}
	}
	for name, g := range s.groups.byName {
		for channel := range g.byChannel {
			lines = append(lines, "member "+name+" "+channel)
		}
	}
	s.mu.Unlock()
	s.kv.mu.Lock()
	for _, f := range s.kv.families {
		for key, v := range f.values {
			lines = append(lines, fmt.Sprint("value ", key, v.data))
		}
	}
	s.kv.mu.Unlock()
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// opened returns the contents of a store that opens the bytes, and whether the
// file was renamed as damaged.
func opened(t testing.TB, b []byte) (holds string, aside bool) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "channels.db")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	o := tornOptions
	o.Log, o.Reserved = slog.New(slog.DiscardHandler), true
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	holds = s.holds()
	send(t, s, "another", 1)
	closeStore(t, s)
	moved, _ := filepath.Glob(path + ".damaged-*")
	os.RemoveAll(dir)
	return holds, len(moved) > 0
}

// apply writes the pages of a diff over a file, of each page only the part that
// torn returns.
func (d diff) apply(before []byte, torn func(at int, page []byte) []byte) []byte {
	b := slices.Clone(before)
	for at, page := range d {
		page = torn(at, page)
		if len(page) == 0 {
			continue
		}
		if end := at + len(page); end > len(b) {
			b = append(b, make([]byte, (end+testPage-1)/testPage*testPage-len(b))...)
		}
		copy(b[at:], page)
	}
	return b
}

func isMeta(at int) bool { return at < metaPages*testPage }

// cut returns a random prefix of a page, in sectors.
func cut(page []byte) []byte { return page[:rand.IntN(len(page)/testSector+1)*testSector] }

// The meta page is written after all others. Until then the file has the old
// state, whichever of the other pages were written, torn or not.
func TestTornCommitLeavesTheStateBefore(t *testing.T) {
	all := images(t)
	for i := range commits {
		before, after := all[i], all[i+1]
		d := pageDiff(before.bytes, after.bytes)
		for range rounds(6, 200) {
			b := d.apply(before.bytes, func(at int, page []byte) []byte {
				if isMeta(at) || rand.IntN(3) == 0 {
					return nil
				}
				if rand.IntN(2) == 0 {
					return cut(page)
				}
				return page
			})
			b = append(b, make([]byte, max(0, len(after.bytes)-len(b)))...) // the file grew first
			if holds, aside := opened(t, b); aside || holds != before.holds {
				t.Fatalf("%s: renamed: %v; it holds\n%s\nnot\n%s", commits[i].name, aside, holds, before.holds)
			}
		}
	}
}

// The meta page itself may be torn. Then the file has the old state, or the new
// one if the used part of the meta page was written.
func TestTornMetaPageLeavesTheStateBeforeOrAfter(t *testing.T) {
	all := images(t)
	for i := range commits {
		before, after := all[i], all[i+1]
		d := pageDiff(before.bytes, after.bytes)
		for range rounds(6, 200) {
			whole := rand.IntN(4) == 0
			b := d.apply(before.bytes, func(at int, page []byte) []byte {
				if isMeta(at) && !whole {
					return page[:rand.IntN(metaOffset+metaSize)]
				}
				return page
			})
			holds, aside := opened(t, b)
			if aside || holds != after.holds && (whole || holds != before.holds) {
				t.Fatalf("%s: renamed: %v; it holds\n%s\nnot\n%s", commits[i].name, aside, holds, after.holds)
			}
		}
	}
}

// A disk that loses writes it has reported can damage any page. Opening the file
// must neither panic nor hang.
func TestOpenSurvivesADiskThatLosesWrites(t *testing.T) {
	all := images(t)
	for i := range commits {
		d := pageDiff(all[i].bytes, all[i+1].bytes)
		for range rounds(4, 200) {
			b := d.apply(all[i].bytes, func(at int, page []byte) []byte {
				switch {
				case isMeta(at):
					return page
				case rand.IntN(2) == 0:
					return cut(page)
				}
				return nil
			})
			opened(t, b) // it checks the store
		}
	}
}

func TestDecodeMessage(t *testing.T) {
	m := asgi.MustMessage(asgi.Field{Key: "k", Value: "v"})
	r := &record{id: 7, channel: "jobs", trace: 9, deadline: 11, message: m}
	key := appendID(nil, 7)
	id, got, err := decodeMessage(key, seal(appendMessage(nil, kindMessage, 11, r), 0, key))
	if err != nil || id != 7 || got.channel != "jobs" || got.trace != 9 || got.time != 11 || !asgi.Equal(got.body, m) {
		t.Errorf("%d %+v %v", id, got, err)
	}
}
