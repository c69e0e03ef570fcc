package httpfront

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// What a proxy says of the client that it serves (--proxy-headers).
const (
	headerForwardedFor   = "X-Forwarded-For"
	headerForwardedPort  = "X-Forwarded-Port"
	headerForwardedProto = "X-Forwarded-Proto"
	headerRootPath       = "Daphne-Root-Path"
)

// forwarded answers who the client is and whether it came over TLS, by the
// word of the proxy. Without an X-Forwarded-For there is none. One that names
// nobody ("unknown", as some proxies write) leaves the client as it is; the
// scheme counts all the same.
func forwarded(h http.Header, p *peer) *peer {
	whom := h.Get(headerForwardedFor)
	if whom == "" {
		return p
	}
	said := *p
	if addr, ok := forwardedAddr(leftmost(whom)); ok {
		port, err := strconv.ParseUint(leftmost(h.Get(headerForwardedPort)), 10, 16)
		if err != nil {
			port = 0
		}
		said.client = hostPort(addr, int(port))
	}
	switch strings.ToLower(leftmost(h.Get(headerForwardedProto))) {
	case "https", "wss":
		said.secure = true
	case "http", "ws":
		said.secure = false
	}
	return &said
}

func leftmost(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}

// forwardedAddr checks an address, which some proxies write with its port.
func forwardedAddr(s string) (string, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.String(), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().String(), true
	}
	return "", false
}
