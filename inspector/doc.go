// Package inspector is the control server: a page that shows channels,
// messages and workers live, the layer over HTTP, metrics, and the endpoints of
// the commands for a running server.
//
// # Cost
//
// No package that serves an application depends on this one. While no page is
// open the store's recorder records only a small part of the traces, so that
// the page can show what happened before it was opened. While a page is open
// that part grows to what the page can show. A page gets at most ten frames a
// second, each with the present state and not with every message since the last
// frame. A hidden page gets none.
//
// # Limits
//
// The history holds at most Options.HistoryMessages messages and 32 MiB, and
// drops the oldest. Lists of channels, groups and connections have a limit and
// say how many items there are in total.
//
// # Access
//
// Everything is behind package guard: only loopback names and the server's own
// origin are accepted, and a token is needed on other addresses.
//
// # Where to start reading
//
// [New] and [Server.Serve]; the table in routes.go; history for the recorded
// messages; frame for the live stream. The types of requests and responses are
// in package api.
package inspector
