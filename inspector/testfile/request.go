package testfile

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"asgibox/asgi"
)

// request sends an HTTP request. If its response is complete before the next
// input, it checks the response too. Otherwise the request is a stream.
func (w *writer) request(s *step) {
	c := s.connection
	client := w.client(c)
	method := c.first.Text(asgi.KeyMethod)
	call, args := "request", quote(method)+", "+w.target(c)
	if method == "GET" || method == "POST" {
		call, args = strings.ToLower(method), w.target(c)
	}
	args += w.body(c.first)
	var own []*reply // of this request, among the replies of the step
	for _, r := range s.replies {
		if r.to == c {
			own = append(own, r)
		}
	}
	if n := len(own); n == 0 || n < len(c.replies) || unfinished(own[n-1].Content) {
		w.streams[c] = true
		c.name = w.variable("stream")
		args = w.target(c) + w.body(c.first)
		if method != "GET" {
			args += ", method=" + quote(method)
		}
		w.line("%s = %s.stream(%s)", c.name, client, args)
		return
	}
	if limit := timeout(own[len(own)-1], 10); limit != "" {
		args += ", " + limit
	}
	w.line("response = %s.%s(%s)", client, call, args)
	w.response(s, own)
}

func unfinished(m asgi.Message) bool {
	more, _ := m.Get(asgi.KeyMoreContent)
	return more == true
}

// response checks a whole response.
func (w *writer) response(s *step, replies []*reply) {
	first := replies[0].Content
	status := first.Int(asgi.KeyStatus)
	w.line("assert_status(response, %d)", status)
	if to := header(first, "location"); to != "" {
		w.line("assert_equal(response.headers[\"location\"], %s)", w.masker.text(to))
	}
	var body strings.Builder
	for _, r := range replies {
		body.WriteString(r.Content.Octets(asgi.KeyContent))
	}
	content, kind := body.String(), header(first, "content-type")
	switch {
	case content == "", s.connection.first.Text(asgi.KeyMethod) == "HEAD", status == 204, status == 304:
	case status >= 400 && strings.Count(content, "\n") > 3: // the page of a failed handler has lines of the application
	case strings.HasPrefix(kind, "text/css"), strings.Contains(kind, "javascript"):
	case !utf8.ValidString(content), strings.ContainsRune(content, 0):
		if len(content) <= maxBytes {
			w.line("assert_equal(response.body, %s)", w.bytes(asgi.Bytes(content)))
		} else {
			w.line("assert_equal(len(response.body), %d)", len(content))
		}
	default:
		v, ok := decodeJSON(content)
		if ok && strings.Contains(kind, "json") && (len(content) <= 2*maxShown || w.captures(v)) {
			const start = "assert_equal(response.json(), "
			w.line("%s%s)", start, w.masker.literal(v, indent, indent+len(start)))
			w.capture(v, "response.json()")
			return
		}
		if title := title.FindString(content); title != "" && strings.Count(content, "\n") > maxLines {
			w.line("assert_in(%s, response.text)", quote(title)) // a person would compare no more of a page
			return
		}
		w.line("assert_equal(response.text, %s)", w.masker.block(content, indent))
	}
}

// title matches the title of a page.
var title = regexp.MustCompile(`<title>[^<]+</title>`)

// maxBytes is the longest byte string that a test compares.
const maxBytes = 64

// bytes writes a byte string, or ANY for a long one.
func (w *writer) bytes(b asgi.Bytes) string {
	if len(b) > maxBytes {
		return "ANY"
	}
	return w.exact.flat(b)
}

// reply receives a message to a WebSocket, or a part of a stream. Later are the
// following replies of the step.
func (w *writer) reply(r *reply, later []*reply) {
	c := r.to
	if c.socket {
		w.frame(r, c)
		return
	}
	if !w.streams[c] {
		return // checked with its request
	}
	if r.Content.Has(asgi.KeyStatus) {
		w.line("assert_status(%s, %d)", c.name, r.Content.Int(asgi.KeyStatus))
	}
	// A test receives all that has come, so parts that come together are one.
	w.pieces[c] = append(w.pieces[c], r.Content.Octets(asgi.KeyContent))
	next := slices.IndexFunc(later, func(n *reply) bool { return n.to == c })
	together := next >= 0 && later[next].Sent.Sub(r.Sent) < promptly/2
	if !together {
		content := strings.Join(w.pieces[c], "")
		delete(w.pieces, c)
		if content != "" {
			w.receive(c, "receive("+timeout(r, 1)+")", w.masker.block(strings.ToValidUTF8(content, "\uFFFD"), indent))
		}
	}
	if !unfinished(r.Content) {
		delete(w.streams, c)
	}
}

