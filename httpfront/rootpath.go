package httpfront

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parseRootPath returns the decoded value of --root-path. It fails if the value
// is neither empty nor the beginning of a URL's path.
func parseRootPath(text string) (string, error) {
	fail := func(what string) (string, error) {
		return "", fmt.Errorf("--root-path %q: %s; write the beginning of a URL's path, like /app", text, what)
	}
	path, err := decodePath(text)
	switch {
	case text != "" && text[0] != '/':
		return fail("it does not begin with /")
	case strings.ContainsAny(text, "?#"):
		return fail("it has a query or a fragment")
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return fail("it has spaces, control characters or bytes that are not UTF-8")
	case err != nil:
		return fail("a % is not followed by two hexadecimal digits")
	}
	return path, nil
}
