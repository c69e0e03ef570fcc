package http1

import (
	"bufio"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestHeads(t *testing.T) {
	for _, c := range []struct {
		name string
		head Head
		want string
	}{
		{"a length", Head{Minor: 1, Status: 200, Text: "OK", Length: 5}, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
		{"no content", Head{Minor: 1, Status: 404, Text: "Not Found"}, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
		{"an unknown status", Head{Minor: 1, Status: 299}, "HTTP/1.1 299 status code 299\r\nContent-Length: 0\r\n\r\n"},
		{"an unknown length", Head{Minor: 1, Status: 200, Text: "OK", Length: -1}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"the end of the connection", Head{Minor: 1, Status: 200, Text: "OK", Close: true}, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
		{"headers in order, in canonical form", Head{Minor: 1, Status: 200, Text: "OK", Headers: []Header{{"x-b", "1"}, {"X-A", ""}, {"x-B", "\xe9"}, {"etag", "x"}}},
			"HTTP/1.1 200 OK\r\nX-B: 1\r\nX-A: \r\nX-B: \xe9\r\nEtag: x\r\nContent-Length: 0\r\n\r\n"},
		{"a date", Head{Minor: 1, Status: 200, Text: "OK", Date: "now"}, "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\n\r\n"},
		{"the application's date", Head{Minor: 1, Status: 200, Text: "OK", Date: "now", Headers: []Header{{"dAte", "then"}}}, "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 0\r\n\r\n"},
		{"framing of the application", Head{Minor: 1, Status: 200, Text: "OK", Length: 1, Headers: []Header{{"content-length", "7"}, {"Transfer-Encoding", "gzip"}}},
			"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"},
		{"close from the application", Head{Minor: 1, Status: 200, Text: "OK", Headers: []Header{{"connection", "a, Close"}}}, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
		{"another connection option", Head{Minor: 1, Status: 426, Text: "Upgrade Required", Headers: []Header{{"connection", "upgrade"}, {"upgrade", "a"}}},
			"HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: a\r\nContent-Length: 0\r\n\r\n"},
		{"HEAD with a length", Head{Minor: 1, NoBody: true, Status: 200, Text: "OK", Length: 7}, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"},
		{"HEAD without a length", Head{Minor: 1, NoBody: true, Status: 200, Text: "OK", Length: -1}, "HTTP/1.1 200 OK\r\n\r\n"},
		{"204", Head{Minor: 1, Status: 204, Text: "No Content"}, "HTTP/1.1 204 No Content\r\n\r\n"},
		{"205", Head{Minor: 1, Status: 205, Text: "Reset Content", Length: -1}, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"},
		{"304", Head{Minor: 1, Status: 304, Text: "Not Modified", Headers: []Header{{"etag", "x"}, {"content-type", "a/b"}}}, "HTTP/1.1 304 Not Modified\r\nEtag: x\r\n\r\n"},
		{"HTTP/1.0", Head{Status: 200, Text: "OK", Length: 5, Close: true}, "HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"},
		{"HTTP/1.0 that continues", Head{Status: 200, Text: "OK", Length: 5}, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n"},
		{"HTTP/1.0 without a length", Head{Status: 200, Text: "OK", Length: -1}, "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n"},
	} {
		if got := string(c.head.Append(nil)); got != c.want {
			t.Errorf("%s: got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestChunks(t *testing.T) {
	b := AppendChunk(nil, "")
	b = AppendChunk(b, "abc")
	b = AppendChunk(b, strings.Repeat("x", 20))
	b = append(b, LastChunk...)
	if want := "3\r\nabc\r\n14\r\n" + strings.Repeat("x", 20) + "\r\n0\r\n\r\n"; string(b) != want {
		t.Errorf("%q", b)
	}
}

func TestDates(t *testing.T) {
	var d Dates
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	for _, now := range []time.Time{at, at.Add(time.Second / 2), at.Add(time.Hour)} {
		if got, want := d.At(now), now.UTC().Format(http.TimeFormat); got != want {
			t.Errorf("%v: %s, want %s", now, got, want)
		}
	}
	if got := testing.AllocsPerRun(100, func() { d.At(at) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

// FuzzResponses checks that net/http reads each response as it was meant, and
// that a client can tell where it ends.
func FuzzResponses(f *testing.F) {
	f.Add(byte(1), "GET", 200, "x-a", "b", "hello", -1, false, true)
	f.Add(byte(0), "GET", 200, "connection", "close", "hello", 5, false, false)
	f.Add(byte(1), "HEAD", 204, "content-length", "7", "", 0, true, false)
	f.Add(byte(1), "GET", 304, "transfer-encoding", "gzip", "", 2, false, true)
	f.Fuzz(func(t *testing.T, minor byte, method string, status int, name, value, content string, length int, close, dated bool) {
		value = strings.Trim(value, " \t")
		if status < 200 || status > 999 || !ValidName(name) || !ValidValue(value) {
			return
		}
		h := Head{
			Minor: int(minor % 2), NoBody: method == "HEAD", Status: status, Text: http.StatusText(status),
			Headers: []Header{{name, value}, {"Second", "s"}}, Length: int64(len(content)), Close: close,
		}
		if length < 0 {
			h.Length = -1
		}
		if dated {
			h.Date = "Mon, 02 Jan 2006 15:04:05 GMT"
		}
		out := h.Append(nil)
		switch {
		case h.Bodyless:
		case h.Chunked:
			middle := len(content) / 2
			out = AppendChunk(out, content[:middle])
			out = AppendChunk(out, content[middle:])
			out = append(out, LastChunk...)
		default:
			out = append(out, content...)
		}
		const next = "HTTP/1.1 200 OK\r\n\r\n"
		if !h.Close {
			out = append(out, next...)
		}

		r := bufio.NewReader(strings.NewReader(string(out)))
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if h.Bodyless {
			content = ""
		}
		rest, _ := io.ReadAll(r)
		if string(body) != content || !h.Close && string(rest) != next || h.Close && len(rest) > 0 {
			t.Errorf("%q: body %q, rest %q", out, body, rest)
		}
		if res.StatusCode != status || res.ProtoMinor != h.Minor || res.Close != h.Close {
			t.Errorf("%q: status %d, version 1.%d, close %v", out, res.StatusCode, res.ProtoMinor, res.Close)
		}
		checkHeaders(t, &h, res)
	})
}

// checkHeaders checks that a response has exactly the headers that it should.
func checkHeaders(t *testing.T, h *Head, res *http.Response) {
	want := http.Header{}
	for _, f := range h.Headers {
		switch key := http.CanonicalHeaderKey(f.Name); {
		case key == "Content-Length", key == "Transfer-Encoding", key == "Connection" && h.Close, key == "Content-Type" && h.Status == 304:
		default:
			want.Add(f.Name, f.Value)
		}
	}
	if h.Date != "" && want["Date"] == nil {
		want.Set("Date", h.Date)
	}
	switch {
	case h.Status == 204, h.Status == 304:
	case h.Status == 205:
		want.Set("Content-Length", "0")
	case h.Length >= 0:
		want.Set("Content-Length", strconv.FormatInt(h.Length, 10))
	}
	switch {
	case h.Minor == 0 && h.Close:
		want.Set("Connection", "close")
	case h.Minor == 0:
		want.Add("Connection", "keep-alive")
	case h.Close:
		want.Del("Connection") // net/http removes it
	}
	if h.Chunked {
		if !slices.Equal(res.TransferEncoding, []string{"chunked"}) {
			t.Errorf("coding %q", res.TransferEncoding)
		}
		want.Del("Trailer") // net/http moves it
	}
	if want.Get("Pragma") == "no-cache" && want["Cache-Control"] == nil {
		want.Set("Cache-Control", "no-cache") // net/http adds it
	}
	if !reflect.DeepEqual(res.Header, want) {
		t.Errorf("headers %q, want %q", res.Header, want)
	}
}
