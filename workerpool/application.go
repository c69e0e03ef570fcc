package workerpool

import (
	"context"
	"time"

	"asgibox/asgi"
)

// A Loader makes generations of an application.
type Loader interface {
	// Load loads the application again. Messages that it sends while it
	// loads must not be sent before [Application.Live]. The context is
	// done when the pool shuts down or when loading takes too long.
	Load(ctx context.Context, generation uint64) (Application, error)
}

// An Application is one generation, either a [Loop] or a [Routed] one.
type Application interface {
	// Live is called once, when loading has succeeded and before the
	// generation becomes current. First reports whether no generation was
	// live before. Live sends the messages that were held back while
	// loading and runs the start hook of the application.
	Live(ctx context.Context, first bool) error

	// Current is called once after Live, when the generation is current.
	Current()

	// Drain is called when the server starts to stop. The application must
	// stop waiting for messages that will not come.
	Drain()

	// Stop runs the stop hook of the application. It is called once, and
	// only on the generation that is current when the pool shuts down.
	Stop(ctx context.Context) error

	// Close frees the generation. It is called once, after the last
	// handler has ended, even if the generation never became current.
	Close()
}

// A Sized application says how many of its handlers can run at once. The pool then
// has this number of workers instead of the one that was set.
type Sized interface {
	Application

	// Workers returns the number, from 1 to [MaxWorkers].
	Workers() int
}

// A Loop is an application that calls receive itself.
type Loop interface {
	Application

	// Work runs the whole program once, for one worker. It returns nil when
	// the program has ended, and [ErrRetired] when w.Receive returned it.
	// The pool calls it again while the generation is current.
	Work(ctx context.Context, w *LoopWorker) error
}

// Waiting is a [Loop] whose Work waits for other processes while it handles a
// message. It never runs on the goroutine of a sender.
type Waiting interface {
	Loop
	Waits()
}

// A Routed application receives its messages from the pool.
type Routed interface {
	Application

	// Channels lists the channels that it consumes, each once.
	Channels() []string

	// Route returns the consumer of a message, or nil if there is none. For
	// http.request and websocket.connect it may return a consumer that
	// replies 404.
	Route(d asgi.Delivery) Consumer

	// Clocks lists the messages to send at intervals.
	Clocks() []Clock

	// Limits lists the concurrency limits of the consumers.
	Limits() []Limit
}

// A Consumer handles the messages of one route.
type Consumer interface {
	// Name is for logs: the name and position of a function.
	Name() string

	// Ordered reports whether messages of one connection must be handled
	// one at a time.
	Ordered() bool

	// Limit returns the key of one of the application's limits, or "".
	Limit() string

	// Explain adds details, like the position in the source, to an error
	// that the pool raises for the consumer.
	Explain(err error) error

	// Consume handles the message of a job. The context is done when the
	// handler has run too long or its generation was replaced too long
	// ago. If Consume returns an error, the pool replies with it.
	Consume(ctx context.Context, j *Job) error
}

// A Holder is a [Consumer] that may be given messages long before its application takes
// them. Larger ones count with those that wait for earlier ones, until they are handled.
type Holder interface {
	Consumer
	// Holds reports whether that is so.
	Holds() bool
}

// A Clock sends a message at intervals, one for the whole pool. It sends none
// while an earlier message is unread.
type Clock struct {
	Every   time.Duration
	Channel string
	Content asgi.Message
}

// A Limit is the number of handlers of a route that may run at once. Running
// handlers of the previous generation count towards a limit with the same key.
type Limit struct {
	Key     string
	Channel string
	Max     int
}
