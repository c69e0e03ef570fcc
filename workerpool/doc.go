// Package workerpool runs an application: it loads its generations, receives
// messages from the channel layer and handles them in a number of workers.
//
// # Generations
//
// A generation is one loaded version of the application. [Pool.Reload] loads a
// new generation beside the running one. If loading fails, the old generation
// continues. If it succeeds, new handlers run on the new generation, and the
// old one is closed when its last handler has ended; handlers that still run
// after a grace period are cancelled. Each generation has its own workers, so
// the new one does not wait for the workers of the old one. If the first load
// fails, the response to every request is the error.
//
// # Kinds of application
//
// A [Loop] calls receive itself: each worker runs the whole program. The pool
// passes messages to a [Routed] application one by one.
//
// # Order
//
// Messages of one connection are handled one at a time and in order, unless a
// consumer is unordered. Messages of other connections are handled meanwhile.
// A message that must wait for an earlier one waits in the lane of its
// connection. Lanes belong to the pool and not to a generation, so the order
// holds across a reload. Only volatile messages, which protocol servers send,
// wait in lanes. Every other message stays in its channel until a worker is
// free and the concurrency limit of its route allows it to start: see acceptor.
// Messages of one route start in the order in which they were sent, but do not
// wait for messages of other routes.
//
// # Workers
//
// The number of workers limits the handlers that run at once. A worker runs a
// handler on its own goroutine, or, if the sender lends one, on that of the sender:
// see borrowLocked and coroutine.
//
// # Errors
//
// If a handler of an HTTP request fails, panics or returns without replying,
// the response is an error 500. A WebSocket whose handler fails or panics is
// closed with code 1011, as is one whose handshake is not decided. Every
// failure is logged. Other messages and workers are not affected.
//
// # Concurrency
//
// All methods of a [Pool] may be called from any goroutine. A [Job] belongs to
// one handler.
package workerpool
