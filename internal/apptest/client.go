package apptest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"asgibox/workerpool/script"
	"asgibox/workerpool/script/lib"
)

// baseURL begins the URLs of all requests.
const baseURL = "http://" + serverAddress

// A builtin implements a function of the file of tests.
type builtin = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

// newClient returns the argument of a test.
func newClient(w *world, tests *script.Tests) starlark.Value {
	members := lib.Requests{
		Base:   baseURL,
		Before: func(*starlark.Thread, string) error { return w.settle() },
		After:  func(*starlark.Thread, string) {},
		Client: &http.Client{Transport: exchanges{w}, CheckRedirect: noRedirect},
	}.Builtins("client")
	members["layer"], members["state"] = tests.Value("layer"), tests.Value("state")
	for name, f := range map[string]builtin{"advance": w.advanceCall, "websocket": w.websocketCall, "stream": w.streamCall} {
		members[name] = starlark.NewBuiltin("client."+name, f)
	}
	return &starlarkstruct.Module{Name: "client", Members: members}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// advanceCall implements client.advance(seconds).
func (w *world) advanceCall(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var seconds starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "seconds", &seconds); err != nil {
		return nil, err
	}
	d, err := lib.Seconds(b.Name(), seconds)
	if err != nil {
		return nil, err
	}
	return starlark.None, w.advance(d)
}

// exchanges sends the requests of a test. The application runs until the whole
// response has come.
type exchanges struct{ world *world }

func (x exchanges) RoundTrip(req *http.Request) (*http.Response, error) {
	limit := maxWait
	if end, ok := req.Context().Deadline(); ok {
		limit = time.Until(end)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sent := req.Clone(ctx)
	var (
		resp *http.Response
		body []byte
		err  error
		done = make(chan struct{})
	)
	go func() {
		defer close(done)
		if resp, err = x.world.do(sent); err != nil {
			return
		}
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}()
	waited := x.world.wait(done, limit, "the response to "+req.Method+" "+req.URL.RequestURI())
	cancel()
	<-done
	if waited != nil {
		return nil, waited
	}
	if err != nil {
		return nil, err
	}
	resp.Body, resp.Request = io.NopCloser(bytes.NewReader(body)), req
	return resp, nil
}

// do sends a request with the client's cookies and returns when the response
// starts.
func (w *world) do(req *http.Request) (*http.Response, error) {
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "asgibox test")
	}
	return w.client.Do(req)
}
