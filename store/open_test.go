package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"asgibox/asgi"
)

// openAt opens a store that is checked and closed when the test ends.
func openAt(t testing.TB, path string, o Options) *Store {
	t.Helper()
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Check(ctx); err != nil {
		t.Errorf("check: %v", err)
	}
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// reopen closes the store and opens its file again.
func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	closeStore(t, s)
	return openAt(t, s.path, s.opts)
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "channels.db") }

func settle(t testing.TB, s *Store) {
	t.Helper()
	if err := s.journal.barrier(s.journal.newest()).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestDurableStateSurvivesARestart(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	ctx := t.Context()
	for i := range 10 {
		send(t, s, "jobs", i)
	}
	wantPoll(t, s, 0, "jobs")
	s.Send(ctx, nil, "jobs", number(99), asgi.Volatile)
	s.Send(ctx, nil, "reply!a", number(98))
	send(t, s, "body?x", 97)
	s.GroupAdd(ctx, nil, "room", "jobs")
	s.GroupAdd(ctx, nil, "room", "reply!a")
	s.Set(ctx, nil, "state/x", "here", 0)
	s.Set(ctx, nil, "session/y", 1, time.Hour)
	s.Set(ctx, nil, "channel/z", 1, 0, asgi.Volatile)
	s.Set(ctx, nil, "state/gone", 1, 0)
	s.Delete(ctx, nil, "state/gone")
	s.SendLater(ctx, nil, time.Now().Add(time.Hour), "jobs", number(7))
	settle(t, s)
	wantPoll(t, s, 1, "jobs")

	s = reopen(t, s)
	for i := 2; i < 10; i++ {
		wantPoll(t, s, i, "jobs")
	}
	wantPoll(t, s, -1, "jobs")
	wantPoll(t, s, -1, "reply!")
	wantPoll(t, s, 97, "body?x")
	if members, _ := s.GroupChannels(ctx, nil, "room"); fmt.Sprint(members) != "[jobs]" {
		t.Errorf("members %v", members)
	}
	wantValue(t, s, "state/x", "here")
	wantValue(t, s, "session/y", int64(1))
	wantValue(t, s, "channel/z", asgi.Absent)
	wantValue(t, s, "state/gone", asgi.Absent)
	if st, _ := s.ChannelStatistics(ctx, "asgi.delay"); st.MessagesPending != 0 {
		t.Errorf("an unused channel has statistics: %+v", st)
	}
	if s.delays.count != 1 {
		t.Errorf("%d delayed messages", s.delays.count)
	}
}

func TestADictKeepsItsOrderOnDisk(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	ctx := t.Context()
	const want = "[{z 1} {10 2} {9 3} {a 4} {1 5}]"
	fields := asgi.Fields{{Key: "z", Value: 1}, {Key: "10", Value: 2}, {Key: "9", Value: 3}, {Key: "a", Value: 4}, {Key: "1", Value: 5}}
	s.Send(ctx, nil, "jobs", asgi.MustMessage(fields...))
	s.Set(ctx, nil, "state/x", fields, 0)
	settle(t, s)

	s = reopen(t, s)
	got, err := s.Receive(ctx, nil, "jobs")
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := s.Get(ctx, nil, "state/x")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []asgi.Dict{got.Message.Dict, v.(asgi.Dict)} {
		var order []asgi.Field
		for i := range d.Len() {
			order = append(order, d.At(i))
		}
		if fmt.Sprint(order) != want {
			t.Errorf("got %v, want %s", order, want)
		}
	}
}

func TestGroupMessageIsWrittenOnce(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	ctx := t.Context()
	for i := range 300 {
		s.GroupAdd(ctx, nil, "room", fmt.Sprintf("m%d", i))
	}
	settle(t, s)
	c := asgi.NewCause(0)
	if err := s.SendGroup(ctx, c, "room", number(5)); err != nil {
		t.Fatal(err)
	}
	if c.Barrier().Passed() {
		t.Error("the sender's barrier does not wait for the journal")
	}
	wantPoll(t, s, 5, "m0") // before it is written
	settle(t, s)
	if n := s.journal.newest(); n != onDisk+300+1 {
		t.Errorf("%d ops, want one for each membership and one for the message", n-onDisk)
	}
	wantPoll(t, s, 5, "m1")
	d, _, _ := s.Poll(ctx, nil, "m2")
	settle(t, s)
	if err := s.PutBack(d); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s)
	wantPoll(t, s, -1, "m0")
	wantPoll(t, s, -1, "m1")
	for i := 2; i < 300; i++ {
		wantPoll(t, s, 5, fmt.Sprintf("m%d", i))
	}
	s = reopen(t, s)
	for i := range 300 {
		wantPoll(t, s, -1, fmt.Sprintf("m%d", i))
	}
}

