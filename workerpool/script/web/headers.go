package web

import (
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"

	"go.starlark.net/starlark"
)

// A header is a header of a response. Its name is in lower case.
type header struct{ name, value string }

// requestHeaders calls yield for each header of a request message, with the
// name in lower case, until yield returns false.
func requestHeaders(m asgi.Message, yield func(name, value string) bool) {
	v, _ := m.Get(asgi.KeyHeaders)
	list, _ := v.(asgi.List)
	for _, item := range list.All() {
		pair, _ := item.(asgi.List)
		if pair.Len() != 2 {
			continue
		}
		if !yield(strings.ToLower(pair.Octets(0)), pair.Octets(1)) {
			return
		}
	}
}

// headerValues returns the values of a header. It ignores the case of the name.
func headerValues(m asgi.Message, name string) []string {
	name = strings.ToLower(name)
	var values []string
	requestHeaders(m, func(n, v string) bool {
		if n == name {
			values = append(values, v)
		}
		return true
	})
	return values
}

// headerValue returns a header as one text.
func headerValue(m asgi.Message, name string) (string, bool) {
	values := headerValues(m, name)
	return joined(name, values), len(values) > 0
}

// joined returns the values of a header as one text, as HTTP allows.
func joined(name string, values []string) string {
	sep := ", "
	if strings.EqualFold(name, "cookie") {
		sep = "; "
	}
	return asText(strings.Join(values, sep))
}

// eachHeader iterates over the names of a request's headers in order, each with its
// values as one text.
func eachHeader(m asgi.Message) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		var names []string
		values := map[string][]string{}
		requestHeaders(m, func(n, v string) bool {
			if values[n] == nil {
				names = append(names, n)
			}
			values[n] = append(values[n], v)
			return true
		})
		for _, n := range names {
			if !yield(n, joined(n, values[n])) {
				return
			}
		}
	}
}

// asText converts bytes to text. It decodes them as Latin-1, HTTP's old charset,
// if they are not UTF-8.
func asText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := make([]rune, len(s))
	for i := range len(s) {
		out[i] = rune(s[i])
	}
	return string(out)
}

// requestHeaderDict returns the value of request.headers.
func requestHeaderDict(m asgi.Message) *headerDict {
	all := newMulti("headers")
	for n, v := range eachHeader(m) {
		all.add(n, starlark.String(v))
	}
	return &headerDict{all, m}
}

// A headerDict is a Multi that ignores the case of keys.
type headerDict struct {
	*Multi
	message asgi.Message
}

func (a *headerDict) Get(k starlark.Value) (starlark.Value, bool, error) {
	if s, ok := starlark.AsString(k); ok {
		k = starlark.String(strings.ToLower(s))
	}
	return a.Multi.Get(k)
}

func (a *headerDict) Attr(name string) (starlark.Value, error) {
	v, err := a.Multi.Attr(name)
	switch name {
	case "get":
		return method(name, func(t *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return a.get(t, lowerFirst(args), kwargs)
		}), err
	case "getlist":
		return method(name, func(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			var key string
			if err := starlark.UnpackArgs("getlist", args, kwargs, "key", &key); err != nil {
				return nil, err
			}
			values := headerValues(a.message, key)
			for i, v := range values {
				values[i] = asText(v)
			}
			return stringList(values), nil
		}), err
	}
	return v, err
}

func lowerFirst(args starlark.Tuple) starlark.Tuple {
	if len(args) == 0 {
		return args
	}
	s, ok := starlark.AsString(args[0])
	if !ok {
		return args
	}
	return append(starlark.Tuple{starlark.String(strings.ToLower(s))}, args[1:]...)
}

// checkHeader fails if HTTP does not allow the name or value. It runs when the
// script sets the header, so that the error names that line.
func checkHeader(name, value string) error {
	if name == "" {
		return fmt.Errorf("the name of a header is empty")
	}
	for i := range len(name) {
		if !tokenByte(name[i]) {
			return fmt.Errorf("%q cannot be the name of a header: %q is not allowed in it", name, name[i:i+1])
		}
	}
	if i := strings.IndexFunc(value, isControl); i >= 0 {
		return explain.Hintf("a header must be one line; encode user input with urlencode or quote",
			"the header %s cannot contain %q", name, value[i:i+1])
	}
	return nil
}

// isControl reports whether a character of a header's value is not allowed.
func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// tokenByte reports whether a byte may be in a header's or a cookie's name.
func tokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
