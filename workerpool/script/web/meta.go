package web

import (
	"strings"

	"asgibox/asgi"

	"go.starlark.net/starlark"
)

// meta returns the value of request.META, with the names of WSGI and CGI.
func (r *Request) meta() *starlark.Dict {
	m := r.message
	d := starlark.NewDict(24)
	set := func(key, v string) { d.SetKey(starlark.String(key), starlark.String(v)) } // cannot fail: the key is text

	script, path := m.Text(asgi.KeyRootPath), m.Text(asgi.KeyPath)
	if script != "" {
		path = strings.TrimPrefix(path, script)
	}
	set("REQUEST_METHOD", m.Text(asgi.KeyMethod))
	set("SCRIPT_NAME", script)
	set("PATH_INFO", path)
	set("QUERY_STRING", asText(m.Octets(asgi.KeyQueryString)))
	set("SERVER_PROTOCOL", "HTTP/"+m.Text(asgi.KeyHTTPVersion))
	if host, port, ok := address(m, asgi.KeyClient); ok {
		set("REMOTE_ADDR", host)
		set("REMOTE_HOST", host)
		set("REMOTE_PORT", port)
	}
	host, port, ok := address(m, asgi.KeyServer)
	if !ok {
		host, port = "unknown", "0" // WSGI requires both
	}
	set("SERVER_NAME", host)
	set("SERVER_PORT", port)
	for name, v := range eachHeader(m) {
		set(metaName(name), v)
	}
	return d
}

func metaName(header string) string {
	name := strings.ToUpper(strings.ReplaceAll(header, "-", "_"))
	if name == "CONTENT_TYPE" || name == "CONTENT_LENGTH" {
		return name
	}
	return "HTTP_" + name
}

func address(m asgi.Message, key string) (host, port string, ok bool) {
	v, _ := m.Get(key)
	pair, _ := v.(asgi.List)
	if pair.Len() != 2 {
		return "", "", false
	}
	n, _ := pair.At(1).(int64)
	return pair.Octets(0), starlark.MakeInt64(n).String(), true
}
