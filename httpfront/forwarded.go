package httpfront

import (
	"net/netip"
	"strconv"
	"strings"
)

// Headers in which a proxy describes its client (--proxy-headers).
const (
	headerForwardedFor   = "x-forwarded-for"
	headerForwardedPort  = "x-forwarded-port"
	headerForwardedProto = "x-forwarded-proto"
	headerRootPath       = "daphne-root-path"
)

// forwarded returns the client address and scheme that the proxy's headers give.
// Without X-Forwarded-For it returns p. If that header holds no address
// (some proxies write "unknown"), the client of p stays and the scheme changes.
func (h *headerSet) forwarded(p *peer) *peer {
	clients := h.get(headerForwardedFor)
	if clients == "" {
		return p
	}
	result := *p
	if addr, ok := forwardedAddr(leftmost(clients)); ok {
		port, err := strconv.ParseUint(leftmost(h.get(headerForwardedPort)), 10, 16)
		if err != nil {
			port = 0
		}
		result.client = hostPort(addr, int(port))
	}
	switch strings.ToLower(leftmost(h.get(headerForwardedProto))) {
	case "https", "wss":
		result.secure = true
	case "http", "ws":
		result.secure = false
	}
	return &result
}

func leftmost(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}

// forwardedAddr parses an address with or without a port.
func forwardedAddr(s string) (string, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.String(), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().String(), true
	}
	return "", false
}
