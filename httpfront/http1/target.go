package http1

import (
	"bytes"
	"net/netip"
	"strings"
)

// Check checks the method, the target and the host of a request that another
// protocol carries. Next checks them for its own.
func Check(method, target, host string) error {
	switch {
	case method == "" || !all(method, tokenChar):
		return bad("the request method is not a token")
	case target == "":
		return bad("there is no request target")
	case host == "":
		return bad("there is no host")
	case !validHost(host):
		return bad("the host of the request is invalid")
	}
	if err := checkTarget(method, []byte(target)); err != nil {
		return err
	}
	return nil
}

// checkTarget checks the form of a request target (RFC 9112, section 3.2).
func checkTarget(method string, target []byte) *Error {
	if !all(target, targetChar) {
		return badTarget(target)
	}
	switch {
	case method == "CONNECT":
		host := string(target)
		if !validHost(host) || strings.LastIndexByte(host, ':') <= strings.LastIndexByte(host, ']') {
			return bad("the target of CONNECT must be a host and a port")
		}
		return nil
	case target[0] == '/':
		return nil
	case string(target) == "*" && method == "OPTIONS":
		return nil
	}
	host, ok := authority(string(target))
	switch {
	case !ok:
		return bad("the request target is neither a path nor an http or https URL")
	case host == "" || !validHost(host):
		return bad("the host of the request target is invalid")
	}
	return nil
}

// badTarget returns the error for a target that contains invalid characters.
func badTarget(target []byte) *Error {
	switch {
	case bytes.ContainsFunc(target, func(c rune) bool { return c >= 0x80 }):
		return bad("the request target contains bytes that are not ASCII; percent-encode them")
	case bytes.IndexByte(target, '#') >= 0:
		return bad("the request target contains a fragment (#)")
	}
	return bad("the request target contains a control character")
}

// authority returns the part with the host of a target in absolute form.
func authority(target string) (host string, ok bool) {
	if target[0] == '/' {
		return "", false
	}
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", false
	}
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	return rest, true
}

// validHost reports whether s is empty or a host with an optional port
// (RFC 9110, section 7.2, and RFC 3986, section 3.2.2).
func validHost(s string) bool {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
	}
	if host == "" && s != "" || strings.Trim(port, "0123456789") != "" {
		return false
	}
	if strings.HasPrefix(host, "[") {
		addr, err := netip.ParseAddr(strings.TrimSuffix(host[1:], "]"))
		return err == nil && host[len(host)-1] == ']' && addr.Is6() && addr.Zone() == ""
	}
	for i := 0; i < len(host); i++ {
		if host[i] == '%' {
			if i+2 >= len(host) || hexDigit(host[i+1]) < 0 || hexDigit(host[i+2]) < 0 {
				return false
			}
			i += 2
		} else if classes[host[i]]&hostChar == 0 {
			return false
		}
	}
	return true
}
