// Package store is the embedded channel layer: queues in memory, and a
// journal in a bbolt file that holds what must outlive the process.
//
// # Reading the source
//
// [Store.Send] and [Store.Receive] are the way of a message; queue.go has what
// they work on, wait.go those who wait. [Store.Bind] is the way to a
// connection. The keeper (keeper.go) is the one goroutine that acts when a time
// comes: expiry, delayed messages, memberships, barriers that wait too long.
//
// The journal (journal.go) is the other goroutine. stage.go has what it is
// told, watermark.go who waits for it, disk.go how it writes, keys.go each byte
// of the file. open.go reads the file again: lock.go sees to it that nobody else
// does, damage.go and pages.go that bbolt can be let near it, recover.go makes a
// store of it, compact.go makes it smaller. check.go says what is wrong, should
// something be: every test that opens a file ends with it.
//
// A [Debugger] is for those who look in from outside.
//
// # Locks
//
// Store.mu guards queues, groups and delayed messages; it is held for a few
// dozen instructions, never across a callback, encoding or I/O. The key-value
// part has a mutex of its own. Neither is taken while holding the other, but by
// [Store.Check]. The journal's mutex may be taken while either is held, and
// nothing is taken while holding it.
//
// # Time
//
// Times are nanoseconds since 1970 as int64, on a clock that is read from the
// wall when the store is opened and is monotonic from then on, so that a
// changed wall clock expires nothing early.
package store
