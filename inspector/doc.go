// Package inspector is the control server: a page that shows the architecture
// at work, the layer over HTTP, figures for machines, and the endpoints of the
// commands for a running server.
//
// # Cost
//
// Nothing that serves an application depends on this package. While nobody
// looks, the store's recorder keeps a small share of the traces, so that what
// happened before the page was opened is there; once somebody looks, the share
// grows to what the page can show. A page is sent at most ten frames a second,
// each made of what there is then and not of every message that passed, and a
// hidden page is sent none.
//
// # Bounds
//
// The history holds at most Options.HistoryMessages messages and
// Options.HistoryBytes bytes; what is older is forgotten. Views of channels,
// groups and connections are cut at a limit and say how many there are.
//
// # Access
//
// Everything is behind internal/guard: loopback names and the server's own
// origin only, and a token where it is bound to another address.
//
// # Where to start reading
//
// [New] and [Server.Serve]; history for what is remembered; frame for what a
// page is sent; the table in api.go for the rest.
package inspector
