package asgi

import (
	"errors"
	"fmt"
)

// What a layer's calls fail with. Test with errors.Is; the types below carry
// the particulars.
var (
	// ErrChannelFull: the channel, its mailbox or the layer's memory is at
	// its bound. Sending again later may succeed.
	ErrChannelFull = errors.New("channel full")
	// ErrMessageTooLarge: the message is longer than the layer carries.
	ErrMessageTooLarge = errors.New("message too large")
	// ErrInvalidName: not a channel or group name, or not one for this call.
	ErrInvalidName = errors.New("invalid name")
	// ErrInvalidMessage: the message holds a value that no message may hold.
	ErrInvalidMessage = errors.New("invalid message")
	// ErrStoreFailed: the layer cannot write to its disk. What is volatile
	// goes on; what is durable fails until the disk recovers.
	ErrStoreFailed = errors.New("store failed")
	// ErrGone: what a delivery function answers for a connection that has
	// ended. The layer takes the channel out of its groups; the sender of a
	// message to a channel that is gone sees no error.
	ErrGone = errors.New("connection gone")
	// ErrClosed: the layer has been closed.
	ErrClosed = errors.New("channel layer closed")
	// ErrWrongType: a state call met a value of a type that it cannot work
	// on, like Incr on a text.
	ErrWrongType = errors.New("wrong type")
)

// InvalidNameError says what is wrong with a name. It is an [ErrInvalidName].
type InvalidNameError struct {
	Name   string
	Reason string
}

func (e *InvalidNameError) Error() string {
	return fmt.Sprintf("invalid name %q: %s", e.Name, e.Reason)
}

func (e *InvalidNameError) Is(target error) bool { return target == ErrInvalidName }

// InvalidMessageError says which value of a message is refused and why. It is
// an [ErrInvalidMessage].
type InvalidMessageError struct {
	Path   string // like headers[3][1]; empty for the message itself
	Reason string
}

func (e *InvalidMessageError) Error() string {
	if e.Path == "" {
		return "invalid message: " + e.Reason
	}
	return "invalid message: " + e.Path + ": " + e.Reason
}

func (e *InvalidMessageError) Is(target error) bool { return target == ErrInvalidMessage }

// MessageTooLargeError gives both sizes, in bytes. It is an [ErrMessageTooLarge].
type MessageTooLargeError struct {
	Size  int // encoded length of the message
	Limit int // the longest that is carried
}

func (e *MessageTooLargeError) Error() string {
	return fmt.Sprintf("message too large: %d bytes encoded, at most %d are carried (--max-message)", e.Size, e.Limit)
}

func (e *MessageTooLargeError) Is(target error) bool { return target == ErrMessageTooLarge }

// ChannelFullError says which channel is full and which bound was met. It is
// an [ErrChannelFull].
type ChannelFullError struct {
	Channel string
	Reason  string // like "1000 messages wait (--capacity)"
}

func (e *ChannelFullError) Error() string {
	return fmt.Sprintf("channel %q is full: %s", e.Channel, e.Reason)
}

func (e *ChannelFullError) Is(target error) bool { return target == ErrChannelFull }
