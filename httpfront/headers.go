package httpfront

import (
	"net/http"
	"slices"
	"strings"

	"asgibox/asgi"
)

// maxSavedHeaders is the most bytes of headers that a connection saves between
// its requests.
const maxSavedHeaders = 4 << 10

// savedHeaders are the headers of a connection's last request in message form.
// Most clients send the same headers again and again.
type savedHeaders struct {
	flat []string
	list any
}

// collectHeaders sets the list of headers.
func (q *request) collectHeaders(conn *peer) error {
	var buf [48]string
	flat := appendHeaders(buf[:0], q.http)
	size := 0
	for _, s := range flat {
		size += len(s) + 2 // ": " or CR LF
	}
	q.size += size
	q.lines = len(flat) / 2
	save := q.http.ProtoMajor == 1 && size <= maxSavedHeaders // HTTP/2 serves many requests at once
	if save && conn.saved.list != nil && slices.Equal(flat, conn.saved.flat) {
		q.headers = conn.saved.list
		return nil
	}
	list, err := headerPairs(flat)
	if err != nil {
		return err
	}
	q.headers = list
	if save {
		conn.saved = savedHeaders{slices.Clone(flat), list}
	}
	return nil
}

// appendHeaders appends names and values in turn. net/http stores the order of
// values but not of names, so names are sorted. It removes Host and
// Transfer-Encoding from the headers, so appendHeaders adds them again.
func appendHeaders(flat []string, r *http.Request) []string {
	if r.Host != "" {
		flat = append(flat, "Host", r.Host)
	}
	if len(r.TransferEncoding) > 0 {
		flat = append(flat, "Transfer-Encoding", strings.Join(r.TransferEncoding, ", "))
	}
	var buf [24]string
	names := buf[:0]
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			flat = append(flat, name, value)
		}
	}
	return flat
}

// headerPairs returns the headers in message form.
func headerPairs(flat []string) (any, error) {
	pairs := make([]any, 0, len(flat)/2)
	items := make([]any, 0, len(flat))
	for i := 0; i < len(flat); i += 2 {
		if strings.IndexByte(flat[i], '_') >= 0 {
			continue // X_Y and X-Y get the same name in environment variables
		}
		items = append(items, lowerName(flat[i]), asgi.Bytes(flat[i+1]))
		pairs = append(pairs, items[len(items)-2:len(items):len(items)])
	}
	return asgi.Converter(nil).OwnValue(pairs)
}

// lowerNames maps the most common header names to lower case.
var lowerNames = func() map[string]any {
	m := make(map[string]any)
	for _, name := range strings.Fields(`Host Transfer-Encoding Accept Accept-Encoding Accept-Language Authorization Cache-Control
		Connection Content-Length Content-Type Cookie Dnt If-Modified-Since If-None-Match Origin Pragma Priority
		Range Referer Sec-Ch-Ua Sec-Ch-Ua-Mobile Sec-Ch-Ua-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site
		Sec-Fetch-User Sec-Gpc Sec-Websocket-Extensions Sec-Websocket-Key Sec-Websocket-Protocol
		Sec-Websocket-Version Upgrade Upgrade-Insecure-Requests User-Agent X-Forwarded-For X-Forwarded-Host
		X-Forwarded-Port X-Forwarded-Proto X-Real-Ip X-Request-Id X-Requested-With`) {
		m[name] = asgi.Bytes(strings.ToLower(name))
	}
	return m
}()

// lowerName returns a header name in lower case, as a byte string.
func lowerName(name string) any {
	if v, ok := lowerNames[name]; ok {
		return v
	}
	return asgi.Bytes(strings.ToLower(name))
}
