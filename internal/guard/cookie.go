package guard

import (
	"net/http"
	"strings"
)

// cookieName begins the name of the cookie that holds the token. The port of the
// control server follows, because browsers send cookies to every port of a host.
const cookieName = "asgibox_control"

// cookieOf returns the name of the cookie of the server that a request is for.
func cookieOf(r *http.Request) string { return cookieName + "_" + port(r.Host) }

// holdsToken reports whether a cookie of that name is one of a control server.
func holdsToken(name string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSpace(name), cookieName)
	return ok && (rest == "" || rest[0] == '_')
}

// RemoveCookie removes the cookies with tokens of control servers from the headers
// of a request to another server.
func RemoveCookie(h http.Header) {
	lines := h["Cookie"]
	if !strings.Contains(strings.Join(lines, ";"), cookieName) {
		return
	}
	var left []string
	for _, line := range lines {
		if line = withoutToken(line); line != "" {
			left = append(left, line)
		}
	}
	h["Cookie"] = left
	if left == nil {
		delete(h, "Cookie")
	}
}

func withoutToken(line string) string {
	var left []string
	for pair := range strings.SplitSeq(line, ";") {
		if name, _, _ := strings.Cut(pair, "="); !holdsToken(name) {
			left = append(left, pair)
		}
	}
	return strings.TrimSpace(strings.Join(left, ";"))
}
