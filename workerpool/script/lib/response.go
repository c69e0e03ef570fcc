package lib

import (
	"fmt"
	"net/http"
	"sort"
	"strings"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/jsontext"

	"go.starlark.net/starlark"
)

// A response is the result of an http call.
type response struct {
	status  int
	url     string
	body    string
	headers headers
}

func newResponse(resp *http.Response, body string) *response {
	return &response{status: resp.StatusCode, url: resp.Request.URL.String(), body: body, headers: headersOf(resp.Header)}
}

// Headers returns the headers of a response as a value for scripts.
func Headers(h http.Header) starlark.Value { return headersOf(h) }

func headersOf(from http.Header) headers {
	h := headers{}
	for name, values := range from {
		h[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	return h
}

func (r *response) Type() string          { return "http.response" }
func (r *response) Freeze()               {}
func (r *response) Truth() starlark.Bool  { return true }
func (r *response) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: %s", r.Type()) }
func (r *response) String() string        { return fmt.Sprintf("<http.response %d>", r.status) }

func (r *response) AttrNames() []string {
	return []string{"body", "headers", "json", "status", "text", "url"}
}

func (r *response) Attr(name string) (starlark.Value, error) {
	switch name {
	case "status":
		return starlark.MakeInt(r.status), nil
	case "url":
		return starlark.String(r.url), nil
	case "body":
		return starlark.Bytes(r.body), nil
	case "text":
		return starlark.String(strings.ToValidUTF8(r.body, "\uFFFD")), nil
	case "headers":
		return r.headers, nil
	case "json":
		return starlark.NewBuiltin(name, r.json), nil
	}
	return nil, nil
}

func (r *response) json(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	v, err := jsontext.Decode(thread, r.body)
	if err != nil {
		return nil, explain.Hintf("check response.status and response.text first", "the response of %s is not JSON", r.url)
	}
	return v, nil
}

// headers maps names in lower case to values. Lookups ignore case.
type headers map[string]string

func (h headers) Type() string          { return "headers" }
func (h headers) Freeze()               {}
func (h headers) Truth() starlark.Bool  { return len(h) > 0 }
func (h headers) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: headers") }
func (h headers) String() string        { return fmt.Sprint(h.Items()) }
func (h headers) Len() int              { return len(h) }

func (h headers) Get(k starlark.Value) (starlark.Value, bool, error) {
	name, _ := starlark.AsString(k)
	v, ok := h[strings.ToLower(name)]
	return starlark.String(v), ok, nil
}

func (h headers) Items() []starlark.Tuple {
	var items []starlark.Tuple
	for name, v := range h {
		items = append(items, starlark.Tuple{starlark.String(name), starlark.String(v)})
	}
	sort.Slice(items, func(i, j int) bool { return items[i][0].String() < items[j][0].String() })
	return items
}

func (h headers) Iterate() starlark.Iterator {
	var names []starlark.Value
	for _, item := range h.Items() {
		names = append(names, item[0])
	}
	return starlark.NewList(names).Iterate()
}

func (h headers) AttrNames() []string { return []string{"get"} }

func (h headers) Attr(name string) (starlark.Value, error) {
	if name != "get" {
		return nil, nil
	}
	return getMethod(func(key string) (string, bool) {
		v, ok := h[strings.ToLower(key)]
		return v, ok
	}), nil
}
