package api

import "encoding/json"

// A Status holds the totals and gauges of a running server.
type Status struct {
	App        string      `json:"app"`           // URL
	UDP        string      `json:"udp,omitempty"` // address for datagrams
	Version    string      `json:"version"`
	Now        float64     `json:"now"`
	Since      float64     `json:"since"` // start of the totals
	Generation uint64      `json:"generation"`
	Kind       string      `json:"kind"`
	Error      string      `json:"error,omitempty"` // of the last load
	Failed     uint64      `json:"failedLoads"`
	Errors     ErrorCounts `json:"errors"`

	// Totals.
	Sent     uint64 `json:"sent"`
	Refused  uint64 `json:"refused"`
	Requests uint64 `json:"requests"`

	// Gauges.
	Rate     float64 `json:"rate"` // messages per second
	Waiting  int     `json:"waiting"`
	Delayed  int     `json:"delayed"`
	Channels int     `json:"channels"`
	Groups   int     `json:"groups"`
	Paused   int     `json:"paused"` // channels
	Memory   int     `json:"memory"` // bytes
	Limit    int     `json:"limit"`  // bytes
	Sockets  int     `json:"sockets"`
	Workers  int     `json:"workers"`
	Busy     int     `json:"busy"`

	// The inspector itself.
	Share    float64  `json:"share"`    // recorded part of all traces, 0 to 1
	Messages int      `json:"messages"` // in the history
	Lost     uint64   `json:"lost"`     // events that were not recorded
	Viewers  int64    `json:"viewers"`
	Chaos    []string `json:"chaos,omitempty"` // rules
	Token    bool     `json:"token,omitempty"` // whether callers need one
	Layer    string   `json:"layer,omitempty"` // name and hosts, if it is not the embedded one
}

// A Message is one message of the history, without its content.
type Message struct {
	ID         uint64  `json:"id"`
	Trace      string  `json:"trace"`
	Channel    string  `json:"channel"`
	Group      string  `json:"group,omitempty"`
	Path       string  `json:"path,omitempty"`
	Kind       string  `json:"kind"` // last event: sent, taken, failed, refused, …
	Preview    string  `json:"preview"`
	Data       string  `json:"data,omitempty"` // content of a WebSocket frame: text or binary
	Bytes      int     `json:"bytes"`
	Sent       float64 `json:"sent"`
	Ended      float64 `json:"ended,omitempty"`    // when it was taken, expired or dropped
	WaitedMS   float64 `json:"waitedMs,omitempty"` // in its queue
	Generation uint64  `json:"generation,omitempty"`
	Taker      uint64  `json:"taker,omitempty"` // generation that received it
	Place      string  `json:"place,omitempty"` // file:line of the send
	Reason     string  `json:"reason,omitempty"`
	Error      string  `json:"error,omitempty"` // id of the error of its handler
	Worker     int     `json:"worker,omitempty"`
	Handler    string  `json:"handler,omitempty"`
	Began      float64 `json:"began,omitempty"` // start of the handler
	HandledMS  float64 `json:"handledMs,omitempty"`
}

// A FullMessage is a message with its content, in the JSON of the layer over
// HTTP.
type FullMessage struct {
	Message
	Content json.RawMessage `json:"message"`
}

// Messages is a part of the history.
type Messages struct {
	Messages []Message `json:"messages"`
	Next     int       `json:"next"`
}

// A Trace is all messages that one event in the outside world caused.
type Trace struct {
	Trace    string        `json:"trace"`
	Path     string        `json:"path,omitempty"`
	Reply    string        `json:"reply,omitempty"` // reply channel
	Messages []FullMessage `json:"messages"`
	Visit    *Visit        `json:"visit,omitempty"`
}

