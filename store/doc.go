// Package store is the embedded channel layer: queues in memory, and a
// journal in a bbolt file that holds what must outlive the process.
//
// # Reading the source
//
// [Store.Send] and [Store.Receive] are the way of a message; queue.go has what
// they work on. [Store.Bind] is the way to a connection. The keeper (keeper.go)
// is the one goroutine that acts when a time comes: expiry, delayed messages,
// memberships.
//
// # Locks
//
// Store.mu guards queues, groups and delayed messages; it is held for a few
// dozen instructions, never across a callback, encoding or I/O. The key-value
// part has a mutex of its own. Neither is ever taken while holding the other.
//
// # Time
//
// Times are nanoseconds since 1970 as int64, on a clock that is read from the
// wall when the store is opened and is monotonic from then on, so that a
// changed wall clock expires nothing early.
package store
