package store

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
)

// Options of a [Store]. A zero field has its default, given at the end of its
// comment.
type Options struct {
	Expiry          time.Duration     // lifetime of an unread message; 60 s
	GroupExpiry     time.Duration     // lifetime of a membership after the last add; 86,400 s
	Capacity        int               // messages in a queue that matches no pattern; 1,000
	ChannelCapacity []PatternCapacity // first match wins; none
	MaxMessage      int               // bytes of payload in one message; 1 MiB
	Memory          int               // bytes of all queues together; 256 MiB
	MaxSessions     int               // values whose keys begin with asgi.SessionPrefix, and with asgi.PeerPrefix; 100,000
	StateMemory     int               // bytes of the values of each family, like those under state/; 64 MiB
	NoSync          bool              // commit without fsync: a power cut may lose acknowledged changes; false
	Reserved        bool              // only stores have this path, so any other file there is damaged; false
	Log             *slog.Logger      // discards all records
}

// A PatternCapacity is the capacity of all channels whose names match Pattern.
// A "*" in it matches any text. Only the part of a process-specific name up to
// and including "!" is matched.
type PatternCapacity struct {
	Pattern  string
	Capacity int // less than 1 means 1
}

// MaxCapacity is the highest capacity that a flag can set.
const MaxCapacity = 100_000_000

// ParsePatternCapacity parses text like "http.request=2000".
func ParsePatternCapacity(text string) (PatternCapacity, error) {
	pattern, number, ok := strings.Cut(text, "=")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || n > MaxCapacity {
		return PatternCapacity{}, fmt.Errorf("channel capacity %q: expected PATTERN=N with N from 1 to %d, like http.request=2000", text, MaxCapacity)
	}
	if err := asgi.CheckMatch(pattern); err != nil {
		return PatternCapacity{}, fmt.Errorf("channel capacity %q: %w", text, err)
	}
	return PatternCapacity{pattern, n}, nil
}

// bodyCapacity limits the waiting pieces of one request body, so that a slow
// reader slows the client.
var bodyCapacity = PatternCapacity{bodyChannels + "*", 16}

// DefaultOptions returns the defaults of the fields that are not zero by
// default.
func DefaultOptions() Options {
	return Options{
		Expiry: 60 * time.Second, GroupExpiry: 86_400 * time.Second, Capacity: 1000, MaxMessage: 1 << 20, Memory: 256 << 20,
		MaxSessions: 100_000, StateMemory: 64 << 20,
	}
}

func (o Options) withDefaults() Options {
	defaults := DefaultOptions()
	setDefault(&o.Expiry, defaults.Expiry)
	setDefault(&o.GroupExpiry, defaults.GroupExpiry)
	setDefault(&o.Capacity, defaults.Capacity)
	setDefault(&o.MaxMessage, defaults.MaxMessage)
	setDefault(&o.Memory, defaults.Memory)
	setDefault(&o.MaxSessions, defaults.MaxSessions)
	setDefault(&o.StateMemory, defaults.StateMemory)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

func (o *Options) settings() asgi.Settings {
	return asgi.Settings{Expiry: o.Expiry, GroupExpiry: o.GroupExpiry, Capacity: o.Capacity, MaxMessage: o.MaxMessage}
}

// capacityOf returns the capacity of the queue with that name.
func (o *Options) capacityOf(name string) int { return CapacityOf(o.ChannelCapacity, o.Capacity, name) }

// CapacityOf returns the capacity of the queue with that name: of the first pattern
// that matches, or else def. A request body's channel has one of its own.
func CapacityOf(patterns []PatternCapacity, def int, name string) int {
	for _, p := range patterns {
		if asgi.MatchName(p.Pattern, name) {
			return max(p.Capacity, 1)
		}
	}
	if asgi.MatchName(bodyCapacity.Pattern, name) {
		return bodyCapacity.Capacity
	}
	return def
}
