package guard

import (
	"net/http"
	"strings"
)

// cookieName is the name of the cookie that holds the token.
const cookieName = "asgibox_control"

// RemoveCookie removes the cookie with the token from the headers of a request
// to another server. Browsers send cookies to every port of a host.
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
		if name, _, _ := strings.Cut(pair, "="); strings.TrimSpace(name) != cookieName {
			left = append(left, pair)
		}
	}
	return strings.TrimSpace(strings.Join(left, ";"))
}
