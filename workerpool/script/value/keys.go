package value

import (
	"hash/maphash"
	"iter"
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
	maxCollisions = 1 << 29 // comparisons of two keys
	minSame       = 1 << 10 // fewer keys than this with the same place are not compared here
)

// Collide reports whether making a set of n items, or a dict of n keys, would take
// very long, because many different items have the same hash.
func Collide(n int, items iter.Seq[starlark.Value]) bool {
	return n >= minCollisions && Collisions(items) > maxCollisions
}

// Collisions returns about how many times two items are compared if each is looked
// up in a set of them. It returns 0 if one of them cannot be in a set.
func Collisions(items iter.Seq[starlark.Value]) int {
	var k Keys
	for v := range items {
		hash, err := v.Hash()
		if err != nil {
			return 0
		}
		k = append(k, hash)
	}
	all := k.places()
	different := make([]int, len(all))
	seen, seed := make(map[uint64]bool), maphash.MakeSeed()
	i := 0
	for v := range items {
		place := int(k[i]) & (len(all) - 1)
		i++
		if all[place] >= minSame {
			id := identity(seed, v)
			if seen[id] {
				continue
			}
			seen[id] = true
		}
		different[place]++
	}
	pairs := 0
	for place, n := range all {
		pairs += n * different[place] / 2
	}
	return pairs
}

// identity returns a number that is the same for equal keys, and very probably not
// for others.
func identity(seed maphash.Seed, v starlark.Value) uint64 {
	t, ok := v.(starlark.Tuple)
	if !ok {
		return maphash.Comparable(seed, v)
	}
	id := uint64(len(t))
	for _, item := range t {
		id = maphash.Comparable(seed, [2]uint64{id, identity(seed, item)})
	}
	return id
}
