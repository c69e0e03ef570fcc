package web

import (
	"fmt"
	"strings"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// httpResponse implements HttpResponse(content, status, content_type, headers).
func httpResponse(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var content, status, headers starlark.Value = starlark.String(""), starlark.MakeInt(200), starlark.None
	contentType := htmlType
	err := starlark.UnpackArgs(b.Name(), args, kwargs, "content?", &content, "status?", &status, "content_type?", &contentType, "headers?", &headers)
	if err != nil {
		return nil, err
	}
	r := newResponse(200, contentType)
	if r.content, err = body(content); err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	return r.finish(b, status, headers)
}

// finish sets and checks the status and headers of a new response.
func (r *Response) finish(b *starlark.Builtin, status, headers starlark.Value) (starlark.Value, error) {
	if status != nil {
		if err := r.setStatus(status); err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
	}
	for _, h := range r.headers {
		if err := checkHeader(h.name, h.value); err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
	}
	if err := r.setHeaders(headers); err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	return r, nil
}

// jsonResponse implements JsonResponse(data, status, headers).
func jsonResponse(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var data, status, headers starlark.Value = nil, starlark.MakeInt(200), starlark.None
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "data", &data, "status?", &status, "headers?", &headers); err != nil {
		return nil, err
	}
	text, err := encodeJSON(thread, data)
	if err != nil {
		return nil, err
	}
	r := newResponse(200, jsonType)
	r.content = asgi.Bytes(text)
	return r.finish(b, status, headers)
}

// redirect implements redirect(url, permanent).
func redirect(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var to string
	var permanent bool
	var headers starlark.Value = starlark.None
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "url", &to, "permanent?", &permanent, "headers?", &headers); err != nil {
		return nil, err
	}
	if to == "" {
		return nil, explain.Hintf(`to redirect to the first page, write redirect("/")`, "redirect: the URL is empty")
	}
	r := newResponse(302, "")
	if permanent {
		r.status = 301
	}
	r.headers = []header{{"location", asciiURL(to)}}
	return r.finish(b, nil, headers)
}

// asciiURL percent-encodes the bytes that a URL does not have (RFC 3986).
func asciiURL(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// streamingResponse implements StreamingHttpResponse(fn, status, content_type,
// headers). fn is a function that takes write(piece), or a list of pieces.
func streamingResponse(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var fn, status, headers starlark.Value = nil, starlark.MakeInt(200), starlark.None
	contentType := htmlType
	err := starlark.UnpackArgs(b.Name(), args, kwargs, "fn", &fn, "status?", &status, "content_type?", &contentType, "headers?", &headers)
	if err != nil {
		return nil, err
	}
	switch fn.(type) {
	case starlark.Callable, starlark.Iterable:
	default:
		return nil, explain.Hintf("write: def fn(write): write(piece)", "%s: fn is %s; it must be a function or a list", b.Name(), value.An(fn))
	}
	r := newResponse(200, contentType)
	r.stream = fn
	return r.finish(b, status, headers)
}
