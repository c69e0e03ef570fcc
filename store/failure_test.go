package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

func TestFailedWriteFailsDurableCallsUntilAWriteSucceeds(t *testing.T) {
	for name, after := range map[string]bool{"nothing was written": false, "everything was written": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, disk := openFaulty(t)
				ctx := t.Context()
				send(t, s, "jobs", 0)
				s.Set(ctx, nil, "state/x", "before", 0)
				settle(t, s)
				disk.set(errNoSpace, after)
				c := asgi.NewCause(0)
				if err := s.Send(ctx, c, "jobs", number(1)); err != nil {
					t.Fatal(err)
				}
				outcome := make(chan error, 1)
				start := time.Now()
				c.Barrier().Notify(func(err error) { outcome <- err })
				synctest.Wait()

				for call, err := range map[string]error{
					"send":       s.Send(ctx, nil, "jobs", number(2)),
					"send later": s.SendLater(ctx, nil, time.Now(), "jobs", number(2)),
					"group add":  s.GroupAdd(ctx, nil, "room", "jobs"),
					"set":        s.Set(ctx, nil, "state/x", 1, 0),
					"delete":     s.Delete(ctx, nil, "state/x"),
					"flush":      s.Flush(ctx, nil),
				} {
					if !errors.Is(err, asgi.ErrStoreFailed) || !errors.Is(err, errNoSpace) {
						t.Errorf("%s: %v", call, err)
					}
				}
				for call, err := range map[string]error{
					"volatile send":    s.Send(ctx, nil, "http.request", number(2), asgi.Volatile),
					"reply":            s.Send(ctx, nil, "reply!a", number(2)),
					"join of a socket": s.GroupAdd(ctx, nil, "room", "reply!a"),
					"group of sockets": s.SendGroup(ctx, nil, "room", number(3)),
					"volatile value":   s.Set(ctx, nil, "channel/x", 1, 0, asgi.Volatile),
				} {
					if err != nil {
						t.Errorf("%s: %v", call, err)
					}
				}
				wantValue(t, s, "state/x", "before")
				wantPoll(t, s, 0, "jobs")
				if err := <-outcome; !errors.Is(err, asgi.ErrStoreFailed) || time.Since(start) != 10*time.Second {
					t.Errorf("the output's barrier: %v after %v", err, time.Since(start))
				}

				disk.set(nil, false)
				if err := c.Barrier().Wait(ctx); err != nil {
					t.Errorf("after space came back: %v", err)
				}
				send(t, s, "jobs", 3)
				s = reopen(t, s)
				wantPoll(t, s, 1, "jobs")
				wantPoll(t, s, 3, "jobs")
				wantPoll(t, s, -1, "jobs")
			})
		})
	}
}

func TestFailedSyncIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faulty := &faultyDisk{}
		s, err := open(newPath(t), Options{}, func(d disk) disk { faulty.disk = d; return faulty })
		if err != nil {
			t.Fatal(err)
		}
		faulty.set(errSync, true)
		c := asgi.NewCause(0)
		s.Send(t.Context(), c, "jobs", number(1))
		if err := c.Barrier().Wait(t.Context()); !errors.Is(err, asgi.ErrStoreFailed) {
			t.Errorf("err = %v", err)
		}
		faulty.set(nil, false)
		time.Sleep(time.Minute)
		if err := s.Send(t.Context(), nil, "jobs", number(2)); !errors.Is(err, asgi.ErrStoreFailed) {
			t.Errorf("err = %v", err)
		}
		if faulty.commits != 1 {
			t.Errorf("%d commits: the store tried again", faulty.commits)
		}
		if err := c.Barrier().Wait(t.Context()); !errors.Is(err, asgi.ErrStoreFailed) {
			t.Errorf("err = %v", err)
		}
		if err := s.Close(context.Background()); !errors.Is(err, asgi.ErrStoreFailed) {
			t.Errorf("close: %v", err)
		}
	})
}

func TestDurableSendWaitsForAJournalFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk := openFaulty(t)
		hold := make(chan struct{})
		disk.hold = hold
		body := asgi.MustMessage(asgi.Field{Key: "body", Value: make([]byte, 1<<20)})
		send := func(ctx context.Context) error { return s.Send(ctx, nil, "jobs", body) }
		for range stagedLimit >> 20 {
			if err := send(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, gone)
		defer cancel()
		if err := send(ctx); err != gone {
			t.Errorf("err = %v", err)
		}
		s.Set(t.Context(), nil, "state/x", 1, 0, asgi.Volatile) // does not wait
		wantTaken(t, s)
		waited := make(chan error)
		go func() { waited <- send(t.Context()) }()
		synctest.Wait()
		select {
		case <-waited:
			t.Error("the send did not wait")
		default:
		}
		close(hold)
		if err := <-waited; err != nil {
			t.Error(err)
		}
	})
}

func wantTaken(t testing.TB, s *Store) {
	t.Helper()
	if _, ok, err := s.Poll(t.Context(), nil, "jobs"); !ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
}

func TestBarrierIsNotCalledAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk := openFaulty(t)
		hold := make(chan struct{})
		disk.hold = hold
		c := asgi.NewCause(0)
		s.Send(t.Context(), c, "jobs", number(1))
		called := 0
		stop := c.Barrier().Notify(func(error) { called++ })
		c.Barrier().Notify(func(error) { called += 10 })
		synctest.Wait()
		stop()
		stop()
		close(hold)
		synctest.Wait()
		if called != 10 {
			t.Errorf("called = %d", called)
		}
	})
}

func TestSlowDiskFailsBarriersInTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk := openFaulty(t)
		hold := make(chan struct{})
		disk.hold = hold
		c := asgi.NewCause(0)
		s.Send(t.Context(), c, "jobs", number(1))
		start := time.Now()
		if err := c.Barrier().Wait(t.Context()); !errors.Is(err, asgi.ErrStoreFailed) || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		close(hold)
	})
}

func TestReadingUnwrittenDataRaisesTheReadersBarrier(t *testing.T) {
	s, disk := openFaulty(t)
	ctx := t.Context()
	s.Set(ctx, nil, "state/old", 1, 0)
	settle(t, s)
	hold := make(chan struct{})
	disk.mu.Lock()
	disk.hold = hold
	disk.mu.Unlock()
	s.Set(ctx, nil, "state/x", 1, 0)
	s.Send(ctx, nil, "jobs", number(1))
	s.GroupAdd(ctx, nil, "room", "jobs")
	for call, read := range map[string]func(c *asgi.Cause){
		"get":            func(c *asgi.Cause) { s.Get(ctx, c, "state/x") },
		"get of nothing": func(c *asgi.Cause) { s.Get(ctx, c, "state/y") },
		"keys":           func(c *asgi.Cause) { s.Keys(ctx, c, "state/") },
		"failed swap":    func(c *asgi.Cause) { s.Swap(ctx, c, "state/x", 7, 8) },
		"group channels": func(c *asgi.Cause) { s.GroupChannels(ctx, c, "room") },
	} {
		c := asgi.NewCause(0)
		read(c)
		if c.Barrier().Passed() {
			t.Errorf("%s: the barrier was not raised", call)
		}
	}
	for _, call := range []string{"a poll that takes", "a poll that finds nothing"} {
		c := asgi.NewCause(0)
		s.Poll(ctx, c, "jobs")
		if c.Barrier().Passed() {
			t.Errorf("%s: the barrier was not raised, though a crash may bring the message back", call)
		}
	}
	c := asgi.NewCause(0)
	s.Get(ctx, c, "state/old")
	if !c.Barrier().Passed() {
		t.Error("reading a value that is on disk raised the barrier")
	}
	close(hold)
}

func TestMessageBringsItsSendersBarrier(t *testing.T) {
	s, disk := openFaulty(t)
	ctx := t.Context()
	disk.mu.Lock()
	disk.hold = make(chan struct{})
	hold := disk.hold
	disk.mu.Unlock()
	sender := asgi.NewCause(3)
	s.Set(ctx, sender, "state/x", 1, 0)
	s.Send(ctx, sender, "work", number(1), asgi.Volatile)
	reader := asgi.NewCause(0)
	d, _, _ := s.Poll(ctx, reader, "work")
	if reader.Barrier().Passed() || d.Barrier != reader.Barrier() || reader.Trace() != 3 {
		t.Errorf("barrier %v, trace %v", reader.Barrier(), reader.Trace())
	}
	var pushed asgi.Delivery
	unbind, _ := s.Bind("reply!", func(d asgi.Delivery) error { pushed = d; return nil })
	defer unbind()
	s.Send(ctx, reader, "reply!a", number(2))
	if pushed.Barrier.Passed() {
		t.Error("the reply does not have its sender's barrier")
	}
	close(hold)
	if err := pushed.Barrier.Wait(ctx); err != nil {
		t.Error(err)
	}
}

// TestChangesWaitForASlowDisk checks that changes of values and memberships wait while
// too much is staged, as durable sends do.
func TestChangesWaitForASlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk := openFaulty(t)
		hold := make(chan struct{})
		disk.mu.Lock()
		disk.hold = hold
		disk.mu.Unlock()
		const all = 200
		data := strings.Repeat("x", 1<<20)
		var set atomic.Int64
		go func() {
			for i := range all {
				s.Set(t.Context(), nil, fmt.Sprint(asgi.SessionPrefix, i), data, 0)
				set.Add(1)
			}
		}()
		synctest.Wait()
		if n := set.Load(); n > stagedLimit>>20+4 {
			t.Errorf("%d MiB of values were set while the disk wrote nothing", n)
		}
		s.journal.mu.Lock()
		for _, b := range s.journal.batches {
			for _, o := range b.ops {
				if o.kind == opNoValue && o.item.(*keyValue).data != nil {
					t.Error("a deletion keeps the deleted value")
				}
			}
		}
		s.journal.mu.Unlock()
		joined := make(chan error, 1)
		go func() { joined <- s.GroupAdd(t.Context(), nil, "room", "jobs") }()
		synctest.Wait()
		if len(joined) > 0 {
			t.Error("a durable membership did not wait")
		}
		if err := s.GroupAdd(t.Context(), nil, "room", "reply!a"); err != nil {
			t.Error(err)
		}
		if err := s.Set(t.Context(), nil, "channel/x", 1, 0, asgi.Volatile); err != nil {
			t.Error(err)
		}
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Incr(limited, nil, "state/n", 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("incr: %v", err)
		}
		close(hold)
		if err := <-joined; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := set.Load(); n != all {
			t.Errorf("%d values were set, not %d", n, all)
		}
	})
}
