package remote

import (
	"bytes"
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

// ClientOptions are how a [Client] reaches its layer. The zero value works for
// a control server on this machine.
type ClientOptions struct {
	Token string       // that the control server printed, if it wants one
	HTTP  *http.Client // default: one with keep-alive for many calls at once
	Log   *slog.Logger // of a server that cannot be reached; nowhere
}

// Client is a layer that is somewhere else: every call goes over HTTP to a
// [Handler]. It offers the extensions groups, flush, statistics, delay and
// state, as far as the layer there has them.
//
// A call returns when what it did is on disk there, so causes get no barriers.
// Bind receives in a loop of its own and calls the bound function from there:
// a sender hears neither of a full mailbox nor of a connection that is gone.
type Client struct {
	asgi.Unsupported // for the extensions that do not go over the wire
	base             string
	token            string
	http             *http.Client
	log              *slog.Logger
	settings         asgi.Settings
	extensions       []string
	version          string
	bindings         bindings
	lost             atomic.Bool // the server was not reached when it was last asked to receive
}

var (
	_ asgi.Partial    = (*Client)(nil)
	_ asgi.Groups     = (*Client)(nil)
	_ asgi.Flusher    = (*Client)(nil)
	_ asgi.Statistics = (*Client)(nil)
	_ asgi.Later      = (*Client)(nil)
	_ asgi.KV         = (*Client)(nil)
)

// Dial asks the layer at a control server's address, like
// http://127.0.0.1:8001, what it is, and answers a client for it. Close it to
// end its bindings.
func Dial(ctx context.Context, control string, o ClientOptions) (*Client, error) {
	if !strings.Contains(control, "://") {
		control = "http://" + control
	}
	u, err := url.Parse(control)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the control address %q is not like http://127.0.0.1:8001", control)
	}
	if o.HTTP == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = transport.MaxIdleConns
		o.HTTP = &http.Client{Transport: transport}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{log: o.Log, base: strings.TrimSuffix(u.String(), "/") + Prefix, token: o.Token, http: o.HTTP}
	about, err := c.do(ctx, http.MethodGet, "", nil)
	if err != nil {
		return nil, fmt.Errorf("asking the layer at %s what it is: %w", control, err)
	}
	c.settings = asgi.Settings{
		Expiry:      inSeconds(about, "expiry"),
		GroupExpiry: inSeconds(about, "group_expiry"),
		Capacity:    int(find[int64](about, "capacity")),
		MaxMessage:  int(find[int64](about, "max_message")),
	}
	c.version = find[string](about, "version")
	for _, name := range find[asgi.List](about, "extensions").All() {
		text, _ := name.(string)
		c.extensions = append(c.extensions, text)
	}
	return c, nil
}

// Version returns what the program at the other end calls itself.
func (c *Client) Version() string { return c.version }

// Settings returns how the layer there was set up, when Dial asked.
func (c *Client) Settings() asgi.Settings { return c.settings }

// Offers reports whether the layer there has the extension, and it goes over
// the wire.
func (c *Client) Offers(extension string) bool {
	switch extension {
	case asgi.ExtGroups, asgi.ExtFlush, asgi.ExtStatistics, asgi.ExtDelay, asgi.ExtState:
		return slices.Contains(c.extensions, extension)
	}
	return false
}

// Close ends the bindings and lets idle connections go.
func (c *Client) Close() {
	c.bindings.close()
	c.http.CloseIdleConnections()
}

// call makes one call and answers its result.
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
		var told *Error
		if !errors.As(err, &told) {
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

// transportError is of a call that did not come through, or whose answer did
// not.
type transportError struct{ err error }

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// longestAnswer bounds what the other end can make this one keep in memory.
const longestAnswer = 256 << 20

// result reads an answer, or the error that it tells of.
func result(res *http.Response) (asgi.Fields, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	if _, err := buf.ReadFrom(io.LimitReader(res.Body, longestAnswer)); err != nil {
		return nil, &transportError{err}
	}
	f := msgpackForm
	if mediaType, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); mediaType == jsonForm.mediaType {
		f = jsonForm // what stands before the handler answers so
	}
	fields, err := f.decode(buf.Bytes())
	switch {
	case err != nil && res.StatusCode == http.StatusOK:
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	case err != nil:
		return nil, fmt.Errorf("the server answered %s; is it a control server?", res.Status)
	case res.StatusCode != http.StatusOK:
		return nil, &Error{Kind: find[string](fields, "error"), Detail: find[string](fields, "detail")}
	}
	return fields, nil
}

// find returns a value of a result if it is of that type.
func find[T any](fields asgi.Fields, key string) (v T) {
	for _, f := range fields {
		if f.Key == key {
			v, _ = f.Value.(T)
			return v
		}
	}
	return v
}

func inSeconds(fields asgi.Fields, key string) time.Duration {
	return time.Duration(find[float64](fields, key) * float64(time.Second))
}
