package devserver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"

	"asgibox/asgi/remote"
	"asgibox/internal/command"
	"asgibox/workerpool"
)

// Work runs the application in the file app on the layer of a server in
// another process until ctx ends. Control is the address of that server's
// control server, and token its token.
func Work(ctx context.Context, app string, o Options, control, token string, stdout, stderr io.Writer) error {
	reports, err := newRemoteReports(control, token, o.Editor)
	if err != nil {
		return err
	}
	log := slog.New(inspectedLog{Handler: newLog(&o, stderr), reporter: &reports.reporter})
	if err := CheckFile(app); err != nil {
		return err
	}
	layer, err := remote.Dial(ctx, control, remote.ClientOptions{Token: token, Log: log, Agent: agent()})
	if err != nil {
		return err
	}
	defer layer.Close()
	g, err := newGenerations(app, &o, layer, log, outputFiles(stdout, stderr), poolEvents{
		failed: func(f workerpool.Failure) { reports.reporter.failed(log, f) },
		live:   reports.loaded,
	})
	if err != nil {
		return err
	}
	reports.generations.Store(g)
	if !o.Quiet {
		fmt.Fprintf(stderr, "asgibox %s\n\n  app        %s\n  works for  %s\n  stop       Ctrl-C\n\n", command.Version(), app, control)
	}
	tasks, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	watching, stopWatching := context.WithCancel(failed)
	defer stopWatching()
	g.start(tasks, watching)
	reporting, stopReporting := context.WithCancel(context.WithoutCancel(ctx))
	var reporter sync.WaitGroup
	reporter.Go(func() { reports.run(reporting) })
	defer reporter.Wait()
	defer stopReporting()
	waitForStop(ctx, failed, log)
	stopWatching()
	g.pool.Drain()
	grace, cancel := context.WithTimeout(context.Background(), o.Pool.Grace)
	defer cancel()
	g.pool.Shutdown(grace)
	return tasks.Wait()
}

// agent is the name under which the inspector shows this process.
func agent() string { return fmt.Sprintf("asgibox worker, process %d", os.Getpid()) }
