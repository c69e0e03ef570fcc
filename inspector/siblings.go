package inspector

import (
	"context"
	"time"

	"asgibox/asgi"
)

// A Front is the protocol server as the inspector sees it.
type Front interface {
	// Connections answers up to limit open WebSockets and HTTP requests, the
	// oldest first, and how many there are.
	Connections(limit int) (open []Connection, all int)
	// CloseConnection ends a WebSocket with a code and a reason.
	CloseConnection(channel string, code int, reason string) error
}

// A Connection is one open WebSocket, or one that waits for the answer to its
// handshake.
type Connection struct {
	Channel  string // its reply channel
	Path     string
	Client   string // host:port
	Protocol string // chosen sub-protocol
	Opened   time.Time
	Waiting  bool // for the answer to its handshake

	// Totals since it was opened.
	FramesIn, FramesOut int64
	BytesIn, BytesOut   int64

	// Gauges of what waits to be written.
	Mailbox      int
	MailboxBytes int

	// What it may hold at most, in messages and bytes.
	MailboxRoom int
	BytesRoom   int
}

// A Chaos loses, delays and reorders messages on purpose.
type Chaos interface {
	// Rules answers the rules that count now, as --chaos takes them.
	Rules() []string
	// SetRules changes them for what is sent from now on.
	SetRules(rules []string) error
}

// A Visit is what the protocol server says of a request that was answered and
// of a WebSocket's beginning and end.
type Visit struct {
	At       time.Time // now, if it is zero
	Kind     string    // HTTP, WSCONNECTING, WSCONNECT, WSREJECT, WSDISCONNECT
	Channel  string    // its reply channel, if it got so far
	Trace    asgi.TraceID
	Method   string
	Path     string
	Client   string
	Status   int    // HTTP status or close code; zero if the client left before
	By       string // who ended a WebSocket: client, application, hand, server; empty if it was lost
	Bytes    int64
	Duration time.Duration
}

// A Pool is the workers as the inspector sees them.
type Pool interface {
	// Workers answers what each worker does now.
	Workers() []Worker
	// Generation answers the number and kind of the application that handlers
	// start on now.
	Generation() (number uint64, kind string)
	// Reload loads the application anew.
	Reload(ctx context.Context) error
	// SetWorkers changes how many handlers run at once.
	SetWorkers(n int) error
}

// A Worker is one worker of the pool.
type Worker struct {
	Number     int
	Generation uint64
	Kind       string // loop or routed
	Busy       bool
	Channel    string // of the message that it handles
	Handler    string // the consumer's name and place
	Trace      asgi.TraceID
	Since      time.Time // when it began to, or began to wait
	Cancelled  bool      // it was told to stop and has not yet
	Leaving    bool      // it ends after what it does
}

// A Span is the time in which a worker handled a message.
type Span struct {
	ID           uint64 // of the message, as the layer numbers it
	Worker       int
	Handler      string // the consumer's name and place
	Began, Ended time.Time
}

// A Load is the outcome of loading the application.
type Load struct {
	At         time.Time
	Generation uint64
	Kind       string
	Took       time.Duration
	Changed    []string // files
	Sockets    int      // that stayed open
	Error      string   // with its source lines; empty if it loaded
}
