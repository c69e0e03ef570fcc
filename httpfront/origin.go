package httpfront

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// An originList holds the allowed origins besides the server's own.
type originList struct {
	all  bool
	list map[string]bool
}

// parseOrigins parses the values of --allow-origin.
func parseOrigins(list []string) (originList, error) {
	o := originList{list: make(map[string]bool)}
	for _, s := range list {
		switch s {
		case "*":
			o.all = true
		case "null":
			o.list[s] = true
		default:
			u, err := url.Parse(s)
			if err != nil || u.Scheme == "" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
				return o, fmt.Errorf("--allow-origin %q: not an origin; use a scheme and a host such as https://example.com, or null, or *", s)
			}
			o.list[originText(u)] = true
		}
	}
	return o, nil
}

// allows reports whether the request's origin may open a WebSocket.
func (o originList) allows(q *request) bool {
	values := q.values("origin")
	if len(values) == 0 || o.all {
		return true
	}
	if len(values) > 1 {
		return false
	}
	if o.list[values[0]] {
		return true
	}
	u, err := url.Parse(values[0])
	if err != nil || u.Host == "" {
		return false
	}
	return o.list[originText(u)] || sameHost(u, q.host) || isLoopback(u.Hostname()) && isLoopback(hostname(q.host))
}

// originText formats an origin without a default port.
func originText(u *url.URL) string {
	return strings.ToLower(u.Scheme) + "://" + withoutPort(u.Host, u.Scheme)
}

// sameHost compares host and port. A default port may be left out.
func sameHost(origin *url.URL, host string) bool {
	return host != "" && withoutPort(origin.Host, origin.Scheme) == withoutPort(host, origin.Scheme)
}

func withoutPort(host, scheme string) string {
	host = strings.ToLower(host)
	switch strings.ToLower(scheme) {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.Trim(host, "[]")
}

func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
