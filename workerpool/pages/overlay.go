package pages

import (
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"asgibox/asgi"
)

// An editor adds the script of pages to the complete HTML documents that views
// return.
type editor struct {
	src     string // URL of the script
	anyPage bool   // also documents without </body>
}

// Editor returns the function that adds the script of pages to the headers and the
// content of a complete response to a request, or nil if pages have no script.
func (p *Pages) Editor(request asgi.Message) func(asgi.List, asgi.Bytes) (asgi.List, asgi.Bytes) {
	if !p.opts.Live && !p.opts.Overlay {
		return nil
	}
	return (&editor{
		src: scriptSource(request),
		// A page that the browser opens is no fragment of another one.
		anyPage: p.opts.Live && header(request, "sec-fetch-dest") == "document",
	}).edit
}

// scriptSource returns the URL of the script for the response to a request.
func scriptSource(request asgi.Message) string {
	return (&url.URL{Path: request.Text(asgi.KeyRootPath) + scriptURL}).EscapedPath()
}

// tag returns the tag of the script, with a nonce unless it is empty.
func (e *editor) tag(nonce string) string {
	if nonce != "" {
		nonce = ` nonce="` + html.EscapeString(nonce) + `"`
	}
	return `<script src="` + html.EscapeString(e.src) + `"` + nonce + "></script>"
}

// edit returns the headers and the content of a response with the script, or
// unchanged if the response is no complete document, or must not be changed.
func (e *editor) edit(headers asgi.List, content asgi.Bytes) (asgi.List, asgi.Bytes) {
	text := string(content)
	at := lastIndexFold(text, "</body>")
	switch {
	case at >= 0:
	case e.anyPage:
		at = len(text)
	default:
		return headers, content
	}
	h := parsePageHeaders(headers)
	if !h.isPage || mayHavePolicy(text) {
		return headers, content
	}
	nonce, ok := h.policies.permitScript()
	if !ok {
		return headers, content
	}
	tag := e.tag(nonce)
	edited, err := h.edited(len(tag))
	if err != nil {
		return headers, content // it has no other values than before
	}
	return edited, asgi.Bytes(text[:at] + tag + text[at:])
}

// lastIndexFold returns the index of the last occurrence of an ASCII text in any
// case, or -1.
func lastIndexFold(s, text string) int {
	for at := len(s) - len(text); at >= 0; at-- {
		if s[at]|0x20 == text[0]|0x20 && strings.EqualFold(s[at:at+len(text)], text) {
			return at
		}
	}
	return -1
}

// mayHavePolicy reports whether a document may have a Content-Security-Policy of
// its own.
func mayHavePolicy(text string) bool { return lastIndexFold(text, "content-security-policy") >= 0 }

// pageHeaders are the headers of a response.
type pageHeaders struct {
	pairs    [][2]string
	isPage   bool // they are those of an HTML document that may be changed
	policies policies
}

// unchangeable are headers of responses whose content must not be changed.
var unchangeable = []string{
	"content-digest", "content-disposition", "content-encoding", "content-md5", "content-range", "digest", "repr-digest", "signature",
}

func parsePageHeaders(headers asgi.List) (h pageHeaders) {
	for _, item := range headers.All() {
		pair, ok := item.(asgi.List)
		if !ok || pair.Len() != 2 {
			return pageHeaders{}
		}
		name, value := strings.ToLower(pair.Octets(0)), pair.Octets(1)
		h.pairs = append(h.pairs, [2]string{name, value})
		switch {
		case name == "content-type":
			kind, _, _ := strings.Cut(value, ";")
			h.isPage = strings.EqualFold(strings.TrimSpace(kind), "text/html")
		case name == "content-security-policy" || name == "content-security-policy-report-only":
			h.policies = append(h.policies, parsePolicies(value)...)
		case slices.Contains(unchangeable, name):
			return pageHeaders{}
		}
	}
	return h
}

// edited returns the headers of a response whose content has n more bytes. Its
// ETag becomes a weak one, because the bytes have changed, and parts of it cannot
// be requested.
func (h *pageHeaders) edited(n int) (asgi.List, error) {
	var pairs []any
	for _, pair := range h.pairs {
		name, value := pair[0], pair[1]
		switch name {
		case "content-length":
			if length, err := strconv.Atoi(value); err == nil {
				value = strconv.Itoa(length + n)
			}
		case "etag":
			if strings.HasPrefix(value, `"`) {
				value = "W/" + value
			}
		case "accept-ranges":
			continue
		}
		pairs = append(pairs, []any{asgi.Bytes(name), asgi.Bytes(value)})
	}
	return asgi.NewList(pairs...)
}
