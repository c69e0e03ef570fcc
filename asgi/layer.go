package asgi

import (
	"context"
	"time"
)

// A Layer carries messages between protocol servers and workers. The package
// comment states its contract. The suite in asgi/asgitest checks it.
//
// Some layers have extensions, which are the interfaces below. Callers get them
// once, at start, with [As].
type Layer interface {
	// Send delivers a message to one reader of the channel, or queues it. It
	// never waits for a reader. A durable send waits, until ctx ends, only if
	// the journal is far behind. Send fails with [ErrChannelFull],
	// [ErrMessageTooLarge], [ErrInvalidName] or, if the message is durable,
	// [ErrStoreFailed]. Sending to a connection that has ended is not an error,
	// unless the caller passes [ReportGone].
	Send(ctx context.Context, c *Cause, channel string, m Message, opts ...SendOption) error

	// Receive waits for a message on any of the channels and returns it. It
	// is fair to all channels. It fails with the context's cause or with
	// [ErrClosed], unless a message was assigned to it before, or with
	// [ErrTooManyNames]. The cause takes the message's trace and barrier.
	Receive(ctx context.Context, c *Cause, channels ...string) (Delivery, error)

	// Poll is like Receive but does not wait: ok reports whether there was a
	// message.
	Poll(ctx context.Context, c *Cause, channels ...string) (d Delivery, ok bool, err error)

	// NewChannel returns an unused single-reader channel name. It adds random
	// characters to the pattern, which must end in "?".
	NewChannel(ctx context.Context, pattern string) (string, error)

	// Bind makes deliver the reader of every channel that begins with the
	// prefix, "name!". Senders call deliver on their goroutines, many at
	// once, in order for each sender. It must not block and must return nil,
	// [ErrChannelFull] or [ErrGone]. Messages that wait in the prefix's queue
	// are delivered first. A delivery with Probe set has no message: deliver
	// only reports whether the connection exists. If there is no room for one with Lost
	// set, its sender is not told. A connection that ends must
	// be gone for deliver before its owner calls [Groups.GroupLeave]. When unbind
	// returns, no call of deliver is running and none will start. A prefix has at most one binding.
	Bind(prefix string, deliver func(Delivery) error) (unbind func(), err error)

	// Settings returns the settings that the layer was opened with.
	Settings() Settings
}

// Settings are what a layer was opened with.
type Settings struct {
	Expiry      time.Duration // lifetime of an unread message
	GroupExpiry time.Duration // lifetime of a membership after the last add
	Capacity    int           // messages that a queue holds, unless a pattern sets another number
	MaxMessage  int           // bytes of payload that one message may carry
}

// MessageOverhead is the number of bytes by which an encoded message may
// exceed [Settings.MaxMessage], for keys and headers.
const MessageOverhead = 64 << 10

// A SendOption changes how a message is sent.
type SendOption uint8

// Volatile marks a message that is useless after a crash, so it is never
// written to disk. Protocol servers set it for messages about their sockets.
// Messages to process-specific channels are always volatile.
const Volatile SendOption = 1

// ReportGone makes [Layer.Send] fail with [ErrGone] if the connection of the
// channel has ended. Only layers that call the bound function within Send can
// report it.
const ReportGone SendOption = 2

// Lend lets the handler of a volatile message run on the goroutine that sends it:
// [Layer.Send] may return only when the handler has ended. Only protocol servers
// may set it, because a handler that sets it may run another handler. Layers
// without [Acceptors] ignore it.
const Lend SendOption = 3

// Reported says that the caller has reported the problems of the message, so
// that its reader does not report them again. Layers may ignore it.
const Reported SendOption = 4

// Lasting makes an unread message expire after [LastingExpiry] instead of the
// expiry of the layer, if that is shorter. Protocol servers set it for the pieces of
// a request body, because a handler may take long before it reads them. Layers may
// ignore it. A message that is delayed, held by chaos or sent to a group ignores it.
const Lasting SendOption = 5

// LastingExpiry is the lifetime of an unread message that was sent with [Lasting].
const LastingExpiry = 24 * time.Hour

// A Delivery is a message for its reader, with its metadata.
type Delivery struct {
	Channel  string // the full name, also if received from a prefix
	Message  Message
	Barrier  Barrier   // of the sender: output that follows from the message waits for it
	Trace    TraceID   // of the sender
	Deadline time.Time // when the message expires if it is not received
	Volatile bool
	Lasting  bool
	Reported bool    // the sender has reported the problems of the message
	ID       uint64  // number that the layer gave the message; zero if it gives none
	Probe    bool    // there is no message; see [Layer] Bind
	Shared   *Shared // of all copies of a message to a group; nil if there is none
	Lost     bool    // the sender is not told if there is no room; see [Layer] Bind
}

