// Embed mounts asgibox's protocol server in an ordinary net/http server and
// serves its requests with an ordinary http.Handler.
//
// Usage:
//
//	go run ./examples/embed [address]
//
// The default address is localhost:8000. The net/http server replies to /health
// itself. The protocol server sends every other request, such as /hello/world,
// as a message on http.request. A worker receives the message, calls the
// handler and sends the response to the reply channel.
//
// The layer is in memory. With store.Open, durable messages survive a restart.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"asgibox/httpfront"
	"asgibox/httpfront/worker"
	"asgibox/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l, err := net.Listen("tcp", append(os.Args, "localhost:8000")[1])
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("serving on http://%s", l.Addr())
	if err := serve(ctx, l); err != nil {
		log.Fatal(err)
	}
}

// serve serves on l until ctx is done. Then it finishes the running requests.
func serve(ctx context.Context, l net.Listener) error {
	layer := store.Memory(store.Options{})
	front, err := httpfront.New(layer, httpfront.Options{})
	if err != nil {
		return err
	}
	site := http.NewServeMux()
	site.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })
	site.Handle("/", front)
	server := &http.Server{Handler: site}
	httpfront.ConfigureServer(server)

	app := http.NewServeMux()
	app.HandleFunc("/hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s!\n", r.PathValue("name"))
	})
	working, stopWorker := context.WithCancel(context.Background())
	var running sync.WaitGroup
	failed := make(chan error, 2)
	running.Go(func() { failed <- worker.New(layer, app, worker.Options{}).Run(working) })
	running.Go(func() { failed <- server.Serve(l) })

	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = errors.Join(err, server.Shutdown(grace), front.Shutdown(grace))
	stopWorker() // after the last request
	running.Wait()
	return errors.Join(err, layer.Close(grace))
}
