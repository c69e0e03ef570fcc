package process

import (
	"context"
	"slices"

	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/routing"
)

// wsgi is the consumer of requests that go to the WSGI application.
type wsgi struct {
	app   *routed
	index int // in the jobs of the processes
	route routing.Route
	name  string
}

// addWSGI makes the function that the processes describe handle requests without a
// route.
func (a *routed) addWSGI(d asgi.Dict) {
	w := &wsgi{app: a, index: int(d.Int("consumer"))}
	w.route = routing.Route{Name: orElse(printable(d.Text("name")), "application"), At: a.desc.place(d)}
	w.name = w.route.ConsumerName()
	a.wsgi = w
	a.table.WSGI = routing.Description{Channel: asgi.HTTPRequest, Pattern: w.route.Name, Consumer: w.name}
	if !slices.Contains(a.table.Channels, asgi.HTTPRequest) {
		a.table.Channels = append(a.table.Channels, asgi.HTTPRequest)
	}
}

// Name returns the name and place of the application.
func (w *wsgi) Name() string { return w.name }

// Ordered implements [workerpool.Consumer].
func (w *wsgi) Ordered() bool { return true }

// Limit implements [workerpool.Consumer].
func (w *wsgi) Limit() string { return "" }

// Explain places an error of the pool at the application.
func (w *wsgi) Explain(err error) error { return w.app.desc.placed(err, w.route.At) }

// Consume runs the application in a process.
func (w *wsgi) Consume(ctx context.Context, j *workerpool.Job) error {
	d := &j.Delivery
	return w.app.run(ctx, j, jobFrame{channel: d.Channel, message: d.Message, consumer: w.index, handler: w.name})
}