func TestMessageTakenBeforeItIsWrittenIsNotWritten(t *testing.T) {
	s, disk := openFaulty(t)
	for i := range 100 {
		send(t, s, "jobs", i)
		wantPoll(t, s, i, "jobs")
	}
	c := asgi.NewCause(0)
	wantNoPoll := func() { s.Poll(t.Context(), c, "jobs") }
	wantNoPoll()
	if c.Barrier().Passed() {
		t.Error("the barrier of an empty poll does not wait for the disk")
	}
	if err := c.Barrier().Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if disk.commits != 0 {
		t.Errorf("%d transactions", disk.commits)
	}
}

func TestFlushIsDurable(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	ctx := t.Context()
	send(t, s, "jobs", 1)
	s.GroupAdd(ctx, nil, "room", "jobs")
	s.Set(ctx, nil, "state/x", 1, 0)
	settle(t, s)
	send(t, s, "jobs", 2)
	if err := s.Flush(ctx, nil); err != nil {
		t.Fatal(err)
	}
	send(t, s, "jobs", 3)
	s = reopen(t, s)
	wantPoll(t, s, 3, "jobs")
	wantPoll(t, s, -1, "jobs")
	wantValue(t, s, "state/x", int64(1))
}

func TestExpiryRunsOnWhileTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openAt(t, newPath(t), Options{})
		send(t, s, "jobs", 1)
		time.Sleep(30 * time.Second)
		send(t, s, "jobs", 2)
		closeStore(t, s)
		time.Sleep(30 * time.Second)
		s = openAt(t, s.path, Options{})
		wantPoll(t, s, 2, "jobs")
		wantPoll(t, s, -1, "jobs")
	})
}

func TestLockedFileNamesItsHolder(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	if err := s.Announce("127.0.0.1:8001"); err != nil {
		t.Fatal(err)
	}
	_, err := Open(s.path, Options{})
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Pid != os.Getpid() || locked.Control != "127.0.0.1:8001" || !locked.Started.Equal(s.epoch) {
		t.Fatalf("err = %v, %+v", err, locked)
	}
	closeStore(t, s)
	if _, err := os.Stat(runPath(s.path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the .run file was not removed: %v", err)
	}
}

func TestFileInUseIsNotReportedAsDamaged(t *testing.T) {
	s := openAt(t, newPath(t), Options{NoSync: true})
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			c := asgi.NewCause(0)
			s.Send(t.Context(), c, "jobs", payload(i%9000))
			s.Poll(t.Context(), c, "jobs")
			s.Set(t.Context(), c, fmt.Sprint("state/", i%100), i, 0)
			c.Barrier().Wait(t.Context())
		}
	})
	var locked *LockedError
	if _, err := Open(s.path, Options{}); !errors.As(err, &locked) {
		t.Errorf("err = %v", err)
	}
	close(stop)
	busy.Wait()
	if aside, _ := filepath.Glob(s.path + ".damaged-*"); len(aside) > 0 {
		t.Errorf("renamed: %v", aside)
	}
}

func TestConcurrentOpensOfADamagedFileSucceedOnce(t *testing.T) {
	path := newPath(t)
	os.WriteFile(path, bytes.Repeat([]byte("not a store "), 1000), 0o644)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var stores []*Store
	for range 6 {
		wg.Go(func() {
			s, err := Open(path, Options{Reserved: true})
			mu.Lock()
			defer mu.Unlock()
			var locked *LockedError
			if err == nil {
				stores = append(stores, s)
			} else if !errors.As(err, &locked) || locked.Pid != os.Getpid() {
				t.Errorf("err = %v", err)
			}
		})
	}
	wg.Wait()
	if len(stores) != 1 {
		t.Fatalf("%d opens succeeded", len(stores))
	}
	send(t, stores[0], "jobs", 1)
	s := reopen(t, stores[0])
	wantPoll(t, s, 1, "jobs")
	if aside, _ := filepath.Glob(path + ".damaged-*"); len(aside) != 1 {
		t.Errorf("renamed: %v", aside)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	closeStore(t, s)
	db, err := bolt.Open(s.path, 0o644, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(metaBucket).Put(formatKey, seal(appendID(nil, formatVersion+1), 0, formatKey))
	})
	db.Close()
	before, _ := os.ReadFile(s.path)
	_, err = Open(s.path, Options{})
	var newer *NewerFormatError
	if !errors.As(err, &newer) || newer.Format != formatVersion+1 || newer.Path != s.path {
		t.Fatalf("err = %v", err)
	}
	if after, _ := os.ReadFile(s.path); string(after) != string(before) {
		t.Error("the file was changed")
	}
}

