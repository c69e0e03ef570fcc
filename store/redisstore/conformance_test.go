package redisstore

import (
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/asgitest"
	"asgibox/store"
)

func TestLayerConforms(t *testing.T) {
	s := sharedServer(t)
	asgitest.TestLayer(t, func(t testing.TB, setup asgitest.Setup) asgi.Layer {
		return open(t, s, conforming(setup))
	}, asgitest.RealTime(100*time.Millisecond), asgitest.Parallel(),
		asgitest.Without(asgitest.Envelope, asgitest.Memory, asgitest.HandOver, asgitest.Unread, asgitest.Lasting, asgi.ExtAcceptors))
}

// conforming converts the suite's setup to options.
func conforming(s asgitest.Setup) Options {
	o := Options{Capacity: s.Capacity, Expiry: s.Expiry, GroupExpiry: s.GroupExpiry, MaxMessage: s.MaxMessage}
	for _, p := range s.ChannelCapacity {
		o.ChannelCapacity = append(o.ChannelCapacity, store.PatternCapacity(p))
	}
	return o
}

func TestRingConforms(t *testing.T) {
	one, two := sharedServer(t), startServer(t)
	asgitest.TestLayer(t, func(t testing.TB, setup asgitest.Setup) asgi.Layer {
		o := conforming(setup)
		o.Hosts = []Host{one.host(), two.host()}
		return open(t, one, o)
	}, asgitest.RealTime(100*time.Millisecond), asgitest.Parallel(),
		asgitest.Without(asgitest.Envelope, asgitest.Memory, asgitest.HandOver, asgitest.OneQueue, asgitest.Unread, asgitest.Lasting, asgi.ExtAcceptors))
}
