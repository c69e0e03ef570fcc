package value

import (
	"math/bits"

	"go.starlark.net/starlark"
)

// Keys are the hashes of the keys of a dict that a client describes. Starlark's
// hash of a short text is the same in every process, so a client can choose keys
// with equal hashes. A dict with many of them is a list: adding each key takes
// longer than the one before.
type Keys []uint32

const (
	// minCrowd is how many keys a dict must have to become slow.
	minCrowd = 1 << 10
	// maxCrowd is how many keys may have the same place. Keys that are not
	// chosen for this have about eight.
	maxCrowd = 1 << 6
)

// Add adds a key.
func (k *Keys) Add(key string) {
	hash, _ := starlark.String(key).Hash() // a text has one
	*k = append(*k, hash)
}

// Crowded reports whether a dict with these keys would be slow.
func (k Keys) Crowded() bool {
	if len(k) < minCrowd {
		return false
	}
	for _, n := range k.places() {
		if n > maxCrowd {
			return true
		}
	}
	return false
}

// places returns how many keys each place of a dict has.
func (k Keys) places() []int {
	places := make([]int, 1<<bits.Len(uint(len(k)/8))) // as many as a dict has, or twice as many
	for _, hash := range k {
		places[int(hash)&(len(places)-1)]++
	}
	return places
}

// A set or dict that one call makes of a list cannot be cancelled meanwhile. Its
// items may be numbers of any size, and the hash of an integer has only its lowest
// 32 bits. So many integers that have a meaning, like times, have few places, and
// only those are refused that take seconds.
const (
	minCollisions = 1 << 14 // fewer items than this are always quick
	maxCollisions = 1 << 29 // pairs of items with the same place
)

// Collide reports whether a set of the items of a list would take seconds. Item
// returns the value of an item that is the key.
func Collide(n int, item func(i int) starlark.Value) bool {
	if n < minCollisions {
		return false
	}
	k := make(Keys, 0, n)
	for i := range n {
		if v := item(i); v != nil {
			hash, err := v.Hash()
			if err != nil {
				return false // the call fails
			}
			k = append(k, hash)
		}
	}
	pairs := 0
	for _, n := range k.places() {
		pairs += n * n / 2
	}
	return pairs > maxCollisions
}
