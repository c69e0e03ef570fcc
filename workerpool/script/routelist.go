package script

import (
	"context"

	"asgibox/workerpool/routing"
)

// Check loads the application without serving it.
func (l *Loader) Check(ctx context.Context) error {
	app, err := l.Load(ctx, 1)
	if err != nil {
		return err
	}
	app.Close()
	return nil
}

// Route and Found are what [Loader.Routes] and [Routing.Find] return.
type (
	Route = routing.Description
	Found = routing.Found
)

// Routing is the routing table of an application that is not running.
type Routing struct {
	Routes []Route // empty for a loop application

	table *table
}

// Find returns the routes of a request and of a WebSocket's messages for a path.
// It skips channels for which the application has no routes.
func (r Routing) Find(method, path string) []Found {
	if r.table == nil {
		return nil
	}
	return r.table.Lookup(method, path)
}

// Routes loads the application and returns its routing table.
func (l *Loader) Routes(ctx context.Context) (Routing, error) {
	app, err := l.Load(ctx, 1)
	if err != nil {
		return Routing{}, err
	}
	defer app.Close()
	a, ok := app.(*routed)
	if !ok {
		return Routing{}, nil
	}
	return Routing{Routes: a.table.Routes(), table: a.table}, nil
}
