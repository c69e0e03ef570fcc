package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"asgibox/asgi"
)

// names returns n names that no other list has.
func names(number, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("list%d.%d", number, i)
	}
	return all
}

// waitOn starts a receive, and returns its end.
func waitOn(t testing.TB, s *Store, channels []string) (end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := s.Receive(ctx, nil, channels...)
		done <- err
	}()
	synctest.Wait()
	return func() error { cancel(); return <-done }
}

func queueCount(s *Store) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queues)
}

func TestARefusedReceiveCreatesNoQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		for range asgi.MaxWaitingNames / asgi.MaxReceive {
			waitOn(t, s, names(0, asgi.MaxReceive))
		}
		for n := range 3 {
			if err := waitOn(t, s, names(n+1, asgi.MaxReceive))(); !errors.Is(err, asgi.ErrTooManyNames) {
				t.Errorf("err = %v", err)
			}
		}
		if n := queueCount(s); n != asgi.MaxReceive {
			t.Errorf("there are %d queues", n)
		}
		for range 1000 { // have few names
			waitOn(t, s, []string{"jobs"})
		}
		send(t, s, "jobs", 1)
	})
}

func TestQueuesOfALongListGoWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		before := waitOn(t, s, names(0, asgi.MaxReceive))
		used := names(1, 5000)
		send(t, s, used[0], 1)
		if _, _, err := s.Poll(t.Context(), nil, used...); err != nil { // takes the message
			t.Fatal(err)
		}
		for n := 2; n < 6; n++ {
			if err := waitOn(t, s, names(n, 5000))(); !errors.Is(err, context.Canceled) {
				t.Errorf("err = %v", err)
			}
			if _, _, err := s.Poll(t.Context(), nil, names(n, 5000)...); err != nil {
				t.Fatal(err)
			}
		}
		if n := queueCount(s); n != asgi.MaxReceive+1 {
			t.Errorf("%d queues remain", n)
		}
		if err := before(); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		if !s.HasReader("list0.9999") {
			t.Error("a store with few queues has forgotten a reader")
		}
	})
}

func TestEveryEndOfAReceiveMakesRoomForNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		many := names(0, 20)
		_ = waitOn(t, s, many)()
		for _, channels := range [][]string{many, many[:1]} {
			end := waitOn(t, s, channels)
			send(t, s, channels[0], 1) // it waits
			if err := end(); err != nil {
				t.Error(err)
			}
			send(t, s, channels[0], 2)
			if err := waitOn(t, s, channels)(); err != nil {
				t.Error(err)
			}
		}
		ran := make(chan error, 1)
		go func() {
			first := true
			_, _, err := s.ReceiveOrRun(t.Context(), nil, func(asgi.Delivery) []string {
				if first {
					first = false
					return many // more than before
				}
				return nil
			}, "jobs")
			ran <- err
		}()
		synctest.Wait()
		for _, channel := range []string{"jobs", many[3]} {
			if err := s.Send(t.Context(), nil, channel, text("a"), asgi.Volatile, asgi.Lend); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-ran; err != nil {
			t.Error(err)
		}
		end := waitOn(t, s, many)
		closeStore(t, s)
		if err := end(); !errors.Is(err, asgi.ErrClosed) {
			t.Errorf("err = %v", err)
		}
		for _, n := range []int{1, asgi.MaxReceive} {
			for range asgi.MaxWaitingNames / n {
				if err := s.waitingNames.Add(n); err != nil {
					t.Fatal("the names of an ended receive are still counted")
				}
			}
		}
	})
}
