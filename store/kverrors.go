package store

import (
	"fmt"

	"asgibox/asgi"
)

func wrongType(key, want string, got any) error {
	return fmt.Errorf("%w: %q holds %s, not %s", asgi.ErrWrongType, key, kindOf(got), want)
}

func tooBig(key string) error {
	return fmt.Errorf("%w: the sum for %q does not fit in 64 bits", asgi.ErrWrongType, key)
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case string:
		return "a text"
	case asgi.Bytes:
		return "a byte string"
	case asgi.List:
		return "a list"
	}
	return "a dict"
}
