package store

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
)

// Options of a [Store]. The zero value works; each field says its default.
type Options struct {
	Expiry          time.Duration     // an unread message lives so long; 60 s
	GroupExpiry     time.Duration     // a membership lives so long after the last add; 86,400 s
	Capacity        int               // messages a queue holds where no pattern says otherwise; 1,000
	ChannelCapacity []PatternCapacity // first match wins
	MaxMessage      int               // bytes of payload that one message carries; 1 MiB
	Memory          int               // bytes that all queues together take; 256 MiB
	NoSync          bool              // commit without waiting for the disk: a power cut may lose what was acknowledged
	Log             *slog.Logger      // nowhere
}

// A PatternCapacity is the capacity of the channels whose names match. In the
// pattern a "*" stands for any text; for a process-specific channel it is
// compared with the part up to and including "!".
type PatternCapacity struct {
	Pattern  string
	Capacity int // below 1 counts as 1
}

// ParsePatternCapacity reads "http.request=2000".
func ParsePatternCapacity(text string) (PatternCapacity, error) {
	pattern, number, ok := strings.Cut(text, "=")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || pattern == "" {
		return PatternCapacity{}, fmt.Errorf("channel capacity %q: want PATTERN=N with N of at least 1, like http.request=2000", text)
	}
	return PatternCapacity{pattern, n}, nil
}

// bodyCapacity bounds the pieces of one request body that wait: a slow reader
// slows the client.
var bodyCapacity = PatternCapacity{"http.request.body?*", 16}

func (o Options) withDefaults() Options {
	setDefault(&o.Expiry, 60*time.Second)
	setDefault(&o.GroupExpiry, 86_400*time.Second)
	setDefault(&o.Capacity, 1000)
	setDefault(&o.MaxMessage, 1<<20)
	setDefault(&o.Memory, 256<<20)
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

// capacityOf answers how many messages the queue of that name holds.
func (o *Options) capacityOf(name string) int {
	for _, p := range o.ChannelCapacity {
		if asgi.MatchName(p.Pattern, name) {
			return max(p.Capacity, 1)
		}
	}
	if asgi.MatchName(bodyCapacity.Pattern, name) {
		return bodyCapacity.Capacity
	}
	return o.Capacity
}
