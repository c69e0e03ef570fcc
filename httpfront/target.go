package httpfront

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

const (
	// maxTarget limits a request target, and target and headers together, in bytes.
	maxTarget = 64 << 10
	// maxSocketTarget limits the target of a handshake, because an open WebSocket
	// keeps it.
	maxSocketTarget = 8 << 10
	// maxLines limits the number of header lines. A line needs more memory than
	// its bytes.
	maxLines = 200
)

// A target is the path and query of a request.
type target struct {
	path  string // percent-decoded text
	query string // as sent by the client
}

var (
	errNotASCII = errors.New("the request target contains bytes that are not ASCII; percent-encode them")
	errEscape   = errors.New("the path contains a % that is not followed by two hexadecimal digits")
)

// parseTarget parses the request target as the client sent it, because a URL of
// net/http loses bytes that the application may want.
func parseTarget(method, raw string) (target, error) {
	for i := range len(raw) {
		if raw[i] >= utf8.RuneSelf {
			return target{}, errNotASCII
		}
	}
	path, query, _ := strings.Cut(raw, "?")
	path, err := originForm(method, path)
	if err != nil {
		return target{}, err
	}
	path, err = decodePath(path)
	return target{path, query}, err
}

// originForm returns the path of a target in any of the forms of RFC 9112,
// section 3.2.
func originForm(method, path string) (string, error) {
	switch {
	case method == http.MethodConnect:
		return "", errors.New("this server is not a proxy and does not support CONNECT")
	case method != http.MethodHead && strings.EqualFold(method, http.MethodHead):
		return "", fmt.Errorf("the method %s is not HEAD; write it in upper case", method)
	case strings.HasPrefix(path, "/"):
		return path, nil
	case path == "*" && method == http.MethodOptions:
		return path, nil
	}
	if _, rest, ok := strings.Cut(path, "://"); ok {
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			return rest[slash:], nil
		}
		return "/", nil
	}
	return "", fmt.Errorf("the request target %.80q is neither a path nor a URL", path)
}

// decodePath decodes percent-encoding. Each byte that is not UTF-8 becomes
// U+FFFD.
func decodePath(raw string) (string, error) {
	if strings.IndexByte(raw, '%') < 0 {
		return raw, nil
	}
	path := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' {
			path = append(path, raw[i])
			continue
		}
		if i+2 >= len(raw) {
			return "", errEscape
		}
		hi, lo := hexDigit(raw[i+1]), hexDigit(raw[i+2])
		if hi < 0 || lo < 0 {
			return "", errEscape
		}
		path = append(path, byte(hi<<4|lo))
		i += 2
	}
	return validText(string(path)), nil
}

// validText returns s with each byte that is not UTF-8 replaced by U+FFFD.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
