// Package process runs applications in child processes: Python, Go, and any other
// program that can reach the channel layer. It is a second host beside the Starlark
// host in workerpool/script.
//
// A [Server] listens on a socket. Children, and programs that asgibox did not start,
// connect to it and make the calls of the channel layer. Package wire has the frames;
// docs/layer-socket.md describes them.
//
// A [Loader] loads generations of an application. A generation is a set of children,
// each in a slot: if a child dies, another one takes its slot. The kind of
// application is that of the children: a loop calls receive itself, a routed one gets
// jobs on connections that serve.
//
// # Goroutines
//
// Each connection has one goroutine that reads, until the connection serves: then the
// goroutine that runs a job reads while the job runs. Each child has one goroutine
// that waits for its end, and one for each of its output streams. Each slot has one
// that starts its children. [Server.Close] waits for all of them.
//
// # Locks
//
// The locks are, in the order in which they may be held together: that of a loop, a
// slot, a set, a child, a connection, the server.
package process
