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

// RemoveCookie removes the cookies with tokens of control servers from the value
// of a Cookie header of a request to another server.
func RemoveCookie(header string) string {
	if !strings.Contains(header, cookieName) {
		return header
	}
	var left []string
	for pair := range strings.SplitSeq(header, ";") {
		if name, _, _ := strings.Cut(pair, "="); !holdsToken(name) {
			left = append(left, pair)
		}
	}
	return strings.TrimSpace(strings.Join(left, ";"))
}
