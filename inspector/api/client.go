package api

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"asgibox/asgi/remote"
)

// A Client calls the control server of a running program. The server's error
// responses are returned as [*remote.Error].
type Client struct {
	Base  string       // URL of the server, without a slash at the end
	Token string       // empty if the server needs none
	Agent string       // User-Agent, under which the inspector shows a reader; default: asgibox
	HTTP  *http.Client // nil for the default one
}

// NewClient returns a client for an address like 127.0.0.1:8001 or
// http://host:8001/?token=x. A token in the address has priority. The address may
// have a path, as the inspectors of the tour have.
func NewClient(address, token string) (*Client, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("want an address like 127.0.0.1:8001")
	}
	return &Client{Base: u.Scheme + "://" + u.Host + strings.TrimRight(u.Path, "/"), Token: cmp.Or(u.Query().Get("token"), token)}, nil
}

// Get makes a request and decodes the response into v.
func (c *Client) Get(ctx context.Context, path string, query url.Values, v any) error {
	return c.call(ctx, http.MethodGet, path+"?"+query.Encode(), nil, v)
}

// Post makes a call with arguments and decodes the response into v, if v is
// not nil. Arguments of type [json.RawMessage] are sent as they are.
func (c *Client) Post(ctx context.Context, path string, args, v any) error {
	body, err := json.Marshal(args)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, path, bytes.NewReader(body), v)
}

func (c *Client) call(ctx context.Context, method, path string, body io.Reader, v any) error {
	resp, err := c.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("the response from %s is incomplete: %w", c.Base, err)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("the response from %s is not from an asgibox control server: %w", c.Base, err)
	}
	return nil
}

// Lines makes a request, with a body if it is not nil, and calls f with each
// line of the response. It returns nil once the context is done.
func (c *Client) Lines(ctx context.Context, path string, query url.Values, body io.Reader, f func(line []byte) error) error {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	resp, err := c.open(ctx, method, path+"?"+query.Encode(), body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 64<<10), 64<<20)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := f(lines.Bytes()); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return lines.Err()
}

// open makes a request and returns its response if the call succeeded. It
// returns the context's error if that is done.
func (c *Client) open(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", cmp.Or(c.Agent, "asgibox"))
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := cmp.Or(c.HTTP, http.DefaultClient).Do(req)
	switch {
	case ctx.Err() != nil:
		if err == nil {
			resp.Body.Close()
		}
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("cannot reach a control server on %s: is asgibox running?", req.URL.Host)
	case resp.StatusCode < 300:
		return resp, nil
	}
	defer resp.Body.Close()
	refusal := &remote.Error{}
	if json.NewDecoder(resp.Body).Decode(refusal) != nil || refusal.Detail == "" {
		return nil, fmt.Errorf("%s responded with %s: is it an asgibox control server?", req.URL.Host, resp.Status)
	}
	return nil, refusal
}
