package pages

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"asgibox/asgi"
	"asgibox/internal/guard"
	"asgibox/workerpool"
	"asgibox/workerpool/routing"
	"asgibox/workerpool/script/explain"
)

// ErrorPage returns the page for a failure, for [workerpool.Options]. It is HTML
// that reloads itself when the application changes, or plain text for clients
// that do not accept HTML.
func (p *Pages) ErrorPage(f workerpool.Failure) workerpool.Page {
	if p.opts.Production {
		return publicPage(f)
	}
	if isOwn(f.Channel, f.Message) {
		reply := p.now(f.Message)
		return workerpool.Page{Status: reply.status, ContentType: reply.kind, Content: asgi.Bytes(reply.text)}
	}
	page := explain.Page{
		Status:      f.Status,
		Explanation: explain.Of(f.Err),
		Tables:      []explain.Table{messageTable(f)},
		Script:      scriptSource(f.Message),
		Version:     p.version(),
		Locals:      p.opts.Locals && mayShowLocals(f.Message),
		Editor:      p.editorURL,
	}
	if f.Trace != 0 {
		page.Trace = f.Trace.String()
	}
	if link := p.opts.Inspector; link != nil && f.Status >= http.StatusInternalServerError {
		page.Inspector = link(f.Trace)
	}
	var unrouted *routing.NotFoundError
	if errors.As(f.Err, &unrouted) {
		page.Explanation.Message = unrouted.Summary()
		page.Tables = append([]explain.Table{routeTable(unrouted)}, page.Tables...)
	}
	if f.Channel == asgi.HTTPRequest && explain.WantsHTML(header(f.Message, "accept")) {
		return workerpool.Page{ContentType: "text/html; charset=utf-8", Content: asgi.Bytes(page.HTML())}
	}
	return workerpool.Page{ContentType: "text/plain; charset=utf-8", Content: asgi.Bytes(page.Text())}
}

// mayShowLocals reports whether the client of a request may see variables. A page of
// another site whose name leads to this machine may not.
func mayShowLocals(request asgi.Message) bool {
	host := header(request, "host")
	return host == "" || guard.LoopbackHost(host)
}

// publicPage returns a page that shows nothing but the status.
func publicPage(f workerpool.Failure) workerpool.Page {
	heading := explain.Page{Status: f.Status}.Heading()
	if f.Channel == asgi.HTTPRequest && explain.WantsHTML(header(f.Message, "accept")) {
		return workerpool.Page{ContentType: "text/html; charset=utf-8", Content: asgi.Bytes(fmt.Sprintf(publicHTML, heading))}
	}
	return workerpool.Page{ContentType: "text/plain; charset=utf-8", Content: asgi.Bytes(heading + "\n")}
}

// publicHTML is the page for the name of a status.
const publicHTML = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>%[1]s</title>
<style>body{font:1.1em/1.5 system-ui,sans-serif;max-width:34em;margin:12vh auto;padding:0 1em}h1{font-size:1.5em}</style>
<h1>%[1]s</h1></html>
`

// maxPlace is the length of the longest place in a close frame, in bytes.
const maxPlace = 80

// CloseReason returns the reason for closing a WebSocket whose handler failed,
// with the place of the failure, for [workerpool.Options].
func (p *Pages) CloseReason(f workerpool.Failure) string {
	if p.opts.Production {
		return workerpool.FailedReason
	}
	for _, at := range explain.Of(f.Err).Frames {
		if place := fmt.Sprintf("%s:%d", at.File, at.Line); at.Line > 0 && len(place) <= maxPlace {
			return workerpool.FailedReason + " at " + place
		}
	}
	return workerpool.FailedReason
}

// maxListed is how many routes a page lists. The page must fit in a message.
const maxListed = 200

// routeTable lists the routes that do not match.
func routeTable(e *routing.NotFoundError) explain.Table {
	t := explain.Table{Title: "Routes that were tried"}
	for i, route := range e.Tried[:min(len(e.Tried), maxListed)] {
		t.Rows = append(t.Rows, explain.Row{Name: fmt.Sprint(i + 1), Value: cut(route)})
	}
	if more := len(e.Tried) - maxListed; more > 0 {
		t.Rows = append(t.Rows, explain.Row{Name: "…", Value: fmt.Sprintf("%d more", more)})
	}
	return t
}

// messageTable lists the values of the message whose handler failed.
func messageTable(f workerpool.Failure) explain.Table {
	t := explain.Table{Title: f.Channel}
	if f.Consumer != "" {
		t.Rows = append(t.Rows, explain.Row{Name: "consumer", Value: f.Consumer})
	}
	for key, v := range f.Message.All() {
		t.Rows = append(t.Rows, explain.Row{Name: key, Value: shorten(v)})
	}
	t.Rows = append(t.Rows, explain.Row{Name: "generation", Value: fmt.Sprint(f.Generation)})
	return t
}

// maxShown is the length of the longest value on a page, in bytes.
const maxShown = 500

// shorten formats a value as a Starlark expression and cuts it.
func shorten(v any) string { return cut(string(appendValue(nil, v))) }

func cut(s string) string {
	if len(s) > maxShown {
		return strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return s
}

// appendValue appends a value as a Starlark expression. It may stop after maxShown
// bytes.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "None"...)
	case string:
		return appendText(b, v)
	case asgi.Bytes:
		return appendText(append(b, 'b'), string(v))
	case asgi.List:
		b = append(b, '[')
		for i, item := range v.All() {
			if len(b) > maxShown {
				return b
			}
			b = appendValue(appendComma(b, i > 0), item)
		}
		return append(b, ']')
	case asgi.Dict:
		b = append(b, '{')
		empty := len(b)
		for key, item := range v.All() {
			if len(b) > maxShown {
				return b
			}
			b = appendText(appendComma(b, len(b) > empty), key)
			b = appendValue(append(b, ": "...), item)
		}
		return append(b, '}')
	}
	return fmt.Append(b, v)
}

func appendText(b []byte, s string) []byte {
	return strconv.AppendQuote(b, s[:min(len(s), maxShown+utf8.UTFMax)])
}

func appendComma(b []byte, more bool) []byte {
	if more {
		b = append(b, ", "...)
	}
	return b
}

// header returns the value of a request's header, or "".
func header(m asgi.Message, name string) string {
	v, _ := m.Get(asgi.KeyHeaders)
	headers, _ := v.(asgi.List)
	for _, h := range headers.All() {
		if pair, ok := h.(asgi.List); ok && pair.Len() == 2 && pair.Octets(0) == name {
			return pair.Octets(1)
		}
	}
	return ""
}
