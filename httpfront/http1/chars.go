package http1

import "strings"

// Classes of characters.
const (
	tokenChar  = 1 << iota // a token of RFC 9110, section 5.6.2
	valueChar              // a field value: also spaces, tabs and bytes beyond ASCII
	targetChar             // visible ASCII except #
	hostChar               // a registered name of RFC 3986, section 3.2.2, except %
)

var classes = func() (t [256]uint8) {
	const alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := range t {
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[c] |= valueChar
		}
		if c > ' ' && c < 0x7f && c != '#' {
			t[c] |= targetChar
		}
		if strings.IndexByte(alphanumeric+"!#$%&'*+-.^_`|~", byte(c)) >= 0 {
			t[c] |= tokenChar
		}
		if strings.IndexByte(alphanumeric+"-._~!$&'()*+,;=", byte(c)) >= 0 {
			t[c] |= hostChar
		}
	}
	return t
}()

// all reports whether all bytes of s are in the class.
func all[T string | []byte](s T, class uint8) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// ValidName reports whether s is a field name: a token of RFC 9110.
func ValidName(s string) bool { return s != "" && all(s, tokenChar) }

// ValidValue reports whether s may be a field value: it has no line ends or other
// control characters, except tabs.
func ValidValue(s string) bool { return all(s, valueChar) }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// hexDigit returns the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	switch c = lower(c); {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
