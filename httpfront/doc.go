// Package httpfront is the protocol server. It turns HTTP requests and
// WebSockets into messages on a channel layer and turns the replies back into
// bytes. It never calls an application and uses the layer only through
// [asgi.Layer] and its extensions.
//
// # The route of a request
//
// A request comes on an HTTP/1 connection of [Server.Serve], over HTTP/2, or from
// another Go server, see [Server.ServeHTTP]. A transport hides the difference.
// Package http1 reads and writes HTTP/1; net/http does the rest.
//
// The server checks a request, makes a reply channel for it and sends it on
// http.request. The handler sends its response to the reply channel. The
// layer then calls the server's delivery function on the sender's goroutine,
// which puts the message into the mailbox of that connection. The goroutine of
// the request takes the message from the mailbox and writes it. The layer may run
// the handler on the goroutine of an HTTP/1 connection, within Send: see lend.go.
//
// A WebSocket takes the same route over websocket.connect. An open WebSocket has
// one goroutine that reads. A second one starts when a message for the client
// arrives and ends when the mailbox is empty.
//
// # Limits
//
// A mailbox holds at most 1,000 messages and 16 MiB. All mailboxes together
// hold at most 128 MiB, and each at most an eighth of what the others leave, or
// 128 KiB, so that clients that read are not affected by clients that do not. If a
// mailbox is full, the sender gets [asgi.ErrChannelFull]. If less than 16 MiB are left,
// the server also ends the clients that read less than 5 KiB in 5 s, the longest silence
// first, until a quarter is free.
//
// The heads of all running requests and handshakes may use 64 MiB together, without the first
// 8 KiB of each, and so may the heads that arrive over HTTP/1. The target of a WebSocket may have 8 KiB.
// At most 1,000 requests for [Options].Own run, because open pages wait in them.
//
// All request bodies, until their response starts, and all WebSocket messages,
// until the layer has accepted them, share one budget, [Options].BodyMemory.
// Each connection may hold 16 KiB besides. Past the budget the server does not read, except for the oldest. It
// then refuses the clients that are silent, with 408 or 1013. What net/http reads ahead over
// HTTP/2 has 64 MiB of its own, and 64 KiB for each connection.
//
// # Barriers
//
// Every entry of a mailbox carries the barrier of its sender and is written
// only when the barrier has passed: the client sees nothing that a crash could
// undo. If a barrier fails, the server replies with 500, aborts a response
// that has started, or closes the WebSocket with 1011.
//
// # Replies beyond the specification
//
// In a response, abort: True says that the handler has failed. If the response
// has not started, the server sends the response in the same message;
// otherwise it aborts the response. When a message closes a WebSocket during
// the handshake, response: {status, headers, content} replaces the bare 403.
// The key reason goes into the close frame. The key subprotocol beside accept
// selects one of the sub-protocols that the client offered.
//
// # Where to start reading
//
// Start with conn.next, which reads an HTTP/1 request, and Server.serve, which
// serves any request. Then read exchange.respond for HTTP, and
// socket.handshake, socket.read and socket.pump for WebSockets. The mailbox
// connects both to the layer.
package httpfront