func TestDamagedFileIsRenamed(t *testing.T) {
	whole := filledFile(t)
	for name, damage := range map[string]func(b []byte) []byte{
		"cut short":          func(b []byte) []byte { return b[:len(b)/2/4096*4096] },
		"cut in a meta page": func(b []byte) []byte { return b[:5000] },
		"one byte":           func(b []byte) []byte { return b[:1] },
		"text":               func([]byte) []byte { return []byte(strings.Repeat("not a store ", 1000)) },
		"both metas":         func(b []byte) []byte { clear(b[:8192]); return b },
		"all but the metas":  func(b []byte) []byte { clear(b[8192:]); return b },
		"one message":        flipMessage,
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			os.WriteFile(path, damage(append([]byte(nil), whole...)), 0o644)
			var log strings.Builder
			s := openAt(t, path, Options{Reserved: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
			wantPoll(t, s, -1, "jobs")
			send(t, s, "jobs", 1)
			wantPoll(t, s, 1, "jobs")
			aside, _ := filepath.Glob(path + ".damaged-*")
			if len(aside) != 1 || !strings.Contains(log.String(), aside[0]) {
				t.Errorf("aside %v, log %s", aside, log.String())
			}
		})
	}
}

// filledFile returns the bytes of a file with entries of each kind.
func filledFile(t testing.TB) []byte {
	t.Helper()
	s := openAt(t, newPath(t), Options{})
	for i := range 500 {
		send(t, s, "jobs", i)
	}
	s.GroupAdd(t.Context(), nil, "room", "jobs")
	s.SendGroup(t.Context(), nil, "room", number(1))
	s.Set(t.Context(), nil, "state/x", 1, 0)
	closeStore(t, s)
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// flipMessage changes one bit in each copy of some message's channel name.
func flipMessage(b []byte) []byte {
	for i := range b {
		if strings.HasPrefix(string(b[i:min(i+5, len(b))]), "\x04jobs") {
			b[i+1] ^= 1
		}
	}
	return b
}

// A goroutine of bbolt would find keys that are not in order, and end the process.
func TestFileWithKeysThatAreNotInOrderIsDamaged(t *testing.T) {
	whole := filledFile(t)
	pageSize := int(binary.NativeEndian.Uint32(whole[metaOffset+8:]))
	found := 0
	for page := 2 * pageSize; page < len(whole); page += pageSize {
		head := whole[page:]
		if flags := binary.NativeEndian.Uint16(head[8:]); flags != branchFlag || binary.NativeEndian.Uint16(head[10:]) < 2 {
			continue
		}
		b := bytes.Clone(whole)
		first, second := b[page+pageHead:], b[page+pageHead+elementSize:]
		copy(second[binary.NativeEndian.Uint32(second):], first[binary.NativeEndian.Uint32(first):][:binary.NativeEndian.Uint32(first[4:])])
		path := newPath(t)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := checkFile(path); errors.Is(err, errDamaged) {
			found++
		} else if err != nil {
			t.Error(err)
		}
	}
	if found == 0 { // a branch that is no longer in use does not count
		t.Error("no branch with two equal keys was found damaged")
	}
}

// bbolt would use a page in the free list again.
func TestFileWithAnInvalidFreeListIsDamaged(t *testing.T) {
	path := newPath(t)
	if err := os.WriteFile(path, filledFile(t), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil) // it keeps a free list
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*bolt.Tx) error{
		func(tx *bolt.Tx) error { return tx.Bucket(metaBucket).Put([]byte("x"), make([]byte, 64<<10)) },
		func(tx *bolt.Tx) error { return tx.Bucket(metaBucket).Delete([]byte("x")) },
		func(tx *bolt.Tx) error { return nil },
	} {
		err = errors.Join(err, db.Update(change))
	}
	if err = errors.Join(err, db.Close(), checkFile(path)); err != nil {
		t.Fatal(err)
	}
	whole, _ := os.ReadFile(path)
	m, _ := newestMeta(bytes.NewReader(whole))
	list := int(m.free) * int(m.pageSize)
	count := binary.NativeEndian.Uint16(whole[list+10:])
	if count < 2 {
		t.Fatalf("%d pages are free", count)
	}
	put := func(at int, id uint64) func(b []byte) {
		return func(b []byte) { binary.NativeEndian.PutUint64(b[list+at:], id) }
	}
	for name, damage := range map[string]func(b []byte){
		"the root":    put(pageHead, m.root),
		"itself":      put(pageHead, m.free),
		"a meta page": put(pageHead, 1),
		"the end":     put(pageHead, m.pages),
		"twice":       func(b []byte) { copy(b[list+pageHead:][:8], b[list+pageHead+8:]) },
		"too many":    func(b []byte) { binary.NativeEndian.PutUint16(b[list+10:], 1000) },
		"far too many": func(b []byte) {
			binary.NativeEndian.PutUint16(b[list+10:], math.MaxUint16)
			put(pageHead, math.MaxUint64)(b)
		},
		"another type": func(b []byte) { b[list+8] = leafFlag },
	} {
		b := bytes.Clone(whole)
		damage(b)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := checkFile(path); !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFileWithoutBucketsIsNew(t *testing.T) {
	path := newPath(t)
	db, err := bolt.Open(path, 0o644, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	s := openAt(t, path, Options{})
	send(t, s, "jobs", 1)
	if aside, _ := filepath.Glob(path + ".damaged-*"); len(aside) != 0 {
		t.Errorf("renamed: %v", aside)
	}
}

// mostlyFree returns a store whose file is worth compacting, with one message.
func mostlyFree(t *testing.T) *Store {
	t.Helper()
	s := openAt(t, newPath(t), Options{})
	body := asgi.MustMessage(asgi.Field{Key: "body", Value: make([]byte, 64<<10)})
	for range 400 {
		if err := s.Send(t.Context(), nil, "jobs", body); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, s)
	for range 399 {
		if _, ok, _ := s.Poll(t.Context(), nil, "jobs"); !ok {
			t.Fatal("lost")
		}
	}
	settle(t, s)
	return s
}

func TestMostlyFreeFileIsCompacted(t *testing.T) {
	s := mostlyFree(t)
	before, _ := os.Stat(s.path)
	s = reopen(t, s)
	after, _ := os.Stat(s.path)
	if before.Size() < compactFrom || after.Size() > before.Size()/10 {
		t.Errorf("%d bytes before, %d after", before.Size(), after.Size())
	}
	if d, ok, _ := s.Poll(t.Context(), nil, "jobs"); !ok || len(d.Message.Bytes("body")) != 64<<10 {
		t.Error("the remaining message is lost")
	}
	if left, _ := filepath.Glob(s.path + ".compact*"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// What an interrupted compaction left is replaced, and the file of another
// program is not.
func TestOnlyACopyOfAStoreIsReplacedByCompaction(t *testing.T) {
	s := mostlyFree(t)
	before, _ := os.Stat(s.path)
	for name, content := range foreignFiles(t) {
		closeStore(t, s)
		if err := os.WriteFile(compactPath(s.path), content, 0o600); err != nil {
			t.Fatal(err)
		}
		s = openAt(t, s.path, Options{})
		if got, err := os.ReadFile(compactPath(s.path)); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s was changed: %v", name, err)
		}
	}
	closeStore(t, s)
	whole := filledFile(t)
	if err := os.WriteFile(compactPath(s.path), whole[:len(whole)/2/4096*4096], 0o600); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, s.path, Options{})
	if after, _ := os.Stat(s.path); after.Size() > before.Size()/10 {
		t.Errorf("%d bytes before, %d after", before.Size(), after.Size())
	}
}

func TestSteadyLoadDoesNotGrowTheFile(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	body := asgi.MustMessage(asgi.Field{Key: "body", Value: make([]byte, 1<<10)})
	size := func() int64 { info, _ := os.Stat(s.path); return info.Size() }
	var early int64
	for round := range 60 {
		for range 100 {
			s.Send(t.Context(), nil, "jobs", body)
		}
		settle(t, s)
		for range 100 {
			s.Poll(t.Context(), nil, "jobs")
		}
		settle(t, s)
		if round == 10 {
			early = size()
		}
	}
	if size() > early*2 {
		t.Errorf("%d bytes early, %d late", early, size())
	}
}

func TestRunFileIsJSON(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	b, err := os.ReadFile(runPath(s.path))
	var r runInfo
	if err != nil || json.Unmarshal(b, &r) != nil || r.Pid != os.Getpid() {
		t.Errorf("%s %v", b, err)
	}
}
