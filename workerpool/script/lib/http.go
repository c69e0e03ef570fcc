package lib

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/jsontext"
	"asgibox/workerpool/script/value"
)

const (
	defaultTimeout = 10 * time.Second
	// maxBody is the default limit for the body of a response, in bytes.
	maxBody = 10 << 20
	// maxHeaders limits the headers of a response, in bytes.
	maxHeaders = 1 << 20
)

// errLimit is the cause of a context that ended by the call's own timeout.
var errLimit = errors.New("time limit")

// http returns the module http.
func (o Options) http() *starlarkstruct.Module {
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	return module("http", Requests{Before: o.before, After: o.after, Client: o.Client}.functions())
}

// Requests makes functions that send requests, like those of the module http.
type Requests struct {
	// Base begins every URL, so that the functions take paths. By default they
	// take whole URLs.
	Base string
	// Before runs before a request is sent, After when the response has come.
	Before func(thread *starlark.Thread, call string) error
	After  func(thread *starlark.Thread, call string)
	// Client sends the requests.
	Client *http.Client
}

// Builtins returns the functions get, post and request of an object.
func (q Requests) Builtins(object string) starlark.StringDict {
	return module(object, q.functions()).Members
}

func (q Requests) functions() map[string]function {
	return map[string]function{"get": q.call("GET"), "post": q.call("POST"), "request": q.call("")}
}

// A call holds the arguments of http.get, http.post or http.request.
type call struct {
	name                                       string
	method, url                                string
	params, headers, body, json, form, timeout starlark.Value
	maxSize                                    int
}

func (q Requests) call(method string) function {
	return func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		c := call{name: b.Name(), method: method, timeout: starlark.Float(defaultTimeout.Seconds()), maxSize: maxBody}
		target := "url"
		if q.Base != "" {
			target = "path"
		}
		pairs := []any{target, &c.url, "params?", &c.params, "headers?", &c.headers, "timeout?", &c.timeout, "max_size?", &c.maxSize}
		if method == "" {
			pairs = append([]any{"method", &c.method}, pairs...)
		}
		if method != "GET" {
			pairs = append(pairs, "body?", &c.body, "json?", &c.json, "form?", &c.form)
		}
		if err := starlark.UnpackArgs(b.Name(), args, kwargs, pairs...); err != nil {
			return nil, err
		}
		req, err := c.request(thread, q.Base)
		if err != nil {
			return nil, err
		}
		limit, err := Seconds(c.name, c.timeout)
		if err != nil {
			return nil, err
		}
		if err := q.Before(thread, c.name); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeoutCause(contextOf(thread), limit, errLimit)
		defer cancel()
		defer q.After(thread, c.name)
		return c.do(q.Client, req.WithContext(ctx), limit)
	}
}

// NewRequest returns a request for a path below base. The headers are a dict or
// missing.
func NewRequest(name, method, base, path string, headers starlark.Value) (*http.Request, error) {
	c := call{name: name, method: method, url: path, headers: headers}
	return c.request(nil, base)
}

// ParseRequest returns the request that the arguments of a call describe: the path
// below base, and optionally method, headers, params and a body.
func ParseRequest(thread *starlark.Thread, b *starlark.Builtin, base string, args starlark.Tuple, kwargs []starlark.Tuple) (*http.Request, error) {
	c := call{name: b.Name(), method: "GET"}
	err := starlark.UnpackArgs(b.Name(), args, kwargs, "path", &c.url, "method?", &c.method, "headers?", &c.headers,
		"params?", &c.params, "body?", &c.body, "json?", &c.json, "form?", &c.form)
	if err != nil {
		return nil, err
	}
	return c.request(thread, base)
}

