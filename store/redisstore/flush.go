package redisstore

import (
	"context"
	"strings"

	"asgibox/asgi"
)

// scanCount is the number of keys that Redis looks at in one step of a scan.
const scanCount = 1000

// Flush removes all messages, groups and counters. See [asgi.Flusher].
func (l *Layer) Flush(ctx context.Context, c *asgi.Cause) error {
	for _, h := range l.hosts {
		for _, prefix := range []string{l.opts.Prefix, l.opts.StatsPrefix} {
			err := h.scan(ctx, prefix, "", func(keys []string) error {
				args := []any{"unlink"}
				for _, key := range keys {
					args = append(args, key)
				}
				_, err := h.do(ctx, "flush", args...)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	l.delay.look()
	return nil
}

// scan calls f with the keys that begin with a prefix, some at a time. Kind is the
// type of their values, or "" for all.
func (h *host) scan(ctx context.Context, prefix, kind string, f func(keys []string) error) error {
	for cursor := "0"; ; {
		keys, next, err := h.scanStep(ctx, cursor, prefix, kind)
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			if err := f(keys); err != nil {
				return err
			}
		}
		if cursor = next; cursor == "0" {
			return nil
		}
	}
}

// scanStep returns the keys of one step of a scan and the cursor of the next one.
func (h *host) scanStep(ctx context.Context, cursor, prefix, kind string) (keys []string, next string, err error) {
	args := []any{"scan", cursor, "match", globEscaper.Replace(prefix) + "*", "count", scanCount}
	if kind != "" {
		args = append(args, "type", kind)
	}
	v, err := h.do(ctx, "scan", args...)
	if err != nil {
		return nil, "", err
	}
	pair, _ := v.([]any)
	if len(pair) != 2 {
		return nil, "0", nil
	}
	next, _ = pair[0].(string)
	found, _ := pair[1].([]any)
	return texts(found), next, nil
}

// globEscaper makes a text match only itself in a pattern of Redis.
var globEscaper = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`, "^", `\^`)
