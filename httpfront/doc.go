// Package httpfront is the protocol server: it turns HTTP requests and
// WebSockets into messages on a channel layer and the replies back into bytes.
// It never calls an application and knows nothing of the layer but
// [asgi.Layer] and its extensions.
//
// # A request's way
//
// [Server.ServeHTTP] checks a request, gives it a reply channel of its own and
// sends it on http.request. Whoever answers sends to that channel; the layer
// calls the server's delivery function on the sender's goroutine, which puts
// the message into the mailbox of that one connection. The request's own
// goroutine takes it from there and writes. A WebSocket goes the same way over
// websocket.connect, but once it is open only a reading goroutine remains: the
// writing one is started when a message comes and ends with the mailbox empty.
//
// # Bounds
//
// A mailbox holds at most 1,000 messages and 16 MiB. All mailboxes together
// hold at most 256 MiB, past which each may still hold 128 KiB, so that those
// who read get what is sent to all while others do not read. Past its bounds a
// sender gets [asgi.ErrChannelFull]. Nothing that a client sends is kept beyond
// the bounds that [Options] names.
//
// # What the outside world has seen is on disk
//
// Every entry of a mailbox carries its sender's barrier and is written only
// when that has passed. A barrier that fails ends its request with 500, or cuts
// the stream, and closes its socket with 1011.
//
// # Replies beyond the specification
//
// Beside a response, abort: True says that the handler has failed: if nothing
// is out yet, the response in the same message is sent as it is, otherwise the
// stream is cut. Beside the close of a WebSocket, response: {status, headers,
// content} is what a handshake that still waits is refused with in place of a
// bare 403; reason goes into the close frame; subprotocol beside accept chooses
// one of those that the client offered.
//
// # Where to start reading
//
// [Server.ServeHTTP], then exchange.answer for HTTP, and socket.handshake,
// socket.read and socket.pump for WebSockets; mailbox joins both to the layer.
package httpfront
