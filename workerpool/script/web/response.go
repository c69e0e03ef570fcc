package web

import (
	"fmt"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// A Response is the value of HttpResponse, JsonResponse, redirect, render,
// StreamingHttpResponse or FileResponse.
type Response struct {
	object
	status  int
	headers []header
	content asgi.Bytes
	stream  starlark.Value // a function or a list of pieces, or nil
	file    *file          // or nil
	frozen  bool
}

var (
	_ starlark.HasSetField = (*Response)(nil)
	_ starlark.HasSetKey   = (*Response)(nil)
)

func newResponse(status int, contentType string) *Response {
	r := &Response{object: "HttpResponse", status: status}
	if contentType != "" {
		r.headers = []header{{"content-type", contentType}}
	}
	return r
}

const (
	htmlType  = "text/html; charset=utf-8"
	jsonType  = "application/json"
	bytesType = "application/octet-stream"
)

// Held returns the function or the list of pieces that a stream holds.
func (r *Response) Held() []starlark.Value {
	if r.stream == nil {
		return nil
	}
	return []starlark.Value{r.stream}
}

func (r *Response) Freeze() {
	if r.frozen {
		return
	}
	r.frozen = true
	if r.stream != nil {
		r.stream.Freeze()
	}
}

func (r *Response) String() string { return fmt.Sprintf("<%s %d>", r.Type(), r.status) }

func (r *Response) AttrNames() []string {
	return []string{"content", "delete_cookie", "headers", "set_cookie", "status", "status_code"}
}

func (r *Response) Attr(name string) (starlark.Value, error) {
	switch name {
	case "status", "status_code":
		return starlark.MakeInt(r.status), nil
	case "content":
		return starlark.Bytes(r.content), nil
	case "headers":
		return &responseHeaders{"headers", r}, nil
	case "set_cookie":
		return method(name, r.setCookie).BindReceiver(r), nil
	case "delete_cookie":
		return method(name, r.deleteCookie).BindReceiver(r), nil
	}
	return nil, nil
}

// settableBy are the hints for the fields of a response that cannot be set.
var settableBy = map[string]string{
	"headers":       `set one header with response["x-name"] = value, or pass headers={…} to the call that makes the response`,
	"content_type":  `write response["content-type"] = value`,
	"set_cookie":    "call it: response.set_cookie(name, value)",
	"delete_cookie": "call it: response.delete_cookie(name)",
	"cookies":       "call response.set_cookie(name, value)",
}

// SetField changes the status or the content.
func (r *Response) SetField(name string, v starlark.Value) error {
	if r.frozen {
		return errFrozen
	}
	switch name {
	case "status", "status_code":
		return r.setStatus(v)
	case "content":
		content, err := body(v)
		if err == nil {
			r.content, r.stream, r.file = content, nil, nil
		}
		return err
	}
	hint, ok := settableBy[name]
	if !ok {
		hint = `only .content and .status can be set; a header is set with response["x-name"] = value`
	}
	return explain.Hintf(hint, "the field .%s of a response cannot be set", name)
}

// Get implements response["x-name"], which reads a header.
func (r *Response) Get(k starlark.Value) (starlark.Value, bool, error) {
	return (&responseHeaders{"headers", r}).Get(k)
}

// SetKey implements response["x-name"] = value, which sets a header.
func (r *Response) SetKey(k, v starlark.Value) error {
	return (&responseHeaders{"headers", r}).SetKey(k, v)
}

func (r *Response) setStatus(v starlark.Value) error {
	status, err := starlark.AsInt32(v)
	if err != nil {
		return fmt.Errorf("status is %s; it must be a number like 200", value.Brief(v))
	}
	if status < 200 || status > 999 {
		return fmt.Errorf("status is %d; it must be from 200 to 999", status)
	}
	r.status = status
	return nil
}

// maxHeaders is the largest number of headers of a response.
const maxHeaders = 1000

func checkHeaderCount(n int) error {
	if n > maxHeaders {
		return fmt.Errorf("the response would have %d headers; it can have at most %d", n, maxHeaders)
	}
	return nil
}

// setHeader replaces the values of a header with one value or a list of values.
// None removes the header.
func (r *Response) setHeader(name string, v starlark.Value) error {
	if r.frozen {
		return errFrozen
	}
	values, err := headerTexts(name, v)
	if err != nil {
		return err
	}
	name = strings.ToLower(name)
	r.headers = slices.DeleteFunc(r.headers, func(h header) bool { return h.name == name })
	for _, s := range values {
		r.headers = append(r.headers, header{name, s})
	}
	return checkHeaderCount(len(r.headers))
}

// headerTexts returns the values for a header as text: none for None, one, or
// those of a list.
func headerTexts(name string, v starlark.Value) ([]string, error) {
	values := []starlark.Value{v}
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case *starlark.List:
		values = slices.Collect(v.Elements())
	case starlark.Tuple:
		values = v
	}
	if err := checkHeaderCount(len(values)); err != nil {
		return nil, err
	}
	var all []string
	for _, v := range values {
		text, err := headerText(name, v)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}

func headerText(name string, v starlark.Value) (string, error) {
	switch v.(type) {
	case starlark.String, starlark.Bytes, starlark.Int:
	default:
		return "", fmt.Errorf("the header %s is %s; it must be text", name, value.An(v))
	}
	text, err := value.Text(v)
	if err != nil {
		return "", fmt.Errorf("the header %s: %w", name, err)
	}
	return text, checkHeader(name, text)
}

// setHeaders sets the headers of a dict, or adds the headers of a list of pairs.
func (r *Response) setHeaders(v starlark.Value) error {
	switch v := v.(type) {
	case nil, starlark.NoneType:
		return nil
	case starlark.String, starlark.Bytes: // not an Indexable of pairs
	case starlark.IterableMapping:
		for _, item := range v.Items() {
			name, ok := nameOf(item[0])
			if !ok {
				return fmt.Errorf("headers: the name %s is %s; it must be text", value.Brief(item[0]), value.An(item[0]))
			}
			if err := r.setHeader(name, item[1]); err != nil {
				return err
			}
		}
		return nil
	case starlark.Indexable:
		return r.addPairs(v)
	}
	return fmt.Errorf("headers is %s; it must be a dict or a list of pairs", value.An(v))
}

func (r *Response) addPairs(pairs starlark.Indexable) error {
	if err := checkHeaderCount(len(r.headers) + pairs.Len()); err != nil {
		return err
	}
	for i := range pairs.Len() {
		pair, ok := pairs.Index(i).(starlark.Indexable)
		if !ok || pair.Len() != 2 {
			return fmt.Errorf("headers[%d] is %s; it must be a pair of name and value", i, value.Brief(pairs.Index(i)))
		}
		name, ok := nameOf(pair.Index(0))
		if !ok {
			return fmt.Errorf("headers[%d]: the name is %s; it must be text", i, value.An(pair.Index(0)))
		}
		values, err := headerTexts(name, pair.Index(1))
		if err != nil {
			return err
		}
		name = strings.ToLower(name)
		if name == "content-type" {
			r.headers = slices.DeleteFunc(r.headers, func(h header) bool { return h.name == name })
		}
		for _, s := range values {
			r.headers = append(r.headers, header{name, s})
		}
	}
	return nil
}

func nameOf(v starlark.Value) (string, bool) {
	if b, ok := v.(starlark.Bytes); ok {
		return string(b), true
	}
	return starlark.AsString(v)
}

// body converts text or bytes to content.
func body(v starlark.Value) (asgi.Bytes, error) {
	switch v := v.(type) {
	case starlark.String:
		return asgi.Bytes(v), nil
	case starlark.Bytes:
		return asgi.Bytes(v), nil
	case starlark.NoneType:
		return "", nil
	case *starlark.Dict, *starlark.List, starlark.Tuple:
		return "", explain.Hintf("write JsonResponse(data)", "the content is %s; it must be text or bytes", value.An(v))
	}
	return "", explain.Hintf("write str(value)", "the content is %s; it must be text or bytes", value.An(v))
}
