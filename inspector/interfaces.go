package inspector

import (
	"context"
	"time"

	"asgibox/asgi"
	"asgibox/inspector/api"
	"asgibox/store"
)

// Contents shows what a layer contains and changes nothing. [store.Debugger]
// describes the methods. They return what they can if the layer cannot be reached.
type Contents interface {
	Totals() store.Totals
	Channels(limit int, matches func(name string) bool) (views []store.ChannelView, all int)
	Groups(limit int, matches func(name string) bool) (views []store.GroupView, all int)
	Members(group string, limit int) (views []store.MemberView, all int)
	GroupsOf(channel string) []string
	Peek(channel string, limit int) ([]store.MessageView, error)
}

// Machines lists the processes that share a layer.
type Machines interface {
	Machines() []api.Machine
}

// A Front gives access to the protocol server.
type Front interface {
	// Connections returns up to limit open WebSockets and HTTP requests, the
	// oldest first and without their groups, and the number of all.
	Connections(limit int) (open []api.Connection, all int)
	// CloseConnection closes a WebSocket with a code and a reason.
	CloseConnection(channel string, code int, reason string) error
}

// A Chaos drops, delays and reorders messages on purpose.
type Chaos interface {
	// Rules returns the current rules in the syntax of --chaos.
	Rules() []string
	// SetRules replaces the rules for messages sent from now on.
	SetRules(rules []string) error
}

// A Pool gives access to the workers.
type Pool interface {
	// Workers returns the state of each worker.
	Workers() []api.Worker
	// Generation returns the number and kind of the current generation.
	Generation() (number uint64, kind string)
	// Reload loads the application again.
	Reload(ctx context.Context) error
	// SetWorkers changes the number of workers.
	SetWorkers(n int) error
	// Processes returns the processes of the application, or nil if it runs in
	// this one.
	Processes() []api.Process
}

// A Visit is the protocol server's report of a finished request or of the
// start or end of a WebSocket.
type Visit struct {
	At       time.Time // the present if it is zero
	Kind     string    // HTTP, WSCONNECTING, WSCONNECT, WSREJECT, WSDISCONNECT
	Channel  string    // reply channel, if it has one yet
	Trace    asgi.TraceID
	Method   string
	Path     string
	Client   string
	Status   int    // HTTP status or close code; zero if the client left before
	By       string // closer of a WebSocket: client, application, hand, server; empty if it was lost
	Bytes    int64
	Duration time.Duration
	Disk     time.Duration // the part of Duration in which the response waited for the disk
}

// A Span is the time in which a worker handled a message.
type Span struct {
	ID           uint64 // the layer's number of the message
	Trace        asgi.TraceID
	Channel      string
	Worker       int
	Handler      string // name and place of the consumer
	Began, Ended time.Time
	Unrouted     bool // the message was dropped because no route matches it
	Failed       bool
}
