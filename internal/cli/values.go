package cli

import (
	"errors"
	"fmt"
	"net"
	"path"
	"strings"
)

// parseBind parses a host to listen on. Brackets around an IPv6 address are
// dropped.
func parseBind(text string) (string, error) {
	if _, port, err := net.SplitHostPort(text); err == nil {
		return "", fmt.Errorf("%q has a port; give the port with --port %s", text, port)
	}
	host := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		host = text[1 : len(text)-1]
	}
	switch {
	case host == "":
		return "", errors.New("the address is empty; 0.0.0.0 or :: listens on all of this machine")
	case strings.ContainsAny(host, "[]"):
		return "", fmt.Errorf("%q is not an address like 127.0.0.1 or [::1]", text)
	}
	return host, nil
}

// parseFilePattern parses a pattern of paths in the application's folder.
func parseFilePattern(text string) (string, error) {
	if _, err := path.Match(text, ""); err != nil || text == "" {
		return "", fmt.Errorf("%q is not a pattern; write one like *.csv, data/* or page[0-9].txt", text)
	}
	if text != path.Clean(text) || text[0] == '/' || text == ".." || strings.HasPrefix(text, "../") {
		return "", fmt.Errorf("%q matches no path in the application's folder; write one like *.csv, data/* or page[0-9].txt", text)
	}
	return text, nil
}

// parseProtocol parses the name of a sub-protocol, which is a token of RFC 9110.
func parseProtocol(text string) (string, error) {
	isToken := func(r rune) bool {
		return r > ' ' && r < 0x7f && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !isToken(r) }) {
		return "", fmt.Errorf("%q is not the name of a sub-protocol; use letters, digits, '-', '.' and '_'", text)
	}
	return text, nil
}

// parsePattern parses a shell pattern of channels.
func parsePattern(text string) (string, error) {
	if _, err := path.Match(text, ""); err != nil || text == "" {
		return "", fmt.Errorf("%q is not a pattern of channels like jobs.*", text)
	}
	return text, nil
}
