package httpfront

import (
	"net/http"
	"slices"
	"strings"

	"asgibox/asgi"
)

// keptHeaders is how long headers may be, in bytes, to be kept between the
// requests of a connection.
const keptHeaders = 4 << 10

// A headerMemo keeps the headers of a connection's last request, made for
// messages: most clients send the same ones again and again.
type headerMemo struct {
	flat []string
	list any
}

// collect makes the list of headers.
func (q *request) collect(conn *peer) error {
	var room [48]string
	flat := appendHeaders(room[:0], q.http)
	size := 0
	for _, s := range flat {
		size += len(s) + 2 // ": " or CR LF
	}
	q.size += size
	keep := q.http.ProtoMajor == 1 && size <= keptHeaders // HTTP/2 has many requests at once
	if keep && slices.Equal(flat, conn.last.flat) {
		q.headers = conn.last.list
		return nil
	}
	list, err := headerPairs(flat)
	if err != nil {
		return err
	}
	q.headers = list
	if keep {
		conn.last = headerMemo{slices.Clone(flat), list}
	}
	return nil
}

// appendHeaders appends names and values in turn. net/http keeps the order of
// values, not of names, so names are sorted; it takes host and
// transfer-encoding out, so they are put back.
func appendHeaders(flat []string, r *http.Request) []string {
	if r.Host != "" {
		flat = append(flat, "Host", r.Host)
	}
	if len(r.TransferEncoding) > 0 {
		flat = append(flat, "Transfer-Encoding", strings.Join(r.TransferEncoding, ", "))
	}
	var room [24]string
	names := room[:0]
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

// headerPairs makes what messages carry.
func headerPairs(flat []string) (any, error) {
	pairs := make([]any, 0, len(flat)/2)
	items := make([]any, 0, len(flat))
	for i := 0; i < len(flat); i += 2 {
		if strings.IndexByte(flat[i], '_') >= 0 {
			continue // x_y and x-y are one to whoever makes environment variables of them
		}
		items = append(items, lowerName(flat[i]), asgi.Bytes(flat[i+1]))
		pairs = append(pairs, items[len(items)-2:len(items):len(items)])
	}
	return asgi.Converter(nil).OwnValue(pairs)
}

// lowerNames are the headers that most requests have.
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

// lowerName is strings.ToLower for a header name, as a byte string.
func lowerName(name string) any {
	if v, ok := lowerNames[name]; ok {
		return v
	}
	return asgi.Bytes(strings.ToLower(name))
}
