package http1

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// LastChunk ends a chunked body.
const LastChunk = "0\r\n\r\n"

// A Head is the head of a final response.
type Head struct {
	Minor   int      // the minor version of the request
	NoBody  bool     // the method of the request is HEAD
	Status  int      // from 200 to 999
	Text    string   // the reason phrase, or "" for a text with the status
	Headers []Header // see [ValidName] and [ValidValue]; Content-Length and Transfer-Encoding are ignored
	Date    string   // the value of the Date header, if Headers has none
	Length  int64    // bytes of the body, -1 if unknown

	// Close says that the connection ends after the response. Append sets it if
	// Headers say so or if the body has no other end.
	Close bool

	// Append sets these.
	Chunked  bool // the body is written with [AppendChunk] and [LastChunk]
	Bodyless bool // the response has no body
}

// Append appends the head to b.
func (h *Head) Append(b []byte) []byte {
	h.Bodyless = h.NoBody || h.Status == 204 || h.Status == 205 || h.Status == 304
	h.Chunked = !h.Bodyless && h.Length < 0 && h.Minor > 0
	if !h.Bodyless && h.Length < 0 && h.Minor == 0 || closes(h.Headers) {
		h.Close = true
	}
	b = appendStatusLine(b, h.Minor, h.Status, h.Text)
	dated := h.Date == ""
	for _, f := range h.Headers {
		switch {
		case equalFold(f.Name, "content-length"), equalFold(f.Name, "transfer-encoding"):
			continue
		case h.Close && equalFold(f.Name, "connection"):
			continue
		case h.Status == 304 && equalFold(f.Name, "content-type"):
			continue
		case equalFold(f.Name, "date"):
			dated = true
		}
		b = AppendField(b, f.Name, f.Value)
	}
	if !dated {
		b = AppendField(b, "Date", h.Date)
	}
	switch {
	case h.Close:
		b = append(b, "Connection: close\r\n"...)
	case h.Minor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	switch {
	case h.Chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case h.Status == 204, h.Status == 304:
	case h.Status == 205:
		b = append(b, "Content-Length: 0\r\n"...)
	case h.Length >= 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, h.Length, 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// closes reports whether a Connection header has the option close.
func closes(headers []Header) bool {
	for _, h := range headers {
		if !equalFold(h.Name, "connection") {
			continue
		}
		for option := range strings.SplitSeq(h.Value, ",") {
			if strings.EqualFold(strings.Trim(option, " \t"), "close") {
				return true
			}
		}
	}
	return false
}

// equalFold is strings.EqualFold for names, most of which have another length.
func equalFold(name, lower string) bool {
	return len(name) == len(lower) && strings.EqualFold(name, lower)
}

func appendStatusLine(b []byte, minor, status int, text string) []byte {
	b = append(b, "HTTP/1."...)
	b = append(b, '0'+byte(minor), ' ')
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	if text == "" {
		b = strconv.AppendInt(append(b, "status code "...), int64(status), 10)
	}
	b = append(b, text...)
	return append(b, "\r\n"...)
}

// AppendField appends a header line. It writes the name in its canonical form,
// like Content-Type.
func AppendField(b []byte, name, value string) []byte {
	start := true
	for i := range len(name) {
		if start {
			b = append(b, upper(name[i]))
		} else {
			b = append(b, lower(name[i]))
		}
		start = name[i] == '-'
	}
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// AppendChunk appends a chunk with the data. It appends nothing if there is no
// data, because an empty chunk ends the body.
func AppendChunk(b []byte, data string) []byte {
	if data == "" {
		return b
	}
	b = AppendChunkSize(b, len(data))
	b = append(b, data...)
	return append(b, "\r\n"...)
}

// AppendChunkSize appends the first line of a chunk. The caller writes n bytes of
// data, which must not be 0, and CR LF after it.
func AppendChunkSize(b []byte, n int) []byte {
	b = strconv.AppendInt(b, int64(n), 16)
	return append(b, "\r\n"...)
}

// Dates makes values of Date headers. It makes one for each second. The zero
// value is ready for use by several goroutines.
type Dates struct{ last atomic.Pointer[date] }

type date struct {
	second int64
	text   string
}

// At returns the value for a time.
func (d *Dates) At(now time.Time) string {
	second := now.Unix()
	if last := d.last.Load(); last != nil && last.second == second {
		return last.text
	}
	text := now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	d.last.Store(&date{second, text})
	return text
}
