package asgi

import (
	"context"
	"time"
)

// A Layer carries messages between protocol servers and workers. The package
// comment states its contract; the suite in asgi/asgitest checks it.
//
// What some layers can do besides is in the extensions below, asserted once
// at start.
type Layer interface {
	// Send gives a message to one reader of the channel, or queues it. It
	// never waits for a reader. It fails with [ErrChannelFull],
	// [ErrMessageTooLarge], [ErrInvalidName] or, if the message is durable,
	// [ErrStoreFailed]. Sending to a connection that is gone is no error. A
	// durable send waits, as long as ctx allows, only if the journal is far
	// behind.
	Send(ctx context.Context, c *Cause, channel string, m Message, opts ...SendOption) error

	// Receive waits for a message on any of the channels, for which it is
	// fair to each, and takes it. It ends with the context's cause, or
	// [ErrClosed]; a message that was assigned to it before is returned all
	// the same. The cause takes the message's trace and barrier.
	Receive(ctx context.Context, c *Cause, channels ...string) (Delivery, error)

	// Poll is Receive that does not wait for a message: ok tells whether
	// there was one.
	Poll(ctx context.Context, c *Cause, channels ...string) (d Delivery, ok bool, err error)

	// NewChannel answers a single-reader channel name, made from a pattern
	// that ends in "?", that nobody uses now.
	NewChannel(ctx context.Context, pattern string) (string, error)

	// Bind makes deliver the reader of every channel that begins with the
	// prefix, "name!". It is called on the senders' goroutines, from many at
	// once and in order for each sender, and must not block. It answers nil,
	// [ErrChannelFull] or [ErrGone]. What waits in the prefix's queue is
	// delivered first. Unbinding returns once no call of deliver is running
	// or will. A prefix has at most one binding.
	Bind(prefix string, deliver func(Delivery) error) (unbind func(), err error)

	// Settings answers how the layer was set up.
	Settings() Settings
}

// Settings are what a layer was opened with.
type Settings struct {
	Expiry      time.Duration // an unread message lives so long
	GroupExpiry time.Duration // a membership lives so long after the last add
	Capacity    int           // messages a queue holds, where no pattern says otherwise
	MaxMessage  int           // bytes of payload that one message may carry
}

// MessageOverhead is what a message may be encoded longer than
// [Settings.MaxMessage], in bytes, for keys and headers.
const MessageOverhead = 64 << 10

// A SendOption changes how a message is sent.
type SendOption uint8

// Volatile marks a message that means nothing after a crash: it is never
// written to disk. Protocol servers mark what they say of their own sockets.
// Messages to process-specific channels are volatile without it.
const Volatile SendOption = 1

// A Delivery is a message on its way to its reader, with what travels beside
// it.
type Delivery struct {
	Channel  string // the full name, also where a prefix was received from
	Message  Message
	Barrier  Barrier   // its sender's: output that it leads to waits for it
	Trace    TraceID   // its sender's
	Deadline time.Time // when it would have expired
	Volatile bool
	ID       uint64 // the layer's own number for it; zero where it keeps none
}

// Groups is the extension "groups": a message to many channels.
type Groups interface {
	// GroupAdd makes the channel a member, or renews its membership.
	GroupAdd(ctx context.Context, c *Cause, group, channel string) error
	// GroupDiscard ends a membership; absent is no error.
	GroupDiscard(ctx context.Context, c *Cause, group, channel string) error
	// GroupLeave ends all memberships of a channel: its connection is over.
	GroupLeave(ctx context.Context, c *Cause, channel string) error
	// GroupChannels answers the members now, each once.
	GroupChannels(ctx context.Context, c *Cause, group string) ([]string, error)
	// SendGroup sends one copy to each member. A member that is full is
	// skipped and counted, so [ErrChannelFull] is never answered.
	SendGroup(ctx context.Context, c *Cause, group string, m Message, opts ...SendOption) error
}

// Flusher is the extension "flush".
type Flusher interface {
	// Flush drops all queued and delayed messages and all groups; nobody
	// sees one of them once it returns. Parked readers stay parked; what a
	// mailbox holds, state and sessions stay.
	Flush(ctx context.Context, c *Cause) error
}

// Statistics is the extension "statistics".
type Statistics interface {
	GlobalStatistics(ctx context.Context) (Stats, error)
	ChannelStatistics(ctx context.Context, channel string) (Stats, error)
}

// Stats are the figures of one channel or of all.
type Stats struct {
	MessagesCount             uint64  // sent, since the layer was opened
	MessagesCountPerSecond    float64 // over the last few seconds
	MessagesPending           int     // queued now
	MessagesMaxAge            time.Duration
	ChannelFullCount          uint64 // sends refused, since the layer was opened
	ChannelFullCountPerSecond float64
}

// Later is the extension "delay", in Go's terms: a send at a time.
type Later interface {
	// SendLater sends the message at the time due: not before it, and if the
	// channel is full then, again and again until the message's expiry,
	// which starts at due. It fails as Send does; [ErrChannelFull] means
	// that too many wait (the capacity of asgi.delay).
	SendLater(ctx context.Context, c *Cause, due time.Time, channel string, m Message) error
}

// PutBack is the extension for servers that hand messages to others.
type PutBack interface {
	// PutBack returns a delivery, that nobody has seen, to the head of its
	// queue with its old deadline.
	PutBack(d Delivery) error
}

// Readers is the extension that tells who listens.
type Readers interface {
	// HasReader reports whether somebody waits on the channel, has asked
	// for a message of it within the layer's expiry, or has bound it.
	HasReader(channel string) bool
}

// KV is the extension "state": values by key, for state, sessions and
// settings that survive a restart. Keys are any text of 1 to 1,024 bytes;
// callers keep apart by prefix. Values are what a message may hold, and as
// large.
type KV interface {
	// Get answers the value, and whether there is one.
	Get(ctx context.Context, c *Cause, key string) (any, bool, error)
	// Set puts a value; a ttl above zero ends it after that time. Volatile
	// values are in memory only.
	Set(ctx context.Context, c *Cause, key string, value any, ttl time.Duration, opts ...SendOption) error
	// Delete removes a value; absent is no error.
	Delete(ctx context.Context, c *Cause, key string) error
	// Incr adds n to an integer, absent being 0, and answers the sum. A
	// value that is no integer, or a sum past 64 bits, is an [ErrWrongType].
	Incr(ctx context.Context, c *Cause, key string, n int64) (int64, error)
	// Append adds a value to the end of a list, absent being empty, keeps
	// only the newest keep (all, if keep is 0), and answers the list. A
	// value that is no list is an [ErrWrongType].
	Append(ctx context.Context, c *Cause, key string, value any, keep int) (List, error)
	// Keys answers the keys with the prefix, sorted.
	Keys(ctx context.Context, c *Cause, prefix string) ([]string, error)
	// Swap sets new if the value equals old now, and answers whether it
	// did. [Absent] as old or new stands for no value. The time to live
	// stays as it was.
	Swap(ctx context.Context, c *Cause, key string, old, new any) (bool, error)
}

// Absent stands for "no value" in [KV] Swap.
var Absent = absent{}

type absent struct{}
