package worker_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"asgibox/httpfront"
	"asgibox/httpfront/worker"
	"asgibox/store"
)

// Any http.Handler can be the application. The worker receives http.request from
// the layer, as workers in other languages do.
func Example() {
	layer := store.Memory(store.Options{})
	defer layer.Close(context.Background())

	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s!", r.PathValue("name"))
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- worker.New(layer, mux, worker.Options{}).Run(ctx) }()

	// The protocol server may be in this process, as here, or in another.
	front, err := httpfront.New(layer, httpfront.Options{})
	if err != nil {
		panic(err)
	}
	server := httptest.NewUnstartedServer(front)
	httpfront.ConfigureServer(server.Config)
	server.Start()

	res, err := http.Get(server.URL + "/hello/world")
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	fmt.Println(res.Status, string(body))

	server.Close()
	front.Shutdown(context.Background())
	stop()
	fmt.Println("ended:", <-ended)
	// Output:
	// 200 OK Hello world!
	// ended: <nil>
}
