// Package asgitest is the conformance suite for channel layers. It checks the
// promises of the specification about names, messages, delivery, expiry,
// capacity, groups and the extensions, with one subtest for each promise. A
// layer runs it with one call:
//
//	func TestLayer(t *testing.T) {
//		asgitest.TestLayer(t, func(t testing.TB, s asgitest.Setup) asgi.Layer {
//			layer := mylayer.Open(mylayer.Options{Capacity: s.Capacity, Expiry: s.Expiry, …})
//			t.Cleanup(layer.Close)
//			return layer
//		})
//	}
//
// # Extensions
//
// The suite checks every extension and feature, except those that the layer
// declares to be missing with [Without]. It logs these. A missing extension that
// is not declared is a failure.
//
// # Time
//
// Each subtest runs in a bubble of testing/synctest, where waiting takes no real
// time. A layer that communicates with other processes cannot run in a bubble
// and needs [RealTime].
package asgitest

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// A Setup has the settings of the layer for a subtest. A zero field means the
// default of the specification: a capacity of 1,000, an expiry of 60 s, a group
// expiry of a day, messages of 1 MiB, 256 MiB of memory.
type Setup struct {
	Capacity        int
	ChannelCapacity []PatternCapacity // the first match wins
	Expiry          time.Duration
	GroupExpiry     time.Duration
	MaxMessage      int // bytes of payload
	Memory          int // bytes of all queues together
}

// A PatternCapacity is the capacity of channels whose names match a pattern, in
// which "*" matches any text.
type PatternCapacity struct {
	Pattern  string
	Capacity int
}

// Features that may be missing from a layer, besides the extensions that
// package asgi names.
const (
	// Push: a bound function is called before Send returns, so that Send
	// fails if the mailbox is full.
	Push = "push"
	// Envelope: a delivery has the trace, deadline and volatility of the
	// message.
	Envelope = "envelope"
	// Memory: the bytes of all queues together are limited.
	Memory = "memory"
	// HandOver: a message for a waiting reader never takes room in its channel.
	HandOver = "handover"
	// OneQueue: the order and the capacity of a normal channel hold for all its
	// messages, because they are in one queue.
	OneQueue = "onequeue"
	// Unread: HasReader reports false for a channel without a reader. Without it,
	// only ended connections have no reader.
	Unread = "unread"
	// Lasting: messages that are sent with [asgi.Lasting] outlive the others.
	Lasting = "lasting"
)

// features are the features that no extension offers.
var features = []string{Push, Envelope, Memory, HandOver, OneQueue, Unread, Lasting}

// An Option changes how the suite tests a layer.
type Option func(*suite)

// Without declares extensions and features that the layer does not have.
func Without(features ...string) Option {
	return func(s *suite) { s.lacks = append(s.lacks, features...) }
}

// RealTime runs the suite with the real clock, outside of bubbles. One second of
// the suite then takes the given time. A short time makes the suite faster. A
// machine that is too slow for it is no failure: a check that fails is tried again
// with longer seconds. 100 ms is a good choice.
func RealTime(second time.Duration) Option {
	return func(s *suite) { s.second, s.bubble, s.patience = second, false, 5*time.Minute }
}

// Parallel runs the checks of a suite in real time in parallel, because most of
// them sleep. The flag -test.parallel limits their number.
func Parallel() Option {
	return func(s *suite) { s.parallel = true }
}

// TestLayer checks the layers that open returns. It calls open once for each
// subtest. Open must close the layer with Cleanup of t.
func TestLayer(t *testing.T, open func(t testing.TB, s Setup) asgi.Layer, opts ...Option) {
	s := &suite{open: open, second: time.Second, bubble: true, patience: time.Hour}
	for _, opt := range opts {
		opt(s)
	}
	for _, subject := range subjects {
		t.Run(subject.name, func(t *testing.T) {
			if s.parallel {
				t.Parallel()
			}
			for _, p := range subject.promises {
				s.run(t, p)
			}
		})
	}
	for _, feature := range s.lacks {
		t.Logf("declared as missing: %s", feature)
	}
}

type suite struct {
	open     func(testing.TB, Setup) asgi.Layer
	lacks    []string
	second   time.Duration
	bubble   bool
	parallel bool
	patience time.Duration // limit for a subtest that waits forever
}

// A subject is a group of promises.
type subject struct {
	name     string
	promises []promise
}

// A promise is one promise of the specification with the function that checks
// it.
type promise struct {
	name  string
	needs []string // features that the check needs
	setup Setup
	check func(*rig)
}

var subjects = []subject{
	{"names", names},
	{"messages", messages},
	{"delivery", delivery},
	{"cancellation", cancellation},
	{"envelope", envelope},
	{"expiry", expiry},
	{"capacity", capacity},
	{"bind", binding},
	{"groups", groups},
	{"flush", flushing},
	{"statistics", statistics},
	{"delay", delaying},
	{"state", state},
	{"readers", reading},
	{"putback", puttingBack},
	{"acceptors", accepting},
	{"ticker", ticking},
}

func (s *suite) run(t *testing.T, p promise) {
	for _, feature := range p.needs {
		if slices.Contains(s.lacks, feature) {
			return
		}
	}
	t.Run(p.name, func(t *testing.T) {
		if !s.bubble {
			if s.parallel {
				t.Parallel()
			}
			s.attempts(t, p)
			return
		}
		synctest.Test(t, func(t *testing.T) { s.check(t, p) })
	})
}

func (s *suite) check(t testing.TB, p promise) {
	p.setup.Expiry = s.scale(p.setup.Expiry)
	p.setup.GroupExpiry = s.scale(p.setup.GroupExpiry)
	ctx, cancel := context.WithTimeout(t.Context(), s.patience)
	defer cancel()
	r := &rig{TB: t, Layer: s.open(t, p.setup), ctx: ctx, suite: s, setup: p.setup}
	for _, feature := range p.needs {
		if !slices.Contains(features, feature) && !asgi.Offers(r.Layer, feature) {
			t.Fatalf("the layer does not have the extension %q, and Without does not declare it", feature)
		}
	}
	p.check(r)
}

// scale converts time of the suite to time of the clock.
func (s *suite) scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) * s.second.Seconds())
}
