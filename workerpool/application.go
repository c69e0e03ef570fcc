package workerpool

import (
	"context"
	"time"

	"asgibox/asgi"
)

// A Loader makes generations of an application.
type Loader interface {
	// Load makes the application anew. What it sends meanwhile must not
	// leave it before [Application.Live]. The context ends when the pool
	// does, or when loading takes too long.
	Load(ctx context.Context, generation uint64) (Application, error)
}

// An Application is one generation, either a [Loop] or a [Routed] one.
type Application interface {
	// Live is called once, when the generation is the current one and
	// before it gets its first message; first tells that none was live
	// before. It lets go what loading has sent and runs the application's
	// own start hook.
	Live(ctx context.Context, first bool) error

	// Current is called once after Live, when messages go to it.
	Current()

	// Drain is called when the server begins to stop: nothing that waits
	// for what will not come is to be waited for.
	Drain()

	// Stop runs the application's own stop hook. It is called once, and
	// only on the generation that is current when the pool shuts down.
	Stop(ctx context.Context) error

	// Close frees the generation. It is called once, after its last
	// handler has ended, also if it was never live.
	Close()
}

// A Loop is an application that receives for itself.
type Loop interface {
	Application

	// Work runs the whole program once, for one worker. It returns nil when
	// the program has ended or when w.Receive answered [ErrRetired]. The
	// pool calls it again while the generation is current.
	Work(ctx context.Context, w *LoopWorker) error
}

// A Routed application is given its messages.
type Routed interface {
	Application

	// Channels lists what it consumes, each channel once.
	Channels() []string

	// Route finds who handles a message; nil is nobody. For http.request and
	// websocket.connect it may answer a consumer that says 404.
	Route(d asgi.Delivery) Consumer

	// Clocks lists what is sent at intervals.
	Clocks() []Clock

	// Limits lists the consumers' bounds of concurrency.
	Limits() []Limit
}

// A Consumer handles messages, and knows which.
type Consumer interface {
	// Name is for logs: a function's name and place.
	Name() string

	// Ordered reports whether messages of one connection are to be handled
	// one at a time.
	Ordered() bool

	// Limit is the key of one of the application's [Limit]s, or empty.
	Limit() string

	// Explain adds to an error that the pool has raised on the consumer's
	// account what the application knows of it, like the place.
	Explain(err error) error

	// Consume handles the job's message. The context ends when the handler
	// has run too long, or its generation has. The error becomes the answer.
	Consume(ctx context.Context, j *Job) error
}

// A Clock sends a message at intervals, for the pool as a whole and not while
// an earlier one waits unread.
type Clock struct {
	Every   time.Duration
	Channel string
	Content asgi.Message
}

// A Limit bounds how many handlers of a route run at once. It outlives a
// generation if the next one has a limit of the same key.
type Limit struct {
	Key     string
	Channel string
	Max     int
}