// request returns the request, without its context.
func (c *call) request(thread *starlark.Thread, base string) (*http.Request, error) {
	body, contentType, err := c.content(thread)
	if err != nil {
		return nil, err
	}
	u, err := c.fullURL(base)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(strings.ToUpper(c.method), u, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %q is not a method like GET", c.name, c.method) // the URL was checked
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req, c.setHeaders(req)
}

// fullURL returns the URL with the parameters. If there is a base, the URL of the
// call is a path below it.
func (c *call) fullURL(base string) (string, error) {
	if base != "" && !strings.HasPrefix(c.url, "/") {
		return "", explain.Hintf(`write it like "/rooms?page=2"`, "%s: the path %q does not begin with a slash", c.name, c.url)
	}
	u, err := url.Parse(base + c.url)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", explain.Hintf(`write it like "https://example.org/path"`, "%s: %q is not a valid web URL", c.name, c.url)
	}
	if given(c.params) {
		query, err := encodeForm(c.name, c.params)
		if err != nil {
			return "", err
		}
		if u.RawQuery != "" {
			query = u.RawQuery + "&" + query
		}
		u.RawQuery = query
	}
	return u.String(), nil
}

// content returns the body of the request and its type.
func (c *call) content(thread *starlark.Thread) (body, contentType string, err error) {
	n := 0
	for _, v := range []starlark.Value{c.body, c.json, c.form} {
		if given(v) {
			n++
		}
	}
	switch {
	case n > 1:
		return "", "", fmt.Errorf("%s: only one of body, json and form is allowed", c.name)
	case given(c.json):
		v, err := jsontext.Encode(thread, c.json)
		if err != nil {
			return "", "", err
		}
		s, _ := starlark.AsString(v)
		return s, "application/json", nil
	case given(c.form):
		s, err := encodeForm(c.name, c.form)
		return s, "application/x-www-form-urlencoded", err
	case given(c.body):
		s, ok := octets(c.body)
		if !ok {
			return "", "", explain.Hintf("write json=data", "%s: the body is %s; it must be text or bytes", c.name, value.An(c.body))
		}
		return s, "", nil
	}
	return "", "", nil
}

func (c *call) setHeaders(req *http.Request) error {
	if !given(c.headers) {
		return nil
	}
	headers, ok := c.headers.(starlark.IterableMapping)
	if !ok {
		return fmt.Errorf("%s: headers is %s; it must be a dict", c.name, value.An(c.headers))
	}
	for _, item := range headers.Items() {
		name, err := text(c.name, item[0])
		if err != nil {
			return err
		}
		value, err := text(c.name, item[1])
		if err != nil {
			return err
		}
		if strings.ContainsAny(name+value, "\r\n\x00") {
			return fmt.Errorf("%s: the header %q contains a line end", c.name, name)
		}
		if strings.EqualFold(name, "host") {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	return nil
}

func given(v starlark.Value) bool { return v != nil && v != starlark.None }

// do sends the request and reads the response.
func (c *call) do(client *http.Client, req *http.Request, limit time.Duration) (starlark.Value, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, c.failed(req, err, limit)
	}
	defer resp.Body.Close()
	if size(resp.Header) > maxHeaders {
		return nil, fmt.Errorf("%s: the headers of the response of %s are longer than %d bytes", c.name, req.URL.Host, maxHeaders)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols { // the body is the connection, and its reads have no time limit
		return newResponse(resp, ""), nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(c.maxSize)+1))
	if err != nil {
		return nil, c.failed(req, err, limit)
	}
	if len(body) > c.maxSize {
		return nil, explain.Hintf("pass a greater max_size=bytes", "%s: the response of %s is longer than %d bytes", c.name, req.URL.Host, c.maxSize)
	}
	return newResponse(resp, string(body)), nil
}

// size returns the number of bytes in headers.
func size(h http.Header) (n int) {
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}

// failed returns the error for the script: a timeout of the call, the reason
// why the handler was cancelled, or a network error.
func (c *call) failed(req *http.Request, err error, limit time.Duration) error {
	const hint = "to continue without a response, write: value, error = attempt(http.get, url)"
	cause := context.Cause(req.Context())
	var hinted interface {
		error
		Hint() string
	}
	switch {
	case errors.As(err, &hinted): // of the client
		return fmt.Errorf("%s: %w", c.name, hinted)
	case errors.Is(cause, errLimit):
		return explain.Hintf("to wait longer, pass timeout=seconds; "+hint, "%s: %s did not respond within %v", c.name, req.URL.Host, limit)
	case cause != nil:
		return cause
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return explain.Hintf(hint, "%s: the request to %s failed: %w", c.name, req.URL.Host, err)
}
