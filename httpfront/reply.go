package httpfront

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"asgibox/asgi"
	"asgibox/httpfront/http1"
)

// A reply is one parsed message to an HTTP request's reply channel.
type reply struct {
	status  int            // zero if the message has none
	headers []http1.Header // without content-length and transfer-encoding
	length  int64          // content-length, or -1
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
	headers        []http1.Header
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

// parseHeaders parses a list of pairs.
func parseHeaders(v any) (h []http1.Header, length int64, bad *problem) {
	list, ok := v.(asgi.List)
	if !ok {
		return nil, 0, wrongType(asgi.KeyHeaders, "a list", v)
	}
	h, length = make([]http1.Header, 0, list.Len()), -1
	for i, item := range list.All() {
		name, value, bad := parseHeader(item)
		switch {
		case bad != nil:
		case strings.EqualFold(name, "content-length"):
			n, err := strconv.ParseUint(value, 10, 63)
			if err != nil || (length >= 0 && length != int64(n)) {
				bad = &problem{"", fmt.Sprintf("content-length: %.80q is not a single number", value)}
			}
			length = int64(n)
		case strings.EqualFold(name, "transfer-encoding"):
			if !strings.EqualFold(value, "chunked") && !strings.EqualFold(value, "identity") {
				bad = &problem{"", "transfer-encoding: only the server may set it"}
			}
		default:
			h = append(h, http1.Header{Name: name, Value: value})
		}
		if bad != nil {
			bad.key = "headers[" + strconv.Itoa(i) + "]" + bad.key
			return nil, 0, bad
		}
	}
	return h, length, nil
}

// parseHeader parses a pair. The key of its problem is relative to the pair.
func parseHeader(v any) (name, value string, bad *problem) {
	pair, ok := v.(asgi.List)
	if !ok || pair.Len() != 2 {
		return "", "", &problem{"", "not a list of a name and a value"}
	}
	if name, bad = parseBytes("[0]", pair.At(0)); bad != nil {
		return "", "", bad
	}
	if value, bad = parseBytes("[1]", pair.At(1)); bad != nil {
		return "", "", bad
	}
	switch {
	case !http1.ValidName(name):
		return "", "", &problem{"[0]", fmt.Sprintf("%.80q is not a header name", name)}
	case !http1.ValidValue(value):
		return "", "", &problem{"[1]", fmt.Sprintf("%.80q is not a header value: it must not contain control characters or line ends", value)}
	}
	return name, strings.Trim(value, " \t"), nil // HTTP/2 clients refuse spaces around a value (RFC 9113, 8.2.1)
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

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// upper returns a method in upper case.
func upper(method string) string { return strings.ToUpper(method) }
