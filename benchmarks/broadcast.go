package main

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// maxUnderway is the number of messages that may be underway to the members.
const maxUnderway = 8

// An audience is the sockets that receive messages to the group.
type audience struct {
	members  []*wsClient
	got      []atomic.Int64 // received frames, by member
	copies   atomic.Int64   // received frames of all members
	complete chan struct{}  // gets a value when all members have received a message; values are dropped if it is full
	readers  sync.WaitGroup
}

// connectAll connects the given number of sockets, which receive for the given
// time.
func connectAll(addr string, sockets int, life time.Duration) (*audience, error) {
	a := &audience{got: make([]atomic.Int64, sockets), complete: make(chan struct{}, maxUnderway)}
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
					case a.complete <- struct{}{}:
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

// settle sends until a message has reached all members. A server may accept a
// handshake before it adds the socket to the group.
func (a *audience) settle() error {
	for range 10 {
		before := make([]int64, len(a.got))
		for i := range a.got {
			before[i] = a.got[i].Load()
		}
		if err := a.members[0].send(); err != nil {
			return err
		}
		for start := time.Now(); time.Since(start) < timeLimit/5; time.Sleep(10 * time.Millisecond) {
			all := true
			for i := range a.got {
				all = all && a.got[i].Load() > before[i]
			}
			if all {
				a.copies.Store(0)
				for len(a.complete) > 0 {
					<-a.complete
				}
				return nil
			}
		}
	}
	return errors.New("no message reached every member")
}

// broadcast connects the given number of sockets and sends on one of them for the
// given span. It returns the number of copies that all members received together.
// It calls started when the measurement starts.
func broadcast(addr string, sockets int, span time.Duration, started func() error) (copies int, took time.Duration, err error) {
	a, err := connectAll(addr, sockets, span+10*timeLimit)
	if err != nil {
		return 0, 0, err
	}
	defer a.close()
	if err := errors.Join(a.settle(), started()); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	timeout := time.After(span + 2*timeLimit)
	underway := 0
	for time.Since(start) < span || underway > 0 {
		for underway < maxUnderway && time.Since(start) < span {
			if err := a.members[0].send(); err != nil {
				return 0, 0, err
			}
			underway++
		}
		select {
		case <-a.complete:
			underway--
		case <-timeout:
			return 0, 0, errors.New("not every member received every message")
		}
	}
	return int(a.copies.Load()), time.Since(start), nil
}
