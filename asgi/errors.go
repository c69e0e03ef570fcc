package asgi

import (
	"errors"
	"fmt"
)

// Errors of a layer's calls. Test for them with errors.Is. The types below
// carry the details.
var (
	// ErrChannelFull: the channel, its mailbox or the layer's memory has
	// reached its limit. Sending again later may succeed.
	ErrChannelFull = errors.New("channel full")
	// ErrMessageTooLarge: the encoded message is longer than the layer allows.
	ErrMessageTooLarge = errors.New("message too large")
	// ErrStateFull: the values of state have reached the layer's limit.
	// Shorter values are still stored.
	ErrStateFull = errors.New("state full")
	// ErrInvalidName: the name is not a channel or group name, or is of the
	// wrong kind for this call.
	ErrInvalidName = errors.New("invalid name")
	// ErrInvalidMessage: the message holds a value that is not allowed.
	ErrInvalidMessage = errors.New("invalid message")
	// ErrTooManyNames: the receives that wait name too many channels together.
	// Receiving again later may succeed.
	ErrTooManyNames = errors.New("too many names")
	// ErrStoreFailed: the layer cannot write to its disk. Durable calls fail
	// until the disk recovers; volatile ones still work.
	ErrStoreFailed = errors.New("store failed")
	// ErrUncertain: the layer lost its connection during the call, so the call may
	// have been made. A call that is repeated could be made twice. The error is an
	// ErrStoreFailed, too.
	ErrUncertain = errors.New("the call may have been made")
	// ErrGone: a delivery function returns it for a connection that has
	// ended. The layer removes the channel from its groups. The sender gets
	// the error only if it passed [ReportGone].
	ErrGone = errors.New("connection gone")
	// ErrClosed: the layer has been closed.
	ErrClosed = errors.New("channel layer closed")
	// ErrWrongType: the stored value has the wrong type for a state call,
	// like a text for Incr.
	ErrWrongType = errors.New("wrong type")
)

// InvalidNameError reports what is wrong with a name. It is an [ErrInvalidName].
type InvalidNameError struct {
	Name   string
	Reason string
}

func (e *InvalidNameError) Error() string {
	return fmt.Sprintf("invalid name %q: %s", e.Name, e.Reason)
}

func (e *InvalidNameError) Is(target error) bool { return target == ErrInvalidName }

// InvalidMessageError reports which value of a message is not allowed and why.
// It is an [ErrInvalidMessage].
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
	Limit int // the longest that is allowed
}

func (e *MessageTooLargeError) Error() string {
	return fmt.Sprintf("message too large: %d bytes encoded, the limit is %d (--max-message)", e.Size, e.Limit)
}

func (e *MessageTooLargeError) Is(target error) bool { return target == ErrMessageTooLarge }

// ChannelFullError reports which channel is full and which limit it reached. It
// is an [ErrChannelFull].
type ChannelFullError struct {
	Channel string
	Reason  string // like "1000 messages wait (--capacity)"
	// Read, if not nil, returns about how many bytes the client of a connection has
	// read. It may be called from any goroutine.
	Read func() int64
}

func (e *ChannelFullError) Error() string {
	return fmt.Sprintf("channel %q is full: %s", e.Channel, e.Reason)
}

func (e *ChannelFullError) Is(target error) bool { return target == ErrChannelFull }
