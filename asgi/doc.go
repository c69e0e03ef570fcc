// Package asgi defines what every part of asgibox shares: channel and group
// names, messages, the channel layer and its extensions, errors and causes. It
// is ASGI in its first form, with channel layers. It is not the later callable
// app(scope, receive, send).
//
// # Parts
//
// Protocol servers turn sockets into messages, a [Layer] carries the messages,
// workers run the application. They meet only at the layer.
//
// # Messages
//
// A [Message] is an immutable dict with text keys, so a sent message is a
// snapshot: changes that the sender makes to its own data after [Layer.Send]
// have no effect on it, and any number of receivers may share it.
//
// # Delivery
//
// A channel is first in, first out. Each message is delivered at most once, to
// one reader. A message that is not received before its deadline is dropped. A
// queue holds at most its capacity: a send to a full one fails with
// [ErrChannelFull]. A send never waits for a reader.
//
// # Channel kinds
//
// A normal channel may have any number of readers. A single-reader channel
// ("name?random") has one reader, which receives its messages in order. A
// process-specific channel ("prefix!local") is read by the process that owns
// the prefix. The owner either binds a function with [Layer.Bind], which is
// called on the sender's goroutine, or receives from "prefix!".
//
// # Durability
//
// Everything that the outside world has seen is on disk. A durable send is
// queued at once and does not wait for the disk. Each unit of work is a
// [Cause]. Its [Barrier] is the newest write that it made or could have read.
// Only output that leaves the process waits for the barrier.
//
// # Concurrency
//
// All methods of a Layer and of a Cause may be called from any goroutine.
// Every call that may wait takes a context.
package asgi
