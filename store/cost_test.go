package store

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

func TestHandOffToAParkedReaderAllocatesAtMostTwice(t *testing.T) {
	s := openMemory(t, Options{})
	m := payload(200)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := s.Receive(ctx, nil, "jobs"); err != nil {
				return
			}
		}
	}()
	allocs := testing.AllocsPerRun(1000, func() {
		for !parked(s, "jobs") {
			runtime.Gosched()
		}
		if err := s.Send(ctx, nil, "jobs", m, asgi.Volatile); err != nil {
			t.Error(err)
		}
	})
	stop()
	<-done
	if allocs > 2 {
		t.Errorf("%v allocations a hand-off", allocs)
	}
}

func TestQueuedMessageTakesAtMostThreeTimesItsEncodedLength(t *testing.T) {
	const n = 20_000
	s := openMemory(t, Options{Capacity: n})
	before := heapInUse()
	for range n {
		if err := s.Send(t.Context(), nil, "jobs", payload(200), asgi.Volatile); err != nil {
			t.Fatal(err)
		}
	}
	taken, counted, encoded := int(heapInUse()-before)/n, s.memory/n, payload(200).Size()
	if taken > 3*encoded {
		t.Errorf("a message of %d bytes encoded takes %d", encoded, taken)
	}
	if counted < taken*9/10 || counted > taken*3/2 {
		t.Errorf("a message takes %d bytes and counts as %d against --memory", taken, counted)
	}
	runtime.KeepAlive(s)
}

func TestDelayedMessageSurvivesARestartWithItsDueTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openAt(t, newPath(t), Options{})
		start := time.Now()
		if err := s.Send(t.Context(), nil, "asgi.delay", delayMessage("jobs", 90_000, 7)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		s = reopen(t, s)
		d, err := s.Receive(t.Context(), nil, "jobs")
		if err != nil || d.Message.Int("n") != 7 || time.Since(start) != 90*time.Second {
			t.Errorf("%v %v after %v", d, err, time.Since(start))
		}
	})
}

func TestDelayedMessageDueWhileTheStoreWasDownComesAtOnceAndThenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openAt(t, newPath(t), Options{})
		s.SendLater(t.Context(), nil, time.Now().Add(time.Minute), "jobs", number(1))
		closeStore(t, s)
		time.Sleep(time.Hour)
		s = openAt(t, s.path, Options{})
		synctest.Wait()
		time.Sleep(59 * time.Second)
		s = reopen(t, s)
		wantPoll(t, s, 1, "jobs")
	})
}

func TestSyncNoneCommitsWithoutFsync(t *testing.T) {
	for _, noSync := range []bool{false, true} {
		s := openAt(t, newPath(t), Options{NoSync: noSync})
		if s.db.NoSync != noSync {
			t.Errorf("NoSync %v: bbolt's is %v", noSync, s.db.NoSync)
		}
		send(t, s, "jobs", 1)
		s = reopen(t, s)
		wantPoll(t, s, 1, "jobs")
	}
}

func TestCloseSettlesEveryBarrier(t *testing.T) {
	for name, failure := range map[string]error{"passed": nil, "failed": errNoSpace} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, disk := openFaulty(t)
				disk.set(failure, false)
				c := asgi.NewCause(0)
				send(t, s, "jobs", 0)
				s.Set(t.Context(), c, "state/x", 1, 0)
				outcome := make(chan error, 1)
				c.Barrier().Notify(func(err error) { outcome <- err })
				err := s.Close(context.Background())
				if (err != nil) != (failure != nil) {
					t.Errorf("close: %v", err)
				}
				select {
				case err := <-outcome:
					if (err != nil) != (failure != nil) {
						t.Errorf("the barrier: %v", err)
					}
				default:
					t.Error("the barrier still waits after Close")
				}
			})
		})
	}
}
