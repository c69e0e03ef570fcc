// Package asgitest is the conformance suite of channel layers. It holds what
// the specification promises of names, messages, delivery, expiry, capacity,
// groups and the extensions, one subtest a promise, and any layer runs it in
// one call:
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
// A layer is held to every extension and feature but those that it declares,
// by [Without], to lack; those are reported. One that is neither declared nor
// there fails.
//
// # Time
//
// Each subtest runs in a bubble of testing/synctest, where waiting for a
// message to expire takes no time. A layer that leaves its process cannot live
// in a bubble and asks for [RealTime].
package asgitest

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// A Setup is how a subtest wants its layer. A zero field is the layer's
// default, which is that of the specification: a capacity of 1,000, an expiry
// of 60 s, a group expiry of a day, messages of 1 MiB, 256 MiB of memory.
type Setup struct {
	Capacity        int
	ChannelCapacity []PatternCapacity // the first that matches wins
	Expiry          time.Duration
	GroupExpiry     time.Duration
	MaxMessage      int // bytes of payload
	Memory          int // bytes, all queues together
}

// A PatternCapacity is the capacity of channels whose names match a pattern,
// in which "*" stands for any text.
type PatternCapacity struct {
	Pattern  string
	Capacity int
}

// Features that a layer may lack besides the extensions that package asgi
// names.
const (
	// Push: a bound function is called before Send returns, so that its
	// sender hears of a full mailbox.
	Push = "push"
	// Envelope: a message's trace, deadline and volatility travel with it.
	Envelope = "envelope"
	// Memory: all queues together are bounded in bytes.
	Memory = "memory"
)

// An Option says what is special about the layer.
type Option func(*suite)

// Without declares extensions and features that the layer lacks.
func Without(features ...string) Option {
	return func(s *suite) { s.lacks = append(s.lacks, features...) }
}

// RealTime makes the suite live on the wall clock, outside of bubbles. A
// second of the suite then lasts as long as second says; the shorter, the
// sooner the suite is through and the more it asks of the machine. 100 ms is a
// good choice.
func RealTime(second time.Duration) Option {
	return func(s *suite) { s.second, s.bubble, s.patience = second, false, time.Minute }
}

// TestLayer holds the layers that open answers to the specification. Open is
// called once for each subtest, with a testing.TB whose Cleanup ends the
// layer.
func TestLayer(t *testing.T, open func(t testing.TB, s Setup) asgi.Layer, opts ...Option) {
	s := &suite{open: open, second: time.Second, bubble: true, patience: time.Hour}
	for _, opt := range opts {
		opt(s)
	}
	for _, subject := range subjects {
		t.Run(subject.name, func(t *testing.T) {
			for _, p := range subject.promises {
				s.run(t, p)
			}
		})
	}
	for _, feature := range s.lacks {
		t.Logf("declared to be lacking: %s", feature)
	}
}

type suite struct {
	open     func(testing.TB, Setup) asgi.Layer
	lacks    []string
	second   time.Duration
	bubble   bool
	patience time.Duration // with a subtest whose layer lets it wait for ever
}

// A subject gathers promises about one thing.
type subject struct {
	name     string
	promises []promise
}

// A promise is one line of the specification and the program that checks it.
type promise struct {
	name  string
	needs []string // features, without which there is nothing to check
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
}

func (s *suite) run(t *testing.T, p promise) {
	for _, feature := range p.needs {
		if slices.Contains(s.lacks, feature) {
			return
		}
	}
	t.Run(p.name, func(t *testing.T) {
		if !s.bubble {
			s.check(t, p)
			return
		}
		synctest.Test(t, func(t *testing.T) { s.check(t, p) })
	})
}

func (s *suite) check(t *testing.T, p promise) {
	p.setup.Expiry = s.scale(p.setup.Expiry)
	p.setup.GroupExpiry = s.scale(p.setup.GroupExpiry)
	ctx, cancel := context.WithTimeout(t.Context(), s.patience)
	defer cancel()
	r := &rig{T: t, Layer: s.open(t, p.setup), ctx: ctx, suite: s, setup: p.setup}
	for _, feature := range p.needs {
		if feature != Push && feature != Envelope && feature != Memory && !asgi.Offers(r.Layer, feature) {
			t.Fatalf("the layer has no extension %q, and Without does not declare that", feature)
		}
	}
	p.check(r)
}

// scale turns the suite's time into the clock's.
func (s *suite) scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) * s.second.Seconds())
}
