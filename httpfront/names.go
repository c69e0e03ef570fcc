package httpfront

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

const (
	letters      = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	localLength  = 10
	localNames   = 144555105949057024 // 52^10
	localStride  = 63018038201 * 3    // shares no factor with 52, so names repeat after all were used
	prefixLength = 10
)

// names makes the local parts of reply channels: letters, never the same
// twice, and not in an order that anybody could be tempted to rely on.
type names struct {
	first uint64
	count atomic.Uint64
}

func newNames() *names { return &names{first: randomUint() % localNames} }

// next answers prefix and a new local part.
func (n *names) next(prefix string) string {
	hi, lo := bits.Mul64(n.count.Add(1), localStride)
	lo, carry := bits.Add64(lo, n.first, 0)
	v := bits.Rem64(hi+carry, lo, localNames)
	name := make([]byte, 0, 64)
	name = append(name, prefix...)
	for range localLength {
		name = append(name, letters[v%52])
		v /= 52
	}
	return string(name)
}

// randomLetters answers n letters that nobody can guess.
func randomLetters(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}

func randomUint() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}