// Groups is the extension "groups", for sending a message to many channels.
type Groups interface {
	// GroupAdd makes the channel a member, or renews its membership. It fails
	// with [ErrChannelFull] if the groups take too much memory. A channel whose
	// connection is known to have ended does not become a member; that is not an
	// error.
	GroupAdd(ctx context.Context, c *Cause, group, channel string) error
	// GroupDiscard ends a membership, if there is one.
	GroupDiscard(ctx context.Context, c *Cause, group, channel string) error
	// GroupLeave ends all memberships of a channel whose connection has ended.
	GroupLeave(ctx context.Context, c *Cause, channel string) error
	// GroupChannels returns the current members, each once.
	GroupChannels(ctx context.Context, c *Cause, group string) ([]string, error)
	// SendGroup sends one copy to each member. It skips and counts members
	// that are full, so it never fails with [ErrChannelFull].
	SendGroup(ctx context.Context, c *Cause, group string, m Message, opts ...SendOption) error
}

// Flusher is the extension "flush".
type Flusher interface {
	// Flush drops all queued and delayed messages and all groups. No reader
	// receives one of these messages after it returns. Waiting readers
	// continue to wait. Messages in mailboxes, state and sessions remain.
	Flush(ctx context.Context, c *Cause) error
}

// Statistics is the extension "statistics".
type Statistics interface {
	GlobalStatistics(ctx context.Context) (Stats, error)
	ChannelStatistics(ctx context.Context, channel string) (Stats, error)
}

// Stats are the statistics of one channel or of all channels.
type Stats struct {
	MessagesCount             uint64  // sends since the layer was opened
	MessagesCountPerSecond    float64 // over the last few seconds
	MessagesPending           int     // queued now
	MessagesMaxAge            time.Duration
	ChannelFullCount          uint64 // sends to a full channel since the layer was opened
	ChannelFullCountPerSecond float64
}

// Later is the extension "delay", for sending a message at a given time.
type Later interface {
	// SendLater sends the message at the time due, never earlier. If the
	// channel is full then, the layer retries until the message expires; the
	// expiry starts at due. SendLater fails as Send does. [ErrChannelFull]
	// means that too many messages wait (the capacity of asgi.delay).
	SendLater(ctx context.Context, c *Cause, due time.Time, channel string, m Message) error
}

// PutBack is the extension "putback", for servers that receive messages on
// behalf of other readers.
type PutBack interface {
	// PutBack returns a delivery that no reader has seen to the head of its
	// queue. The deadline does not change.
	PutBack(d Delivery) error
}

// Readers is the extension "readers".
type Readers interface {
	// HasReader reports whether a reader waits on the channel, has polled or
	// received from it within the layer's expiry, or has bound it. If the
	// channel of a connection is bound, HasReader reports whether the
	// connection exists.
	HasReader(channel string) bool
}

// Ticker is the extension "ticker", for work that one of all the processes on a
// layer does in each interval. Intervals begin at multiples of their length, on a
// clock that all processes share.
type Ticker interface {
	// Tick reports whether no other call for the name has been first in the
	// present interval, and the time until the next interval. Name is any text
	// of 1 to 1,024 bytes.
	Tick(ctx context.Context, name string, every time.Duration) (first bool, next time.Duration, err error)
}

// KV is the extension "state": values by key, for state, sessions and
// settings that survive a restart. A key is any text of 1 to 1,024 bytes. Storing a
// durable value waits, until ctx ends, only if the journal is far behind.
// Callers use prefixes to keep their keys separate. Values have the same types
// and the same size limit as messages. A layer may limit the values together:
// then Set, Incr, Append and Swap fail with [ErrStateFull] if a value would
// exceed the limit. Instead, it may discard values whose keys begin with
// [SessionPrefix] or [PeerPrefix]: first those that no Get has ever returned, then
// those whose last use is the longest ago.
type KV interface {
	// Get returns the value and reports whether there is one.
	Get(ctx context.Context, c *Cause, key string) (any, bool, error)
	// Set stores a value. If ttl is above zero, the value expires after that time.
	// A Volatile value is held in memory only.
	Set(ctx context.Context, c *Cause, key string, value any, ttl time.Duration, opts ...SendOption) error
	// Delete removes a value, if there is one.
	Delete(ctx context.Context, c *Cause, key string) error
	// Incr adds n to an integer and returns the sum. A missing value counts
	// as 0. It fails with [ErrWrongType] if the value is not an integer or
	// the sum overflows 64 bits.
	Incr(ctx context.Context, c *Cause, key string, n int64) (int64, error)
	// Append adds a value to the end of a list and returns the list. A
	// missing value counts as an empty list. If keep is above zero, only the
	// newest keep items remain. It fails with [ErrWrongType] if the stored
	// value is not a list.
	Append(ctx context.Context, c *Cause, key string, value any, keep int) (List, error)
	// Keys returns the keys with the prefix, sorted.
	Keys(ctx context.Context, c *Cause, prefix string) ([]string, error)
	// Swap sets new if the current value equals old, and reports whether it
	// did. [Absent] as old or new means no value. The time to live does not
	// change.
	Swap(ctx context.Context, c *Cause, key string, old, new any) (bool, error)
}

// Absent means "no value" in [KV] Swap.
var Absent = absent{}

type absent struct{}
