package remote

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

// ClientOptions are the options of a [Client]. The zero value works for a control
// server on this machine.
type ClientOptions struct {
	Token string       // token that the control server printed, if it needs one
	HTTP  *http.Client // default: one that keeps many connections open
	Agent string       // User-Agent, under which the inspector shows the client; default: asgibox
	Log   *slog.Logger // for reporting a lost connection; default: no log
}

// Client is a remote layer: it makes every call over HTTP to a [Handler]. It
// offers those of the extensions groups, flush, statistics, delay and state
// that the layer behind the handler has.
//
// A call returns when its effects are on disk, so causes get no barriers. Bind
// receives in its own goroutine and calls the bound function there, so a sender
// gets no error if the function returns one.
type Client struct {
	asgi.Unsupported // for extensions that the protocol does not have
	base             string
	token            string
	agent            string
	http             *http.Client
	log              *slog.Logger
	settings         asgi.Settings
	extensions       []string
	bindings         bindings
	disconnected     atomic.Bool // the last receive could not reach the server
}

var (
	_ asgi.Partial    = (*Client)(nil)
	_ asgi.Groups     = (*Client)(nil)
	_ asgi.Flusher    = (*Client)(nil)
	_ asgi.Statistics = (*Client)(nil)
	_ asgi.Later      = (*Client)(nil)
	_ asgi.KV         = (*Client)(nil)
)

// Dial returns a client for the layer of the control server at an address like
// http://127.0.0.1:8001. It requests the description of the layer. The caller
// must close the client to end its bindings.
func Dial(ctx context.Context, control string, o ClientOptions) (*Client, error) {
	if !strings.Contains(control, "://") {
		control = "http://" + control
	}
	u, err := url.Parse(control)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("invalid control address %q; it must be like http://127.0.0.1:8001", control)
	}
	if o.HTTP == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = transport.MaxIdleConns
		o.HTTP = &http.Client{Transport: transport}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{log: o.Log, base: strings.TrimSuffix(u.String(), "/") + Prefix, token: o.Token, agent: cmp.Or(o.Agent, "asgibox"), http: o.HTTP}
	about, err := c.do(ctx, http.MethodGet, "", nil)
	if err != nil {
		return nil, fmt.Errorf("connect to the layer at %s: %w", control, err)
	}
	c.settings = asgi.Settings{
		Expiry:      inSeconds(about, "expiry"),
		GroupExpiry: inSeconds(about, "group_expiry"),
		Capacity:    int(find[int64](about, "capacity")),
		MaxMessage:  int(find[int64](about, "max_message")),
	}
	for _, name := range find[asgi.List](about, "extensions").All() {
		text, _ := name.(string)
		c.extensions = append(c.extensions, text)
	}
	return c, nil
}

// Settings returns the settings that the layer had when Dial was called.
func (c *Client) Settings() asgi.Settings { return c.settings }

// Offers reports whether the layer and the protocol have the extension.
func (c *Client) Offers(extension string) bool {
	switch extension {
	case asgi.ExtGroups, asgi.ExtFlush, asgi.ExtStatistics, asgi.ExtDelay, asgi.ExtState:
		return slices.Contains(c.extensions, extension)
	}
	return false
}

// Close ends all bindings and closes idle connections.
func (c *Client) Close() {
	c.bindings.close()
	c.http.CloseIdleConnections()
}

// call makes one call and returns its result.
func (c *Client) call(ctx context.Context, name string, args asgi.Fields) (asgi.Fields, error) {
	for i := range args {
		v, err := asgi.Converter(nil).Value(args[i].Value)
		if err != nil {
			return nil, err
		}
		args[i].Value = v
	}
	fields, err := c.do(ctx, http.MethodPost, name, args)
	if err != nil {
		var callErr *Error
		if !errors.As(err, &callErr) {
			err = fmt.Errorf("layer over HTTP, %s: %w", name, err)
		}
		return nil, err
	}
	return fields, nil
}

func (c *Client) do(ctx context.Context, method, name string, args asgi.Fields) (asgi.Fields, error) {
	var body io.Reader
	if method == http.MethodPost {
		body = bytes.NewReader(msgpackForm.append(nil, args))
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+name, body)
	if err != nil {
		return nil, err
	}
	req.Header["Content-Type"] = []string{msgpackForm.mediaType}
	req.Header["Accept"] = []string{msgpackForm.mediaType}
	req.Header["User-Agent"] = []string{c.agent}
	if c.token != "" {
		req.Header["Authorization"] = []string{"Bearer " + c.token}
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &transportError{err}
	}
	defer res.Body.Close()
	return result(res)
}

// transportError is the error of a call whose request or response was not
// transmitted.
type transportError struct{ err error }

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// maxResponse is the maximum length of a response, in bytes. It limits memory.
const maxResponse = 256 << 20

// result returns the result or the error in a response.
func result(res *http.Response) (asgi.Fields, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	if _, err := buf.ReadFrom(io.LimitReader(res.Body, maxResponse)); err != nil {
		return nil, &transportError{err}
	}
	f := msgpackForm
	if mediaType, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); mediaType == jsonForm.mediaType {
		f = jsonForm // a response of the code in front of the handler
	}
	fields, err := f.decode(buf.Bytes())
	switch {
	case err != nil && res.StatusCode == http.StatusOK:
		return nil, fmt.Errorf("cannot decode the response: %w", err)
	case err != nil:
		return nil, fmt.Errorf("unexpected response %s; is it a control server?", res.Status)
	case res.StatusCode != http.StatusOK:
		return nil, &Error{Kind: find[string](fields, "error"), Detail: find[string](fields, "detail")}
	}
	return fields, nil
}

// find returns the value of a key if it has type T.
func find[T any](fields asgi.Fields, key string) T {
	v, _ := fields.Get(key)
	typed, _ := v.(T)
	return typed
}

func inSeconds(fields asgi.Fields, key string) time.Duration {
	return time.Duration(find[float64](fields, key) * float64(time.Second))
}
