// Package asgi is the vocabulary that every part of asgibox shares: channel
// and group names, messages, the channel layer and its extensions, errors and
// causes. It is ASGI in its first, channel-layer form; the later callable
// app(scope, receive, send) is something else.
//
// # Parts
//
// Protocol servers turn sockets into messages, a [Layer] carries the messages,
// workers run the application. They meet only at the layer.
//
// # Messages
//
// A [Message] is an immutable dict with text keys. Immutability is what makes
// a message a snapshot: nothing that the sender does after [Layer.Send] can be
// seen by anybody, and one message may be shared by a thousand receivers.
//
// # Delivery
//
// First in, first out per channel. Every message is delivered at most once, to
// one reader. A message that nobody receives before its deadline is dropped. A
// queue holds at most its capacity; a send beyond it fails with
// [ErrChannelFull] and never waits for a reader.
//
// # Channel kinds
//
// A normal channel is read by anybody. A single-reader channel ("name?random")
// has one reader, which sees its messages in order. A process-specific channel
// ("prefix!local") is read by the process that owns the prefix; the owner
// either binds a function with [Layer.Bind], which is called on the sender's
// goroutine, or receives from "prefix!".
//
// # What the outside world has seen is on disk
//
// A durable send is queued at once and does not wait for the disk. Each unit
// of work is a [Cause], and its [Barrier] is the newest thing that it wrote or
// could have read. Only output that leaves the process waits for the barrier.
//
// # Concurrency
//
// All methods of a Layer and of a Cause may be called from any goroutine.
// Every call that may wait takes a context.
package asgi
