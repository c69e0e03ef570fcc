package apptest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"asgibox/asgi"
	"asgibox/workerpool/script"
	"asgibox/workerpool/script/lib"
	"asgibox/workerpool/script/value"
)

// baseURL begins the URLs of all requests.
const baseURL = "http://" + serverAddress

// A builtin implements a function of the file of tests.
type builtin = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

// A browser is a client with cookies of its own.
type browser struct {
	*world
	tests *script.Tests
	http  http.Client
}

// newClient returns the argument of a test, or another client.
func newClient(w *world, tests *script.Tests) starlark.Value {
	jar, _ := cookiejar.New(nil) // never fails
	b := &browser{w, tests, http.Client{Transport: w.transport, Jar: jar, CheckRedirect: noRedirect}}
	members := lib.Requests{
		Base:   baseURL,
		Before: func(*starlark.Thread, string) error { return w.settle() },
		After:  func(*starlark.Thread, string) {},
		Client: &http.Client{Transport: exchanges{b}, CheckRedirect: noRedirect},
	}.Builtins("client")
	members["layer"], members["state"] = tests.Value("layer"), tests.Value("state")
	for name, f := range map[string]builtin{
		"advance": w.advanceCall, "websocket": b.websocketCall, "stream": b.streamCall,
		"browser": b.browserCall, "set_session": b.setSessionCall,
	} {
		members[name] = starlark.NewBuiltin("client."+name, f)
	}
	return &starlarkstruct.Module{Name: "client", Members: members}
}

// browserCall implements client.browser(): another client, without cookies.
func (b *browser) browserCall(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs); err != nil {
		return nil, err
	}
	return newClient(b.world, b.tests), nil
}

// setSessionCall implements client.set_session(values): the client gets a session
// with these values.
func (b *browser) setSessionCall(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var values *starlark.Dict
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "values", &values); err != nil {
		return nil, err
	}
	v, err := value.FromStarlark(values, b.store.Settings().MaxMessage)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fn.Name(), err)
	}
	host, port, _ := net.SplitHostPort(serverAddress)
	number, _ := strconv.Atoi(port)
	server, err := asgi.NewList(host, number)
	if err != nil {
		return nil, err
	}
	header, err := b.loader.NewSession(b.ctx, v.(asgi.Dict), server)
	if err != nil {
		return nil, err
	}
	cookie, err := http.ParseSetCookie(header)
	if err != nil {
		return nil, err
	}
	b.http.Jar.SetCookies(&url.URL{Scheme: "http", Host: serverAddress, Path: "/"}, []*http.Cookie{cookie})
	return starlark.None, b.settle()
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
type exchanges struct{ browser *browser }

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
		if resp, err = x.browser.do(sent); err != nil {
			return
		}
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}()
	waited := x.browser.wait(done, limit, "the response to "+req.Method+" "+req.URL.RequestURI())
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
func (b *browser) do(req *http.Request) (*http.Response, error) {
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "asgibox test")
	}
	return b.http.Do(req)
}
