package redisstore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"asgibox/asgi"
)

// A message that comes for one of many channels is taken without naming the others, and
// each reader gets those of its channels.
func TestReadersOfManyChannels(t *testing.T) {
	t.Parallel()
	l := open(t, sharedServer(t), Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const readers, each = 3, manyNames
	received := make(chan error, readers)
	for i := range readers {
		var channels []string
		for n := range each {
			channels = append(channels, fmt.Sprintf("c%d-%d", i, n))
		}
		go func() {
			for range each {
				d, err := l.Receive(ctx, nil, channels...)
				if err == nil && d.Message.Int("n") != int64(i) {
					err = fmt.Errorf("reader %d got a message for %d", i, d.Message.Int("n"))
				}
				if err != nil {
					received <- err
					return
				}
			}
			received <- nil
		}()
	}
	for n := range each {
		for i := range readers {
			if err := l.Send(ctx, nil, fmt.Sprintf("c%d-%d", i, n), numbered(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range readers {
		if err := <-received; err != nil {
			t.Error(err)
		}
	}
}

func TestATakeNamesOnlyTheChannelThatWasFoundAmongMany(t *testing.T) {
	t.Parallel()
	l := open(t, sharedServer(t), Options{})
	r := newReader(l.hosts[0]) // without its goroutine
	defer r.line.close()
	var channels []string
	for n := range manyNames + 1 {
		channels = append(channels, fmt.Sprint("c", n))
	}
	w := &waiter{ready: make(chan asgi.Delivery, 1)}
	r.add(w, channels)
	other := &waiter{ready: make(chan asgi.Delivery, 1)}
	r.add(other, channels)
	for _, channel := range []string{"c1", "c2", "c2"} {
		if err := l.Send(t.Context(), nil, channel, numbered(1)); err != nil {
			t.Fatal(err)
		}
	}
	list, element, _, err := r.line.pop([]string{l.listKey("c2")})
	if err != nil || list != l.listKey("c2") {
		t.Fatal(list, err)
	}
	if n, err := r.take(r.begin(), "c2", element); n != 2 || err != nil {
		t.Fatalf("%d messages, %v", n, err)
	}
	for _, w := range []*waiter{w, other} {
		if d := <-w.ready; d.Channel != "c2" {
			t.Errorf("a message of %s was taken", d.Channel)
		}
	}
}

func TestReceivesOnRedisNameFewChannels(t *testing.T) {
	t.Parallel()
	l := open(t, sharedServer(t), Options{})
	if err := l.waitingNames.Add(maxWaitingNames); err != nil {
		t.Fatal(err)
	}
	defer l.waitingNames.Remove(maxWaitingNames)
	channels := make([]string, 20)
	for i := range channels {
		channels[i] = fmt.Sprint("c", i)
	}
	if _, err := l.Receive(t.Context(), nil, channels...); !errors.Is(err, asgi.ErrTooManyNames) {
		t.Errorf("err = %v", err)
	}
}
