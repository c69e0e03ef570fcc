package httpfront_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"asgibox/asgi"
	"asgibox/httpfront"
	"asgibox/store"
)

// A Server is an http.Handler. Here it is mounted in another server, beside
// other handlers. ConfigureServer sets the limits that it needs.
func ExampleServer_mounted() {
	layer := store.Memory(store.Options{})
	defer layer.Close(context.Background())
	front, err := httpfront.New(layer, httpfront.Options{RootPath: "/app"})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "well") })
	mux.Handle("/app/", front)
	server := httptest.NewUnstartedServer(mux)
	httpfront.ConfigureServer(server.Config)
	server.Start()

	go func() { // a worker
		d, err := layer.Receive(context.Background(), nil, "http.request")
		if err != nil {
			panic(err)
		}
		layer.Send(context.Background(), nil, d.Message.Text("reply_channel"), asgi.MustMessage(
			asgi.Field{Key: "status", Value: 200},
			asgi.Field{Key: "content", Value: "You asked for " + d.Message.Text("path")},
		))
	}()
	for _, path := range []string{"/health", "/app/page"} {
		res, err := http.Get(server.URL + path)
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(string(body))
	}
	front.Shutdown(context.Background())
	server.Close()
	// Output:
	// well
	// You asked for /app/page
}
