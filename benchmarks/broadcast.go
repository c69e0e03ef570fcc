package main

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ahead is how many messages may be on their way to the members at once.
const ahead = 8

// An audience is the sockets that a message to the group goes to.
type audience struct {
	members []*wsClient
	got     []atomic.Int64 // frames, by member
	copies  atomic.Int64   // frames of all
	heard   chan struct{}  // a token for each message that all have got; not sent where nobody waits
	readers sync.WaitGroup
}

// gather connects so many sockets, which answer for so long.
func gather(addr string, sockets int, life time.Duration) (*audience, error) {
	a := &audience{got: make([]atomic.Int64, sockets), heard: make(chan struct{}, ahead)}
	for i := range sockets {
		m, err := dialWebSocket(addr)
		if err != nil {
			a.close()
			return nil, err
		}
		a.members = append(a.members, m)
		if err := m.conn.SetReadDeadline(time.Now().Add(life)); err != nil {
			a.close()
			return nil, err
		}
		a.readers.Go(func() {
			for m.receive() == nil {
				a.got[i].Add(1)
				if a.copies.Add(1)%int64(sockets) == 0 {
					select {
					case a.heard <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	return a, nil
}

func (a *audience) close() {
	for _, m := range a.members {
		m.close()
	}
	a.readers.Wait()
}

// settle sends until a message has reached everybody: a server may answer a
// handshake before it counts the socket among the members.
func (a *audience) settle() error {
	for range 10 {
		before := make([]int64, len(a.got))
		for i := range a.got {
			before[i] = a.got[i].Load()
		}
		if err := a.members[0].send(); err != nil {
			return err
		}
		for begin := time.Now(); time.Since(begin) < patience/5; time.Sleep(10 * time.Millisecond) {
			all := true
			for i := range a.got {
				all = all && a.got[i].Load() > before[i]
			}
			if all {
				a.copies.Store(0)
				for len(a.heard) > 0 {
					<-a.heard
				}
				return nil
			}
		}
	}
	return errors.New("no message reached every member")
}

// broadcast connects so many sockets, sends on one of them for a while, and
// answers how many copies arrived on all of them together.
func broadcast(addr string, sockets int, span time.Duration, begin func() error) (copies int, took time.Duration, err error) {
	a, err := gather(addr, sockets, span+10*patience)
	if err != nil {
		return 0, 0, err
	}
	defer a.close()
	if err := errors.Join(a.settle(), begin()); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	timeout := time.After(span + 2*patience)
	underway := 0
	for time.Since(start) < span || underway > 0 {
		for underway < ahead && time.Since(start) < span {
			if err := a.members[0].send(); err != nil {
				return 0, 0, err
			}
			underway++
		}
		select {
		case <-a.heard:
			underway--
		case <-timeout:
			return 0, 0, errors.New("not every member got every message")
		}
	}
	return int(a.copies.Load()), time.Since(start), nil
}
