// Package store is the embedded channel layer: queues in memory, and a
// journal in a bbolt file that holds what must outlive the process.
//
// # Reading the source
//
// A message enters through [Store.Send] and leaves through [Store.Receive];
// queue.go has the queues, wait.go the waiting readers. [Store.Bind] delivers
// messages to connections, and [Store.Accept] offers them to a reader that takes
// only what it can handle (offering.go); room.go has the senders that wait for
// room. The keeper (keeper.go) is the goroutine that handles
// everything due at a time: expiry, delayed messages, memberships, and barriers
// that wait too long.
//
// The journal (journal.go) is the other goroutine. stage.go defines its
// operations, watermark.go notifies callers that wait for it, disk.go writes to
// bbolt, keys.go defines each byte of the file. open.go opens the file: lock.go
// keeps other processes out, damage.go and pages.go check that bbolt can read
// it safely, recover.go loads its contents into a store, compact.go shrinks it.
// integrity.go checks the store's invariants; every test that opens a file ends
// with this check.
//
// A [Debugger] inspects a store and holds, edits or drops its messages.
//
// # Locks
//
// Store.mu guards queues, groups and delayed messages; it is held for a few
// dozen instructions, never across encoding or I/O, and across no callback but the
// short ones of an [asgi.Acceptor], which may take locks of its own. The key-value
// part has its own mutex. Only [Store.Check] holds both. The journal's mutex
// may be taken while either is held; no other lock is taken while it is held.
//
// # Time
//
// Times are nanoseconds since 1970 as int64. The clock is set from the wall
// clock when the store is opened and is monotonic from then on, so that a
// change of the wall clock expires nothing early.
package store
