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

	"asgibox/workerpool/script/value"

	"asgibox/workerpool/script/jsontext"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

const (
	defaultTimeout = 10 * time.Second
	// maxAnswer is the longest body that is read, in bytes, unless the call
	// says otherwise.
	maxAnswer = 10 << 20
)

// errLimit tells a call's own limit from its handler's.
var errLimit = errors.New("time limit")

// http is the module http.
func (o Options) http() *starlarkstruct.Module {
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	return module("http", map[string]function{
		"get":     o.httpCall("GET"),
		"post":    o.httpCall("POST"),
		"request": o.httpCall(""),
	})
}

// A call is what a script asks for.
type call struct {
	name                                       string
	method, url                                string
	params, headers, body, json, form, timeout starlark.Value
	maxSize                                    int
}

func (o Options) httpCall(method string) function {
	return func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		c := call{name: b.Name(), method: method, timeout: starlark.Float(defaultTimeout.Seconds()), maxSize: maxAnswer}
		pairs := []any{"url", &c.url, "params?", &c.params, "headers?", &c.headers, "timeout?", &c.timeout, "max_size?", &c.maxSize}
		if method == "" {
			pairs = append([]any{"method", &c.method}, pairs...)
		}
		if method != "GET" {
			pairs = append(pairs, "body?", &c.body, "json?", &c.json, "form?", &c.form)
		}
		if err := starlark.UnpackArgs(b.Name(), args, kwargs, pairs...); err != nil {
			return nil, err
		}
		req, err := c.request(thread)
		if err != nil {
			return nil, err
		}
		limit, err := seconds(c.name, c.timeout)
		if err != nil {
			return nil, err
		}
		if err := o.before(thread, c.name); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeoutCause(contextOf(thread), limit, errLimit)
		defer cancel()
		return c.do(o.Client, req.WithContext(ctx), limit)
	}
}

// request makes the request, without its context.
func (c *call) request(thread *starlark.Thread) (*http.Request, error) {
	body, contentType, err := c.content(thread)
	if err != nil {
		return nil, err
	}
	u, err := c.address()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(strings.ToUpper(c.method), u, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req, c.setHeaders(req)
}

// address answers the URL with the parameters.
func (c *call) address() (string, error) {
	u, err := url.Parse(c.url)
	if err != nil {
		return "", fmt.Errorf("%s: %q is no URL", c.name, c.url)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", hinted(`write "https://example.org/path"`, "%s: %q is no URL of the web", c.name, c.url)
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

// content answers the body and what it is.
func (c *call) content(thread *starlark.Thread) (body, contentType string, err error) {
	n := 0
	for _, v := range []starlark.Value{c.body, c.json, c.form} {
		if given(v) {
			n++
		}
	}
	switch {
	case n > 1:
		return "", "", fmt.Errorf("%s: it takes one of body, json and form", c.name)
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
			return "", "", hinted("write json=data", "%s: the body is %s; it takes text or bytes", c.name, value.An(c.body))
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
		return fmt.Errorf("%s: headers is %s; it takes a dict", c.name, value.An(c.headers))
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
			return fmt.Errorf("%s: the header %q is more than one line", c.name, name)
		}
		if strings.EqualFold(name, "host") {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	return nil
}

func given(v starlark.Value) bool { return v != nil && v != starlark.None }

// do sends the request and reads the answer.
func (c *call) do(client *http.Client, req *http.Request, limit time.Duration) (starlark.Value, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, c.failed(req, err, limit)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(c.maxSize)+1))
	if err != nil {
		return nil, c.failed(req, err, limit)
	}
	if len(body) > c.maxSize {
		return nil, hinted("max_size=n takes more", "%s: the answer of %s is longer than %d bytes", c.name, req.URL.Host, c.maxSize)
	}
	return newAnswer(resp, string(body)), nil
}

// failed tells a time limit from a handler that was cancelled, and both from
// what the network says.
func (c *call) failed(req *http.Request, err error, limit time.Duration) error {
	const hint = "value, error = attempt(http.get, url) goes on without an answer"
	cause := context.Cause(req.Context())
	switch {
	case errors.Is(cause, errLimit):
		return hinted(hint+"; timeout=seconds waits longer", "%s: %s gave no answer within %v", c.name, req.URL.Host, limit)
	case cause != nil:
		return cause
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return hinted(hint, "%s: %s cannot be asked: %w", c.name, req.URL.Host, err)
}
