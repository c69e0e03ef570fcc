// Package workerpool runs an application: it loads its generations, takes
// messages from the channel layer and has workers handle them.
//
// # Generations
//
// A generation is one loaded version of the application. [Pool.Reload] loads a
// new one beside the running one. If that fails the old one goes on. If it
// succeeds, handlers that start from then on belong to the new one, and the
// old one is closed once its last handler has ended; those that have not after
// a grace period are cancelled. Each generation has workers of its own, so the
// new one does not wait for those of the old. If the first load fails the pool still serves:
// every request is answered with the error.
//
// # Kinds of application
//
// A [Loop] calls receive itself: each worker runs its whole program. A
// [Routed] application is given messages one by one.
//
// # Order
//
// Messages of one connection are handled one at a time and in order, unless a
// consumer asks otherwise; other connections go on meanwhile. What has to wait
// its turn waits in the connection's lane, which belongs to the pool and not
// to a generation, so order holds across a reload. Only volatile messages, a
// protocol server's, wait in lanes; a durable one stays in the channel layer
// until a worker, and its route's concurrency, is free to run it.
//
// # Errors
//
// A handler that fails or panics costs its own message: an HTTP request is
// answered 500, a WebSocket is closed 1011, anything else is logged. So is a
// handler that returns without having answered.
//
// # Concurrency
//
// All methods of a [Pool] may be called from any goroutine. A [Job] belongs to
// one handler.
package workerpool
