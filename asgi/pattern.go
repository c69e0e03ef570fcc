package asgi

import (
	"errors"
	"fmt"
	"strings"
)

// CheckMatch returns an error if no channel's name can match a pattern, because
// the pattern is empty or has a character that names do not have.
func CheckMatch(pattern string) error {
	if pattern == "" {
		return errors.New("the pattern is empty")
	}
	for i := range len(pattern) {
		if c := pattern[i]; !isNameByte(c) && c != '*' && c != '?' && c != '!' {
			return fmt.Errorf("the pattern %q matches no channel, because names contain no %q; * stands for any text", pattern, c)
		}
	}
	return nil
}

// MatchName reports whether a name matches a pattern. A "*" matches any text,
// even an empty one. Every other character matches itself, including "?", which
// is the type character of a channel.
func MatchName(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	name, ok := strings.CutPrefix(name, first)
	if !ok || !star {
		return ok && name == ""
	}
	parts := strings.Split(rest, "*")
	last := len(parts) - 1
	for _, part := range parts[:last] {
		_, after, found := strings.Cut(name, part)
		if !found {
			return false
		}
		name = after
	}
	return strings.HasSuffix(name, parts[last])
}
