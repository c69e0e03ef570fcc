package httpfront

import "net/http"

// hasContent reports whether a response with the status may have content
// (RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5).
func hasContent(status int) bool {
	switch status {
	case http.StatusNoContent, http.StatusResetContent, http.StatusNotModified:
		return false
	}
	return true
}

// emptyLength returns the Content-Length of a response without content, or -1. A
// 204 must have none. In a 304 it may be the length of the content that the
// client has.
func emptyLength(p reply) int64 {
	switch p.status {
	case http.StatusNoContent:
		return -1
	case http.StatusResetContent:
		return 0
	}
	return p.length
}
