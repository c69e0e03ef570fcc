package main

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ahead is how many messages may be on their way to the members at once.
const ahead = 8

// broadcast connects so many sockets, sends on one of them for a while, and
// answers how many copies arrived on all of them together.
func broadcast(addr string, sockets int, span time.Duration, begin func() error) (copies int, took time.Duration, err error) {
	members := make([]*wsClient, sockets)
	for i := range members {
		if members[i], err = dialWebSocket(addr); err != nil {
			return 0, 0, err
		}
	}
	room := make(chan struct{}, ahead)
	var arrived atomic.Int64
	var readers sync.WaitGroup
	for _, m := range members {
		if err := m.conn.SetReadDeadline(time.Now().Add(span + patience)); err != nil {
			return 0, 0, err
		}
		readers.Go(func() {
			for m.receive() == nil {
				if arrived.Add(1)%int64(sockets) == 0 {
					<-room
				}
			}
		})
	}
	defer func() {
		for _, m := range members {
			m.close()
		}
		readers.Wait()
	}()
	if err := begin(); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	timeout := time.After(span + patience)
	for time.Since(start) < span {
		select {
		case room <- struct{}{}:
		case <-timeout:
			return 0, 0, errors.New("not every member got every message")
		}
		if err := members[0].send(); err != nil {
			return 0, 0, err
		}
	}
	for range ahead { // wait for what is on its way
		select {
		case room <- struct{}{}:
		case <-timeout:
			return 0, 0, errors.New("not every member got every message")
		}
	}
	return int(arrived.Load()), time.Since(start), nil
}
