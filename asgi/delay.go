package asgi

import (
	"fmt"
	"time"
)

// ParseDelay returns what a message to [DelayChannel] asks for: to send content to
// channel after a delay. It fails if the message is invalid, but returns the
// channel if it has one.
func ParseDelay(m Message) (channel string, delay time.Duration, content Message, err error) {
	channel = m.Octets(KeyChannel)
	if err := CheckTarget(channel); err != nil {
		return channel, 0, Message{}, err
	}
	ms, ok := m.Get(KeyDelay)
	n, isInt := ms.(int64)
	if !ok || !isInt || n <= 0 || n > maxDelay {
		return channel, 0, Message{}, &InvalidMessageError{Path: KeyDelay, Reason: fmt.Sprintf("must be an integer, the number of milliseconds, from 1 to %d", maxDelay)}
	}
	v, _ := m.Get(KeyContent)
	dict, ok := v.(Dict)
	if !ok {
		return channel, 0, Message{}, &InvalidMessageError{Path: KeyContent, Reason: "must be a dict"}
	}
	content, err = AsMessage(dict)
	return channel, time.Duration(n) * time.Millisecond, content, err
}

// maxDelay is 100 years in milliseconds. Due times must fit in 64 bits of
// nanoseconds.
const maxDelay = int64(100 * 365 * 24 * time.Hour / time.Millisecond)
