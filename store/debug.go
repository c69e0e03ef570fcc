package store

import (
	"fmt"

	"asgibox/asgi"
)

// A Debugger inspects a store and its waiting messages. It is a separate type
// so that code that sends and receives does not depend on it.
//
// The methods that inspect change nothing. They hold the store's lock in short
// steps only, so results about many queues are not a snapshot of one moment.
// Pause, Step, Resume, Edit, Drop and Drain change what is delivered.
type Debugger struct{ store *Store }

// Debug returns a debugger of the store.
func (s *Store) Debug() *Debugger { return &Debugger{s} }

// A NoMessageError says that a message to edit or drop does not wait: it was
// delivered, has expired, or never existed.
type NoMessageError struct {
	Channel string
	ID      uint64
}

func (e *NoMessageError) Error() string {
	return fmt.Sprintf("no message %d waits on %s; it was delivered, dropped or has expired", e.ID, e.Channel)
}

// A breakpoint pauses a queue: its messages wait and do not expire.
type breakpoint struct {
	since int64 // on the store's clock
	steps int   // messages that may still pass
}

// queueName returns the name of the queue of a channel or prefix.
func queueName(channel string) (string, error) {
	if asgi.CheckPrefix(channel) == nil {
		return channel, nil
	}
	if err := asgi.CheckSend(channel); err != nil {
		return "", err
	}
	return asgi.ProcessPrefix(channel), nil
}

// held reports whether a breakpoint holds back the queue's messages.
func (q *queue) held() bool { return q.breakpoint != nil && q.breakpoint.steps == 0 }

// useStep counts a message that passed the breakpoint, if there is one.
func (q *queue) useStep() {
	if q.breakpoint != nil && q.breakpoint.steps > 0 {
		q.breakpoint.steps--
	}
}
