package devserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/internal/command"
	"asgibox/workerpool"
	"asgibox/workerpool/process"
)

// WorkFor runs the application on the layer of a server in another process until
// ctx ends. Control is the address of that server's control server, and token its
// token.
func WorkFor(ctx context.Context, app Application, o Options, control, token string, stdout, stderr io.Writer) error {
	reports, err := newRemoteReports(control, token, o.Editor)
	if err != nil {
		return err
	}
	log := slog.New(inspectedLog{Handler: newLog(&o, stderr), reporter: &reports.reporter})
	if err := app.check(); err != nil {
		return err
	}
	layer, err := remote.Dial(ctx, control, remote.ClientOptions{Token: token, Log: log, Agent: agent()})
	if err != nil {
		return err
	}
	defer layer.Close()
	events := poolEvents{failed: func(f workerpool.Failure) { reports.reporter.failed(log, f) }, live: reports.loaded}
	end, err := events.openFor(ctx, app, &o, layer, log)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer end()
	g, err := newGenerations(app, &o, layer, log, outputFiles(stdout, stderr), events)
	if err != nil {
		return err
	}
	reports.generations.Store(g)
	reporting, stopReporting := context.WithCancel(context.WithoutCancel(ctx))
	var reporter sync.WaitGroup
	reporter.Go(func() { reports.run(reporting) })
	defer reporter.Wait()
	defer stopReporting()
	return g.work(ctx, &o, "works for  "+control, stderr)
}

// Work runs the application on the layer on Redis that the options name, for all
// servers on it, until ctx ends.
func Work(ctx context.Context, app Application, o Options, stdout, stderr io.Writer) error {
	log := slog.New(newLog(&o, stderr))
	if err := app.check(); err != nil {
		return err
	}
	layer, err := openRedis(ctx, &o, log)
	if err != nil {
		return err
	}
	return errors.Join(workOn(ctx, layer, app, &o, log, stdout, stderr), layer.Close())
}

func workOn(ctx context.Context, layer *redisLayer, app Application, o *Options, log *slog.Logger, stdout, stderr io.Writer) error {
	var events poolEvents
	end, err := events.openFor(ctx, app, o, layer, log)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer end()
	g, err := newGenerations(app, o, layer, log, outputFiles(stdout, stderr), events)
	if err != nil {
		return err
	}
	layer.SetCounts(func() (sockets, workers int) { return 0, len(g.pool.Workers()) })
	return g.work(ctx, o, "layer      "+layer.name(), stderr)
}

// openFor opens what a worker needs to run the application in processes of its own,
// and returns a function that closes it.
func (e *poolEvents) openFor(ctx context.Context, app Application, o *Options, layer asgi.Layer, log *slog.Logger) (end func(), err error) {
	if e.launch, err = newLauncher(ctx, log, app, o); err != nil || e.launch == nil {
		return func() {}, err
	}
	if e.socket, err = process.NewServer(process.ServerOptions{Layer: layer, Version: command.Version(), Log: log}); err != nil {
		e.launch.end(log)
		return nil, err
	}
	return func() {
		grace, cancel := context.WithTimeout(context.Background(), o.Pool.Grace)
		defer cancel()
		e.socket.Close(grace)
		e.launch.end(log)
	}, nil
}

// work runs the application until ctx ends. The row is a part of the banner.
func (g *generations) work(ctx context.Context, o *Options, row string, stderr io.Writer) error {
	if !o.Quiet {
		fmt.Fprintf(stderr, "asgibox %s\n\n  app        %s\n  %s\n  stop       Ctrl-C\n\n", command.Version(), g.app.Name, row)
	}
	tasks, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	watching, stopWatching := context.WithCancel(failed)
	defer stopWatching()
	g.start(tasks, watching)
	waitForStop(ctx, failed, g.log)
	stopWatching()
	g.pool.Drain()
	grace, cancel := context.WithTimeout(context.Background(), o.Pool.Grace)
	defer cancel()
	g.pool.Shutdown(grace)
	return tasks.Wait()
}

// agent is the name under which the inspector shows this process.
func agent() string { return fmt.Sprintf("asgibox worker, process %d", os.Getpid()) }
