package store

import (
	"testing"

	"asgibox/asgi"
	"asgibox/asgi/asgitest"
)

func TestMemoryStoreConforms(t *testing.T) {
	asgitest.TestLayer(t, func(t testing.TB, s asgitest.Setup) asgi.Layer {
		return openMemory(t, conforming(s))
	}, lacking)
}

func TestJournalledStoreConforms(t *testing.T) {
	asgitest.TestLayer(t, func(t testing.TB, s asgitest.Setup) asgi.Layer {
		return openAt(t, newPath(t), conforming(s))
	}, lacking)
}

// lacking declares what only a layer with several processes has.
var lacking = asgitest.Without(asgi.ExtTicker)

// conforming converts the suite's setup to options.
func conforming(s asgitest.Setup) Options {
	o := Options{
		Capacity:    s.Capacity,
		Expiry:      s.Expiry,
		GroupExpiry: s.GroupExpiry,
		MaxMessage:  s.MaxMessage,
		Memory:      s.Memory,
	}
	for _, p := range s.ChannelCapacity {
		o.ChannelCapacity = append(o.ChannelCapacity, PatternCapacity(p))
	}
	return o
}
