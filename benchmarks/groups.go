package main

import (
	"context"
	"strings"
)

// A group is a table: rows that do the same, and how to measure one of them. The
// first row is the baseline.
type group struct {
	name, title string
	unit        string // of the CPU time; the rate has its plural
	memory      string // the heading of the memory of a row, with its unit
	measure     func(context.Context, *row, options) (result, error)
	once        bool // one round is enough
	rows        []*row
	missing     []string // names of rows whose programs are not installed
}

// A row is one server, or a function for durable work, and its results.
type row struct {
	name    string
	server  string // name of a server of this program
	app     string // or file of an application for asgibox run
	peer    string // or name of a server of others
	durable durableWork
	redis   redisWork // or a function for work on a Redis
	onRedis int       // number of servers with the app on a Redis of the row; 0: one without a Redis
	run     []string  // or flags and arguments of asgibox run, for an application in other processes
	dir     string    // folder in which it runs
	needs   []string  // programs, and "python:" with modules of Debian's Python, that it needs
	saves   string    // or the text of a Python file that is saved again and again

	view    string // view of the inspector that a page shows; "off" without an inspector
	group   *group
	p       *process
	results []result
}

// groups returns the tables. The numbers in titles are those of the options.
func groups() []*group {
	all := []*group{
		{
			name: "http", title: "HTTP: one small response per request, {connections} connections",
			unit: "operation", measure: closedLoop(httpClients),
			rows: []*row{
				{name: "net/http hello", server: "nethttp"},
				{name: "layer, consumer in Go", server: "go-hello"},
				{name: "asgibox run examples/hello.star", app: "examples/hello.star"},
				{name: "asgibox run benchmarks/apps/view.star", app: "benchmarks/apps/view.star"},
				{name: "uvicorn", peer: "uvicorn"},
				{name: "Daphne", peer: "Daphne"},
				{name: "Node http", peer: "Node"},
			},
		}, {
			name: "tls", title: "HTTPS: one small response per request, {connections} connections",
			unit: "operation", measure: closedLoop(tlsClients),
			rows: []*row{
				{name: "net/http hello", server: "nethttp-tls"},
				{name: "asgibox run examples/hello.star", app: "examples/hello.star"},
			},
		}, {
			name: "echo", title: "WebSocket: each 64-byte text is echoed, {connections} connections",
			unit: "operation", measure: closedLoop(echoClients),
			rows: []*row{
				{name: "coder/websocket echo", server: "coder-echo"},
				{name: "layer, echo in Go", server: "go-echo"},
				{name: "asgibox run benchmarks/apps/echo.star", app: "benchmarks/apps/echo.star"},
				{name: "uvicorn", peer: "uvicorn"},
				{name: "Daphne", peer: "Daphne"},
			},
		}, {
			name: "group", title: "Broadcast: each 64-byte text is sent to all {sockets} members; an operation is a delivery",
			unit: "operation", measure: measureBroadcast,
			rows: []*row{
				{name: "coder/websocket hub", server: "coder-hub"},
				{name: "layer, group in Go", server: "go-group"},
				{name: "asgibox run benchmarks/apps/group.star", app: "benchmarks/apps/group.star"},
			},
		}, {
			name: "idle", title: "Idle: {idle} WebSockets that have echoed one text",
			memory: "memory, bytes/socket", measure: measureIdle, once: true,
			rows: []*row{
				{name: "coder/websocket echo", server: "coder-echo"},
				{name: "layer, echo in Go", server: "go-echo"},
				{name: "asgibox run benchmarks/apps/echo.star", app: "benchmarks/apps/echo.star"},
			},
		}, {
			name: "upload", title: "Upload: one body of {MiB} MiB",
			unit: "MiB", memory: "most memory, MiB", measure: measureUpload,
			rows: []*row{
				{name: "net/http", server: "nethttp-bulk"},
				{name: "asgibox run benchmarks/apps/bulk.star", app: "benchmarks/apps/bulk.star"},
			},
		}, {
			name: "download", title: "Download: {MiB} MiB, streamed in pieces of 64 KiB",
			unit: "MiB", memory: "most memory, MiB", measure: measureDownload,
			rows: []*row{
				{name: "net/http", server: "nethttp-bulk"},
				{name: "asgibox run benchmarks/apps/bulk.star", app: "benchmarks/apps/bulk.star"},
			},
		}, {
			name: "durable", title: "Durable messages of 200 bytes; each caller waits until its message is on disk",
			unit: "operation", measure: measureDurable,
			rows: []*row{
				{name: "bbolt, one transaction after another", durable: transactions},
				{name: "store, 64 callers", durable: durableSends},
			},
		}, {
			name: "redis", title: "Redis: messages of 200 bytes, sent and received in one process by 64 callers; CPU of Redis included",
			unit: "operation", measure: measureRedis,
			rows: []*row{
				{name: "go-redis, one command with the same bytes", redis: roundTrips},
				{name: "go-redis, scripts with the same effect", redis: rawCommands},
				{name: "layer, send and receive", redis: layerMessages},
			},
		}, {
			name: "redis-http", title: "Redis: the four lines, 64 connections; CPU of Redis included",
			unit: "operation", measure: closedLoopOf(64, httpClients),
			rows: []*row{
				{name: "asgibox run examples/hello.star", app: "examples/hello.star"},
				{name: "with --layer", app: "examples/hello.star", onRedis: 1},
				{name: "two of them on one Redis, load on one", app: "examples/hello.star", onRedis: 2},
			},
		}, {
			name: "redis-group", title: "Redis: each 64-byte text is sent to all {sockets} members, on two servers with --layer; an operation is a delivery",
			unit: "operation", measure: measureBroadcast,
			rows: []*row{
				{name: "asgibox run benchmarks/apps/group.star", app: "benchmarks/apps/group.star"},
				{name: "two servers on one Redis", app: "benchmarks/apps/group.star", onRedis: 2},
			},
		}, {
			name: "inspector", title: "Inspector: examples/hello.star, {connections} connections",
			unit: "operation", measure: closedLoop(httpClients),
			rows: []*row{
				{name: "--control off", app: "examples/hello.star", view: "off"},
				{name: "no page open", app: "examples/hello.star"},
				{name: "a page shows Flow", app: "examples/hello.star", view: "flow"},
				{name: "a page shows Requests", app: "examples/hello.star", view: "requests"},
				{name: "a page shows Messages", app: "examples/hello.star", view: "messages"},
				{name: "--control off, again", app: "examples/hello.star", view: "off"},
			},
		},
	}
	all = append(all, processGroups()...)
	for _, g := range all {
		for _, r := range g.rows {
			r.group = g
		}
	}
	return all
}

// groupNames returns the names of all groups, for help and errors.
func groupNames() string {
	var names []string
	for _, g := range groups() {
		names = append(names, g.name)
	}
	return strings.Join(names, ", ")
}