// A Visit is a finished request or a closed WebSocket.
type Visit struct {
	At         float64 `json:"at"`
	Kind       string  `json:"kind"`
	Channel    string  `json:"channel,omitempty"`
	Trace      string  `json:"trace,omitempty"`
	Method     string  `json:"method,omitempty"`
	Path       string  `json:"path"`
	Client     string  `json:"client,omitempty"`
	Status     int     `json:"status"` // HTTP status or close code
	Bytes      int64   `json:"bytes"`
	DurationMS float64 `json:"durationMs"`
	Why        string  `json:"why,omitempty"`
}

// A QueuedMessage is a message that waits on a channel.
type QueuedMessage struct {
	ID       uint64          `json:"id"`
	Channel  string          `json:"channel"`
	Trace    string          `json:"trace"`
	Sent     float64         `json:"sent,omitempty"`
	Deadline float64         `json:"deadline"` // when it expires, or when a delayed one is due
	Durable  bool            `json:"durable"`
	Preview  string          `json:"preview"`
	Message  json.RawMessage `json:"message"`
}

// Queued lists the messages that wait on a channel.
type Queued struct {
	Messages []QueuedMessage `json:"waiting"`
}

// A Channel is the state of one channel's queue.
type Channel struct {
	Name        string  `json:"name"`
	Kind        string  `json:"kind"` // normal, single-reader or process
	Depth       int     `json:"depth"`
	Capacity    int     `json:"capacity"`
	OldestMS    float64 `json:"oldestMs"`         // age of the first message
	Readers     int     `json:"readers"`          // -1 if it is not known
	Bound       bool    `json:"bound"`            // messages are pushed to a protocol server
	Unread      bool    `json:"unread,omitempty"` // nobody has read it for a while
	Paused      bool    `json:"paused"`
	Sent        uint64  `json:"sent"`
	Rate        float64 `json:"rate"`
	Refused     uint64  `json:"refused"`
	RefusedRate float64 `json:"refusedRate"`
	Expired     uint64  `json:"expired"`
}

// Channels lists channels, the fullest and busiest first.
type Channels struct {
	Channels []Channel `json:"channels"`
	All      int       `json:"all"` // how many there are
}

// A Group is a group and the number of its members.
type Group struct {
	Name    string `json:"name"`
	Members int    `json:"members"`
}

// Groups lists groups.
type Groups struct {
	Groups []Group `json:"groups"`
	All    int     `json:"all"` // how many there are
}

// A Member is a channel in a group.
type Member struct {
	Channel string  `json:"channel"`
	Expires float64 `json:"expires"`
}

// Members lists the members of one group.
type Members struct {
	Members []Member `json:"members"`
}

// A Connection is an open WebSocket, or a request or handshake that waits for
// its reply. Its totals count since it was opened.
type Connection struct {
	Channel      string   `json:"channel"` // reply channel
	Path         string   `json:"path"`
	Client       string   `json:"client"`             // host:port
	Protocol     string   `json:"protocol,omitempty"` // chosen subprotocol
	Opened       float64  `json:"opened"`
	Waiting      bool     `json:"waiting"` // for the reply to its handshake
	FramesIn     int64    `json:"framesIn"`
	FramesOut    int64    `json:"framesOut"`
	BytesIn      int64    `json:"bytesIn"`
	BytesOut     int64    `json:"bytesOut"`
	Mailbox      int      `json:"mailbox"` // messages to be written
	MailboxBytes int      `json:"mailboxBytes"`
	MailboxRoom  int      `json:"mailboxRoom"` // most messages and bytes to be written
	BytesRoom    int      `json:"bytesRoom"`
	Groups       []string `json:"groups"`
}

// Connections lists open connections, the oldest first, and recently closed
// ones, the newest first.
type Connections struct {
	Connections []Connection `json:"connections"`
	Closed      []Visit      `json:"closed"`
	All         int          `json:"all"` // how many are open
}

