package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9/logging"
)

// silenceClient makes the client library log nothing: every error reaches the
// layer, which says it once.
var silenceClient = sync.OnceFunc(func() { logging.Disable() })

// check connects to the host and checks that the layer can use it.
func (h *host) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout+replyTimeout)
	defer cancel()
	text, err := h.client.Info(ctx).Result()
	switch {
	case err == nil:
	case isReply(err) && strings.HasPrefix(err.Error(), "LOADING"):
		return fmt.Errorf("%w: %s: it is still loading its data", ErrUnreachable, h.name)
	case isReply(err):
		return fmt.Errorf("%s refused the connection: %s", h.name, err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %s: it closed the connection", ErrUnreachable, h.name)
	default:
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, h.name, plainError(err))
	}
	info := parseInfo(text)
	switch {
	case info["cluster_enabled"] == "1":
		return fmt.Errorf("%s is a Redis Cluster, which cannot run the scripts of the layer; use single hosts", h.name)
	case before(info["redis_version"], 6, 2):
		return fmt.Errorf("%s is Redis %s; the layer needs 6.2 or newer", h.name, info["redis_version"])
	case info["role"] == "slave":
		return fmt.Errorf("%s is a replica, which cannot be written to; use its master %s:%s", h.name, info["master_host"], info["master_port"])
	}
	if policy := info["maxmemory_policy"]; info["maxmemory"] != "0" && policy != "" && policy != "noeviction" {
		h.layer.log.Warn("Redis may drop messages, groups and state when it reaches maxmemory; set its maxmemory-policy to noeviction", keyHost, h.name, "policy", policy)
	}
	for _, s := range allScripts {
		if err := h.client.ScriptLoad(ctx, s.text).Err(); err != nil {
			return fmt.Errorf("%s refused a script of the layer: %w", h.name, plainError(err))
		}
	}
	return nil
}

// parseInfo returns the fields of the reply to INFO.
func parseInfo(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[key] = value
		}
	}
	return fields
}

// before reports whether a version is older than major.minor.
func before(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(first)
	b, err2 := strconv.Atoi(second)
	return err1 == nil && err2 == nil && (a < major || a == major && b < minor)
}
