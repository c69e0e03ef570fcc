package redisstore

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// ErrUnreachable: Redis did not reply when the layer was opened. Opening again
// later may succeed.
var ErrUnreachable = errors.New("the layer cannot be reached")

// errOutOfMemory: Redis has reached its maxmemory.
var errOutOfMemory = errors.New("maxmemory of Redis is reached")

// A dialError is an error of a new connection: no call was made on it.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

// isReply reports whether an error is a reply of Redis, so that the connection
// works.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// lacksScript reports whether Redis did not run a script because it does not know
// it.
func lacksScript(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") }

// isWrongType reports whether a key holds another type of value.
func isWrongType(err error) bool { return err != nil && strings.Contains(err.Error(), "WRONGTYPE") }

// isUnavailable reports whether a reply says that Redis serves no clients now.
func isUnavailable(err error) bool {
	for _, kind := range []string{"LOADING", "MASTERDOWN", "READONLY", "NOAUTH", "WRONGPASS", "CLUSTERDOWN"} {
		if strings.HasPrefix(err.Error(), kind) {
			return true
		}
	}
	return strings.Contains(err.Error(), "-READONLY") || strings.Contains(err.Error(), "READONLY You can't write")
}

// failed converts an error of a call to one of package asgi. It notes a host that
// cannot be reached.
func (h *host) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, asgi.ErrStoreFailed), errors.Is(err, asgi.ErrClosed):
		return err
	case errors.Is(err, redis.ErrClosed):
		return asgi.ErrClosed
	case isReply(err) && strings.Contains(err.Error(), "OOM command not allowed"):
		h.full.report(func() {
			h.layer.log.Warn("Redis has reached maxmemory, so it takes no messages; raise it, or read the channels faster", keyHost, h.name)
		})
		return errOutOfMemory
	case isReply(err) && !isUnavailable(err):
		h.refused.report(func() {
			h.layer.log.Error("Redis refused a call", keyHost, h.name, logkey.Error, err)
		})
	default:
		h.suspect(err)
		var dial *dialError
		if !isReply(err) && !errors.As(err, &dial) {
			return fmt.Errorf("%w; %w", h.storeFailed(err), asgi.ErrUncertain)
		}
	}
	return h.storeFailed(err)
}

func (h *host) storeFailed(err error) error {
	return fmt.Errorf("%w: %s: %v", asgi.ErrStoreFailed, h.name, err)
}

// A seldom limits log lines about one problem to one a minute.
type seldom struct{ last atomicTime }

func (s *seldom) report(log func()) {
	if s.last.advance(time.Minute) {
		log()
	}
}

// keyHost is the key of the log attribute for a host.
const keyHost = "redis"