// leave closes a stream that has not ended.
func (w *writer) leave(c *connection) {
	if w.streams[c] {
		w.line("%s.close()", c.name)
		delete(w.streams, c)
	}
}

// target returns the path of a request, and its headers.
func (w *writer) target(c *connection) string {
	target := (&url.URL{Path: c.first.Text(asgi.KeyPath)}).EscapedPath()
	if query := c.first.Octets(asgi.KeyQueryString); query != "" {
		target += "?" + query
	}
	args := w.exact.text(target)
	if headers := w.headers(c); len(headers) > 0 {
		args += ", headers={" + strings.Join(headers, ", ") + "}"
	}
	return args
}

// usual are headers that a client sends by itself, or that say nothing about what
// the application should do.
var usual = map[string]bool{
	"host": true, "connection": true, "content-length": true, "transfer-encoding": true, "upgrade": true, "keep-alive": true, "te": true,
	"user-agent": true, "accept-encoding": true, "accept-language": true, "cache-control": true, "pragma": true, "origin": true,
	"referer": true, "dnt": true, "priority": true, "upgrade-insecure-requests": true, "if-none-match": true, "if-modified-since": true,
}

// headers returns the headers of a request that are not usual, as items of a
// dict.
func (w *writer) headers(c *connection) (items []string) {
	inBody := len(w.parsedBody(c.first)) > 0
	for name, value := range pairs(c.first) {
		switch {
		case usual[name], strings.HasPrefix(name, "sec-"), name == "content-type" && inBody:
			continue
		case name == "accept" && (value == "*/*" || strings.Contains(value, "text/html") || strings.HasPrefix(value, "image/")), name == "accept" && strings.HasPrefix(value, "text/css"):
			continue
		case name == "cookie":
			if value = foreign(value, c.browser); value == "" {
				continue
			}
		}
		items = append(items, quote(name)+": "+w.exact.text(value))
	}
	return items
}

// foreign returns the cookies of a header that the browser of the test does not
// send by itself.
func foreign(header string, b *browser) string {
	var pairs []string
	for pair := range strings.SplitSeq(header, ";") {
		pair = strings.TrimSpace(pair)
		if name, _, _ := strings.Cut(pair, "="); pair != "" && b.cookies[name] == "" {
			pairs = append(pairs, pair)
		}
	}
	return strings.Join(pairs, "; ")
}

// body returns the body of a request as an argument.
func (w *writer) body(m asgi.Message) string {
	if parsed := w.parsedBody(m); parsed != "" {
		return ", " + parsed
	}
	if body := m.Octets(asgi.KeyBody); body != "" {
		if utf8.ValidString(body) {
			return ", body=" + w.exact.text(body)
		}
		return ", body=" + w.exact.flat(asgi.Bytes(body))
	}
	return ""
}

// parsedBody returns a body as the argument json or form, or "" if it is neither.
func (w *writer) parsedBody(m asgi.Message) string {
	body, kind := m.Octets(asgi.KeyBody), header(m, "content-type")
	if v, ok := decodeJSON(body); ok && strings.HasPrefix(kind, "application/json") {
		return "json=" + w.exact.literal(v, indent, indent+len("response = client.post(, json=)")+len(m.Text(asgi.KeyPath)))
	}
	if body == "" || !strings.HasPrefix(kind, "application/x-www-form-urlencoded") {
		return ""
	}
	var items []string
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(body, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err != nil || err2 != nil || seen[name] || !utf8.ValidString(name+value) {
			return ""
		}
		seen[name] = true
		items = append(items, fmt.Sprintf("%s: %s", quote(name), w.exact.text(value)))
	}
	return "form={" + strings.Join(items, ", ") + "}"
}
