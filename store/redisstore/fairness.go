package redisstore

import (
	"slices"
	"sync"
)

// fairness orders channels by when a message was last taken from them, so that no
// channel waits for longer than the others take one turn each.
type fairness struct {
	mu   sync.Mutex // guards the rest
	turn uint64
	last map[string]uint64 // by channel
}

// maxRemembered is the number of channels at which fairness forgets all turns.
const maxRemembered = 4096

// order sorts the channels, the one that has waited longest first.
func (f *fairness) order(channels []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.SortStableFunc(channels, func(a, b string) int {
		switch x, y := f.last[a], f.last[b]; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
}

// took notes that a message was taken from a channel.
func (f *fairness) took(channel string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil || len(f.last) >= maxRemembered {
		f.last = map[string]uint64{}
	}
	f.turn++
	f.last[channel] = f.turn
}