// A Worker is one worker of the pool and the message that it handles.
type Worker struct {
	Number     int     `json:"number"`
	Generation uint64  `json:"generation"`
	Kind       string  `json:"kind"` // loop or routed
	Busy       bool    `json:"busy"`
	Channel    string  `json:"channel,omitempty"`
	Handler    string  `json:"handler,omitempty"` // name and place of the consumer
	Trace      string  `json:"trace,omitempty"`
	Since      float64 `json:"since,omitempty"`     // start of the handler
	Cancelled  bool    `json:"cancelled,omitempty"` // asked to stop, still running
	Leaving    bool    `json:"leaving,omitempty"`   // ends after its message
}

// Workers lists the workers by number, the processes that run their handlers, if the
// application has some, and the processes that share the layer.
type Workers struct {
	Workers   []Worker  `json:"workers"`
	Processes []Process `json:"processes,omitempty"`
	Machines  []Machine `json:"machines,omitempty"`
	Remotes   []Remote  `json:"remotes,omitempty"`
}

// A Process is a process of the application.
type Process struct {
	Worker     int     `json:"worker"` // its number, which its successor gets too
	PID        int     `json:"pid"`
	Generation uint64  `json:"generation"`
	State      string  `json:"state"` // loading, ready or leaving
	Started    float64 `json:"started"`
	Memory     int64   `json:"memory"` // resident bytes; 0 if unknown
	CPUMS      float64 `json:"cpuMs"`  // that it has used
	Jobs       int     `json:"jobs"`   // messages that it handles
	Restarts   int     `json:"restarts,omitempty"`
	Channel    string  `json:"channel,omitempty"` // of its oldest message
	Handler    string  `json:"handler,omitempty"` // of that message
	Since      float64 `json:"since,omitempty"`   // start of that handler
}

// A Remote is a program that receives messages over HTTP, like a worker in
// another process. Those on one host with the same User-Agent are one.
type Remote struct {
	Host     string   `json:"host"`
	Agent    string   `json:"agent"`
	Channels []string `json:"channels"` // that it reads
	Waiting  int      `json:"waiting"`  // receives that wait for a message
	Received uint64   `json:"received"`
	Seen     float64  `json:"seen"`
	Channel  string   `json:"channel,omitempty"` // of its last message
	Trace    string   `json:"trace,omitempty"`
	At       float64  `json:"at,omitempty"` // time of its last message
}

// A Machine is a process that shares the layer with others.
type Machine struct {
	Name    string  `json:"name"` // of its host
	PID     int     `json:"pid"`
	Version string  `json:"version"`
	Started float64 `json:"started"`
	Seen    float64 `json:"seen"` // last, by its own clock
	Sockets int     `json:"sockets"`
	Workers int     `json:"workers"`
	Self    bool    `json:"self,omitempty"` // the process that shows the list
}

// A Load is the outcome of loading the application.
type Load struct {
	At         float64  `json:"at"`
	Generation uint64   `json:"generation"`
	Kind       string   `json:"kind"`
	TookMS     float64  `json:"tookMs"`
	Changed    []string `json:"changed,omitempty"` // files
	Sockets    int      `json:"sockets"`           // that stayed open
	Error      string   `json:"error,omitempty"`   // with its source lines; empty if it loaded
}

// Loads lists the latest loads, the newest first.
type Loads struct {
	Loads []Load `json:"loads"`
}

// A Sent names the trace of a message that was sent.
type Sent struct {
	Trace   string `json:"trace"`
	Channel string `json:"channel,omitempty"` // of a replayed message
	Outcome string `json:"outcome,omitempty"` // if the call waited for it
}

// A Paused names a paused channel, or the prefix of all paused channels that
// begin with it.
type Paused struct {
	Channel string `json:"channel"`
}

// A Resumed reports whether a channel was paused.
type Resumed struct {
	Paused
	Resumed bool `json:"resumed"`
}

// A Stepped reports whether one message of a paused channel passed.
type Stepped struct {
	Stepped bool `json:"stepped"`
}

