package store

import (
	"fmt"

	"asgibox/asgi"
)

func wrongType(key, want string, got any) error {
	return fmt.Errorf("%w: %q holds %s, not %s", asgi.ErrWrongType, key, asgi.TypeName(got), want)
}

func tooBig(key string) error {
	return fmt.Errorf("%w: the sum for %q does not fit in 64 bits", asgi.ErrWrongType, key)
}
