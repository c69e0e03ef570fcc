package httpfront

import (
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"asgibox/asgi"
)

// A reply is one parsed message to an HTTP request's reply channel.
type reply struct {
	status  int // zero if the message has none
	headers http.Header
	length  int64 // content-length, or -1
	content string
	more    bool
	abort   bool
	push    *push
	unknown []string
}

// A push is a resource that the server offers before the client asks for it. A
// push without a target is invalid and ignored.
type push struct {
	target, method string
	headers        http.Header
}

// A problem says why a reply cannot be sent.
type problem struct{ key, what string }

func (p *problem) Error() string { return p.key + ": " + p.what }

// parseReply parses a message. The first message of a response must have a
// status.
func parseReply(m asgi.Message, first bool) (reply, *problem) {
	p := reply{length: -1}
	var pushed asgi.Dict
	for key, value := range m.All() {
		if value == nil {
			continue // None means that the key is absent
		}
		var bad *problem
		switch key {
		case asgi.KeyStatus:
			p.status, bad = parseStatus(value)
		case asgi.KeyHeaders:
			if first {
				p.headers, p.length, bad = parseHeaders(value)
			} else {
				p.unknown = append(p.unknown, key)
			}
		case asgi.KeyContent:
			p.content, bad = parseBytes(key, value)
		case asgi.KeyMoreContent:
			p.more, bad = parseBool(key, value)
		case asgi.KeyAbort:
			p.abort, bad = parseBool(key, value)
		case asgi.KeyRequest:
			if d, ok := value.(asgi.Dict); ok {
				pushed = d
			} else {
				bad = wrongType(key, "a dict", value)
			}
		default:
			p.unknown = append(p.unknown, key)
		}
		if bad != nil {
			return p, bad
		}
	}
	switch {
	case pushed.Len() > 0 && p.status == 0:
		p.push = parsePush(pushed)
		if p.push == nil || !first {
			p.push, p.unknown = &push{}, append(p.unknown, asgi.KeyRequest)
		}
	case first && p.status == 0:
		return p, &problem{asgi.KeyStatus, "the first message of a response must have one"}
	}
	return p, nil
}

func parseStatus(v any) (int, *problem) {
	n, ok := v.(int64)
	switch {
	case !ok:
		return 0, wrongType(asgi.KeyStatus, "an integer", v)
	case n < 200 || n > 999:
		return 0, &problem{asgi.KeyStatus, fmt.Sprintf("%d is not a status from 200 to 999", n)}
	}
	return int(n), nil
}

// parseHeaders converts a list of pairs to an http.Header.
func parseHeaders(v any) (h http.Header, length int64, bad *problem) {
	list, ok := v.(asgi.List)
	if !ok {
		return nil, 0, wrongType(asgi.KeyHeaders, "a list", v)
	}
	h, length = make(http.Header, list.Len()), -1
	for i, item := range list.All() {
		where := "headers[" + strconv.Itoa(i) + "]"
		pair, ok := item.(asgi.List)
		if !ok || pair.Len() != 2 {
			return nil, 0, &problem{where, "not a list of a name and a value"}
		}
		name, bad := parseBytes(where+"[0]", pair.At(0))
		if bad != nil {
			return nil, 0, bad
		}
		value, bad := parseBytes(where+"[1]", pair.At(1))
		if bad != nil {
			return nil, 0, bad
		}
		if !validName(name) {
			return nil, 0, &problem{where + "[0]", fmt.Sprintf("%.80q is not a header name", name)}
		}
		if !validValue(value) {
			return nil, 0, &problem{where + "[1]", fmt.Sprintf("%.80q is not a header value: it must not contain control characters or line ends", value)}
		}
		value = strings.Trim(value, " \t") // HTTP/2 clients refuse spaces around a value (RFC 9113, 8.2.1)
		key := textproto.CanonicalMIMEHeaderKey(name)
		switch key {
		case "Content-Length":
			n, err := strconv.ParseUint(value, 10, 63)
			if err != nil || (length >= 0 && length != int64(n)) {
				return nil, 0, &problem{where, fmt.Sprintf("content-length: %.80q is not a single number", value)}
			}
			length = int64(n)
			h[key] = []string{strconv.FormatInt(length, 10)}
			continue
		case "Transfer-Encoding":
			if !strings.EqualFold(value, "chunked") && !strings.EqualFold(value, "identity") {
				return nil, 0, &problem{where, "transfer-encoding: only the server may set it"}
			}
			continue
		}
		h[key] = append(h[key], value)
	}
	return h, length, nil
}

// parsePush returns nil if d is not a valid request.
func parsePush(d asgi.Dict) *push {
	path, ok := d.Get(asgi.KeyPath)
	text, isText := path.(string)
	if !ok || !isText || !strings.HasPrefix(text, "/") {
		return nil
	}
	p := &push{target: (&url.URL{Path: text}).EscapedPath(), method: upper(d.Text(asgi.KeyMethod))}
	if p.method == "" {
		p.method = http.MethodGet
	}
	if q := d.Bytes(asgi.KeyQueryString); q != "" {
		p.target += "?" + string(q)
	}
	if v, _ := d.Get(asgi.KeyHeaders); v != nil {
		h, _, bad := parseHeaders(v)
		if bad != nil {
			return nil
		}
		h.Del("Host")
		p.headers = h
	}
	return p
}

// parseBytes returns a byte string. It accepts text and encodes it as UTF-8.
func parseBytes(key string, v any) (string, *problem) {
	octets, ok := asgi.Octets(v)
	if !ok {
		return "", wrongType(key, "a byte string", v)
	}
	return octets, nil
}

func parseBool(key string, v any) (bool, *problem) {
	b, ok := v.(bool)
	if !ok {
		return false, wrongType(key, "True or False", v)
	}
	return b, nil
}

func wrongType(key, want string, got any) *problem {
	return &problem{key, "it must be " + want + ", not " + asgi.TypeName(got)}
}

// validName reports whether s is a header name: a token of RFC 9110.
func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func setLength(h http.Header, n int) { h["Content-Length"] = []string{strconv.Itoa(n)} }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// upper returns a method in upper case.
func upper(method string) string { return strings.ToUpper(method) }