// A Response is the application's response to an HTTP request.
type Response struct {
	Status     int         `json:"status"`
	Headers    [][2]string `json:"headers"`
	Body       string      `json:"body"`
	Binary     bool        `json:"binary,omitempty"` // the body is base64
	Cut        bool        `json:"cut,omitempty"`
	Bytes      int         `json:"bytes"`
	DurationMS float64     `json:"durationMs"`
}

// A Test is a file of tests, made from recorded chains.
type Test struct {
	Text  string   `json:"text"`
	Tests int      `json:"tests"`
	App   string   `json:"app,omitempty"` // path of the application's file
	Gaps  []string `json:"gaps"`          // why parts of the traffic are not in it
}

// A Playback is the progress of playing a recording, and its result once it
// has finished.
type Playback struct {
	Done      int          `json:"done"` // messages
	All       int          `json:"all"`
	Finished  bool         `json:"finished,omitempty"`
	Same      int          `json:"same"`      // connections with the recorded replies
	Different int          `json:"different"` // connections with other replies
	Skipped   int          `json:"skipped"`   // connections that were recorded in part
	TookMS    float64      `json:"tookMs,omitempty"`
	Details   []Difference `json:"details,omitempty"`
}

// A Difference is one connection whose replies differ from the recording.
type Difference struct {
	What string   `json:"what"` // like GET /path
	Diff []string `json:"diff"` // lines that begin with a space, a minus (recorded) or a plus (now)
}

// A Request is one HTTP request with its response, or one WebSocket.
type Request struct {
	ID         int     `json:"id"`
	Socket     bool    `json:"socket,omitempty"`
	State      string  `json:"state"`             // waiting, running, held, streaming, done, left; connecting, open, refused, closed
	Partial    bool    `json:"partial,omitempty"` // it began before the history does
	Channel    string  `json:"channel,omitempty"` // reply channel
	Trace      string  `json:"trace,omitempty"`
	Method     string  `json:"method"`
	Path       string  `json:"path"` // with the query
	Version    string  `json:"version,omitempty"`
	Client     string  `json:"client,omitempty"` // host:port
	Status     int     `json:"status,omitempty"` // HTTP status, or close code
	Type       string  `json:"type,omitempty"`   // content type of the response
	Started    float64 `json:"started"`
	DurationMS float64 `json:"durationMs,omitempty"` // zero until it has ended
	BytesIn    int64   `json:"bytesIn"`              // of the body, or of frames from the client
	BytesOut   int64   `json:"bytesOut"`
	FramesIn   int     `json:"framesIn,omitempty"` // frames from the client
	Parts      int     `json:"parts"`              // messages of the response, or frames to the client
	Handler    string  `json:"handler,omitempty"`
	Worker     int     `json:"worker,omitempty"`
	Generation uint64  `json:"generation,omitempty"` // of the application that received it
	Failed     bool    `json:"failed,omitempty"`     // its handler failed
	Server     bool    `json:"server,omitempty"`     // the response is the server's own
	Why        string  `json:"why,omitempty"`        // why it was refused or has ended
	Timing     *Timing `json:"timing,omitempty"`
}

// A Timing divides the time of a request, or of the handshake of a WebSocket,
// into parts that follow each other.
type Timing struct {
	ReceivingMS float64 `json:"receivingMs"` // the request, until it was sent to the application
	WaitingMS   float64 `json:"waitingMs"`   // for a worker
	HandlerMS   float64 `json:"handlerMs"`
	HeldMS      float64 `json:"heldMs"` // after the handler has ended, until other work responds
	DiskMS      float64 `json:"diskMs"` // until data that the response depends on was on disk
	WritingMS   float64 `json:"writingMs"`
}

// Requests lists requests and WebSockets, the oldest first.
type Requests struct {
	Requests []Request `json:"requests"`
}

// A FullRequest is a request with its messages.
type FullRequest struct {
	Request
	Messages []FullMessage `json:"messages"` // in the order in which they were sent
	Left     int           `json:"left"`     // number of further messages, in the middle
}
