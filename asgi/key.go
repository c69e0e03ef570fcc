package asgi

import "unicode/utf8"

// MaxKeyLength is the maximum length of a key of [KV], in bytes.
const MaxKeyLength = 1024

// CheckKey returns an [InvalidNameError] unless the argument can be a key of [KV].
func CheckKey(key string) error {
	switch {
	case key == "":
		return &InvalidNameError{Name: key, Reason: "a key must not be empty"}
	case len(key) > MaxKeyLength:
		return &InvalidNameError{Name: key[:40] + "…", Reason: "a key must be at most 1,024 bytes long"}
	case !utf8.ValidString(key):
		return &InvalidNameError{Name: key, Reason: "a key must be valid UTF-8"}
	}
	return nil
}
