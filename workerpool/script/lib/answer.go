package lib

import (
	"fmt"
	"net/http"
	"sort"
	"strings"

	"asgibox/workerpool/script/jsontext"

	"go.starlark.net/starlark"
)

// An answer is what an http call got.
type answer struct {
	status  int
	url     string
	body    string
	headers answerHeaders
}

func newAnswer(resp *http.Response, body string) *answer {
	a := &answer{status: resp.StatusCode, url: resp.Request.URL.String(), body: body, headers: answerHeaders{}}
	for name, values := range resp.Header {
		a.headers[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	return a
}

func (a *answer) Type() string          { return "http.response" }
func (a *answer) Freeze()               {}
func (a *answer) Truth() starlark.Bool  { return true }
func (a *answer) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: %s", a.Type()) }
func (a *answer) String() string        { return fmt.Sprintf("<http.response %d>", a.status) }

func (a *answer) AttrNames() []string {
	return []string{"body", "headers", "json", "status", "text", "url"}
}

func (a *answer) Attr(name string) (starlark.Value, error) {
	switch name {
	case "status":
		return starlark.MakeInt(a.status), nil
	case "url":
		return starlark.String(a.url), nil
	case "body":
		return starlark.Bytes(a.body), nil
	case "text":
		return starlark.String(strings.ToValidUTF8(a.body, "\uFFFD")), nil
	case "headers":
		return a.headers, nil
	case "json":
		return starlark.NewBuiltin(name, a.json), nil
	}
	return nil, nil
}

func (a *answer) json(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	v, err := jsontext.Decode(thread, a.body)
	if err != nil {
		return nil, hinted("look at response.status and response.text first", "the answer of %s is not JSON", a.url)
	}
	return v, nil
}

// answerHeaders are looked up in any case.
type answerHeaders map[string]string

func (h answerHeaders) Type() string          { return "headers" }
func (h answerHeaders) Freeze()               {}
func (h answerHeaders) Truth() starlark.Bool  { return len(h) > 0 }
func (h answerHeaders) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: %s", h.Type()) }
func (h answerHeaders) String() string        { return fmt.Sprint(h.Items()) }
func (h answerHeaders) Len() int              { return len(h) }

func (h answerHeaders) Get(k starlark.Value) (starlark.Value, bool, error) {
	name, _ := starlark.AsString(k)
	v, ok := h[strings.ToLower(name)]
	return starlark.String(v), ok, nil
}

func (h answerHeaders) Items() []starlark.Tuple {
	var items []starlark.Tuple
	for name, v := range h {
		items = append(items, starlark.Tuple{starlark.String(name), starlark.String(v)})
	}
	sort.Slice(items, func(i, j int) bool { return items[i][0].String() < items[j][0].String() })
	return items
}

func (h answerHeaders) Iterate() starlark.Iterator {
	var names []starlark.Value
	for _, item := range h.Items() {
		names = append(names, item[0])
	}
	return starlark.NewList(names).Iterate()
}

func (h answerHeaders) AttrNames() []string { return []string{"get"} }

func (h answerHeaders) Attr(name string) (starlark.Value, error) {
	if name != "get" {
		return nil, nil
	}
	return starlark.NewBuiltin(name, func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var key string
		var otherwise starlark.Value = starlark.None
		if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &key, "default?", &otherwise); err != nil {
			return nil, err
		}
		if v, ok, _ := h.Get(starlark.String(key)); ok {
			return v, nil
		}
		return otherwise, nil
	}), nil
}
