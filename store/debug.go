package store

import (
	"fmt"

	"asgibox/asgi"
)

// A Debugger looks into a store and takes hold of what waits there. It is a
// type of its own so that nobody who merely sends and receives can lean on it.
//
// Looking changes nothing and holds the store's lock in short steps only, so
// what it answers of many queues was not all true at one moment. Acting, on
// the other hand (Pause, Step, Edit, Drop, Drain), is for people who debug.
type Debugger struct{ store *Store }

// Debug answers the store's introspection door.
func (s *Store) Debug() *Debugger { return &Debugger{s} }

// A NoMessageError says that what was to be edited or dropped no longer waits:
// it was delivered, has expired, or never was.
type NoMessageError struct {
	Channel string
	ID      uint64
}

func (e *NoMessageError) Error() string {
	return fmt.Sprintf("message %d does not wait on %s any more", e.ID, e.Channel)
}

// A breakpoint stops a queue: what is sent to it waits, and nothing expires.
type breakpoint struct {
	since int64 // on the store's clock
	steps int   // messages that may pass nevertheless
}

// queueOf answers a queue by a name of a channel, a prefix or a connection.
func queueName(channel string) (string, error) {
	if asgi.CheckPrefix(channel) == nil {
		return channel, nil
	}
	if err := asgi.CheckSend(channel); err != nil {
		return "", err
	}
	return asgi.ProcessPrefix(channel), nil
}

// held reports whether a breakpoint keeps the queue's messages from readers.
func (q *queue) held() bool { return q.breakpoint != nil && q.breakpoint.steps == 0 }

// passed notes that a message was taken past the breakpoint, if there is one.
func (q *queue) useStep() {
	if q.breakpoint != nil && q.breakpoint.steps > 0 {
		q.breakpoint.steps--
	}
}
