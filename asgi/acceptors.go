package asgi

import (
	"context"
	"time"
)

// Acceptors is the extension "acceptors", for readers that must not take a message
// before they can handle it. The messages that such a reader leaves in a
// channel count towards its capacity.
type Acceptors interface {
	// Accept makes a the reader of channels. The layer offers it every
	// message before it queues the message or gives it to a receiver. A
	// channel has at most one such reader. See [Offering.Update] for the
	// channels.
	Accept(a Acceptor) (Offering, error)

	// SendWhenRoom is Send, but if the channel is full it waits for room.
	// Senders that wait for the same room get it in turn. If there has been
	// none for as long as patience, it fails with [ErrChannelFull]; a time
	// during which messages of the channel are held back by a breakpoint
	// does not count. When ctx ends it returns the error of its last try.
	SendWhenRoom(ctx context.Context, c *Cause, patience time.Duration, channel string, m Message, opts ...SendOption) error

	// ReceiveOrRun is Receive for a reader that can run on the goroutines of
	// senders. While it waits, a sender that has set [Lend] may call run with a
	// message instead of waking the reader. Run returns the channels to wait for
	// next. If it returns none, ReceiveOrRun returns with ok false.
	ReceiveOrRun(ctx context.Context, c *Cause, run func(Delivery) (channels []string), channels ...string) (d Delivery, ok bool, err error)
}

// An Acceptor is the reader of an [Offering].
//
// The layer calls Offer, Ready, Lost and Closed while it holds its own lock.
// They must return soon and must not call the layer.
type Acceptor interface {
	// Sort prepares a message to be offered. Messages of one channel and one
	// class wait for the same thing: while the first cannot start, the layer
	// offers no other. Ticket is passed to Offer. The layer calls Sort on
	// the goroutine of a sender or of [Offering.Retry] without its lock,
	// before it has given the message its ID and barrier. It may call it
	// again for the same message.
	Sort(d Delivery) (class string, ticket any)

	// Offer decides about a message. If it accepts a volatile message, it has
	// it. If it accepts a durable one, the layer takes the message from its
	// channel and then calls Start.
	Offer(o Offer) Verdict

	// Start hands over a durable message that Offer has accepted. The layer
	// calls it without its lock.
	Start(d Delivery, ticket any)

	// Run handles a message that Offer has borrowed, and returns when it is
	// handled. The layer calls it without its lock, on the goroutine of the
	// sender.
	Run(ticket any)

	// Ready reports whether the reader can start a message.
	Ready() bool

	// Lost says that a message that Offer has left has left its channel in
	// another way: it has expired, was dropped or flushed, was taken by a
	// receiver, or had no room. It also ends the offering of a channel that
	// Update no longer names.
	Lost(d Delivery)

	// Closed says that the layer has been closed.
	Closed()
}

// An Offer is a message that an [Acceptor] decides about.
type Offer struct {
	Delivery
	Ticket any  // what Sort returned
	Queued bool // it waits in its channel already
	Behind bool // an earlier message of its class waits in the channel or with its sender
	Lends  bool // the message can be borrowed: its sender has set Lend
	Held   bool // a breakpoint holds it back: it can only be left or refused
	Sender any  // who waits if it is refused, for Offering.Room; nil if no one does
}

// A Verdict is the decision of an [Acceptor].
type Verdict uint8

const (
	// Accepted: the reader has the message.
	Accepted Verdict = iota
	// Left: the message waits in its channel.
	Left
	// Refused: the sender gets [ErrChannelFull]. A message that is queued
	// already cannot be refused.
	Refused
	// Unsorted: the ticket is out of date, so the message must be sorted
	// again.
	Unsorted
	// Borrowed: the reader has the message, and the layer calls Run.
	Borrowed
)

// An Offering is the registration of an [Acceptor]. Its methods must not be
// called by the methods of the acceptor.
type Offering interface {
	// Update sets the channels, none of which may have a "!" in its name.
	// Messages that wait in them are sorted again, and offered. Update with
	// no channels ends the offering.
	Update(channels ...string) error
	// Retry offers the messages that wait, fairly to all channels, while the
	// reader is ready. The reader calls it when it can start messages that
	// it could not start before.
	Retry()
	// Admit lets senders that wait in [Acceptors.SendWhenRoom] try again, the first
	// one of each class, although their channels are full. The reader calls it after
	// Retry when it can still start messages.
	Admit()
	// Waiting returns the number of messages in the channels.
	Waiting() int
	// WaitingIn counts the messages of a class in the channels, up to a number. It
	// leaves out those that a breakpoint holds back.
	WaitingIn(class string, most int) int
	// Room lets a refused sender try again, and renews its patience. It reports
	// whether the sender still waits.
	Room(sender any) bool
}
