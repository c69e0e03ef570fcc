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
	places := make([]int, 1<<bits.Len(uint(len(k)/8))) // as many as a dict has, or twice as many
	for _, hash := range k {
		place := &places[int(hash)&(len(places)-1)]
		if *place++; *place > maxCrowd {
			return true
		}
	}
	return false
}
