package lib

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"

	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

var textFunctions = map[string]function{
	"urlencode":   urlencode,
	"urldecode":   urldecode,
	"quote":       quote,
	"unquote":     unquote,
	"html_escape": htmlEscape,
}

// uuid4 returns a new random UUID as text.
func (o Options) uuid4(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var u [16]byte
	if o.Random == nil {
		rand.Read(u[:])
	} else {
		binary.BigEndian.PutUint64(u[:8], o.Random.Uint64())
		binary.BigEndian.PutUint64(u[8:], o.Random.Uint64())
	}
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return starlark.String(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])), starlark.UnpackArgs(b.Name(), args, kwargs)
}

// urlencode encodes a dict, or a list of pairs, as a query string. If a value is
// a list, each of its items makes one pair.
func urlencode(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "dict", &v); err != nil {
		return nil, err
	}
	s, err := encodeForm(b.Name(), v)
	return starlark.String(s), err
}

func encodeForm(call string, v starlark.Value) (string, error) {
	var items []starlark.Tuple
	switch v := v.(type) {
	case starlark.IterableMapping:
		items = v.Items()
	case *starlark.List:
		for i := range v.Len() {
			pair, ok := v.Index(i).(starlark.Indexable)
			if !ok || pair.Len() != 2 {
				return "", fmt.Errorf("%s: %s is not a pair of name and value", call, value.Brief(v.Index(i)))
			}
			items = append(items, starlark.Tuple{pair.Index(0), pair.Index(1)})
		}
	default:
		return "", fmt.Errorf("%s: the argument is %s; it must be a dict or a list of pairs", call, value.An(v))
	}
	var out builder
	for _, item := range items {
		values := []starlark.Value{item[1]}
		if l, ok := item[1].(*starlark.List); ok {
			values = slices.Collect(l.Elements())
		}
		name, err := text(call, item[0])
		if err != nil {
			return "", err
		}
		for _, v := range values {
			value, err := text(call, v)
			if err != nil {
				return "", err
			}
			sep := "&"
			if out.Len() == 0 {
				sep = ""
			}
			if err := out.add(call, sep, url.QueryEscape(name), "=", url.QueryEscape(value)); err != nil {
				return "", err
			}
		}
	}
	return out.String(), nil
}

// urldecode returns a dict of lists.
func urldecode(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	text, err := one(b, "text", args, kwargs)
	if err != nil {
		return nil, err
	}
	var (
		names  []string // in order
		keys   value.Keys
		values = make(map[string]*starlark.List)
	)
	for pair := range strings.SplitSeq(strings.TrimPrefix(text, "?"), "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name = unescape(name, url.QueryUnescape)
		if values[name] == nil {
			values[name] = starlark.NewList(nil)
			names = append(names, name)
			keys.Add(name)
		}
		values[name].Append(starlark.String(unescape(value, url.QueryUnescape)))
	}
	if keys.Crowded() {
		return nil, fmt.Errorf("%s: the hashes of too many names are equal", b.Name())
	}
	d := starlark.NewDict(len(names))
	for _, name := range names {
		d.SetKey(starlark.String(name), values[name]) // cannot fail: the dict is new
	}
	return d, nil
}

// quote percent-encodes a text for a URL, except for the characters in safe.
func quote(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	safe := "/"
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "text", &v, "safe?", &safe); err != nil {
		return nil, err
	}
	plain, err := text(b.Name(), v)
	if err != nil {
		return nil, err
	}
	return made(b.Name(), plain, func(plain string) string { return percentEncoded(plain, safe) })
}

// percentEncoded percent-encodes a text, except for letters, digits, and the characters
// in safe.
func percentEncoded(plain, safe string) string {
	var out strings.Builder
	for i := range len(plain) {
		c := plain[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 || strings.IndexByte(safe, c) >= 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

func unquote(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	text, err := one(b, "text", args, kwargs)
	return starlark.String(unescape(text, url.PathUnescape)), err
}

// unescape decodes s, or leaves it unchanged if it is not well encoded.
func unescape(s string, decode func(string) (string, error)) string {
	if out, err := decode(s); err == nil {
		s = out
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func htmlEscape(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "text", &v); err != nil {
		return nil, err
	}
	plain, err := text(b.Name(), v)
	if err != nil {
		return nil, err
	}
	return made(b.Name(), plain, html.EscapeString)
}
