package store

import (
	"testing"

	"asgibox/asgi"
	"asgibox/asgi/asgitest"
)

func TestTheMemoryStoreIsALayer(t *testing.T) {
	asgitest.TestLayer(t, func(t testing.TB, s asgitest.Setup) asgi.Layer {
		return openMemory(t, conforming(s))
	})
}

func TestTheJournalledStoreIsALayer(t *testing.T) {
	asgitest.TestLayer(t, func(t testing.TB, s asgitest.Setup) asgi.Layer {
		return openAt(t, newPath(t), conforming(s))
	})
}

// conforming turns what the suite wants into options.
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
