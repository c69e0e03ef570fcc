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
	localStride  = 63018038201 * 3    // has no common factor with 52, so all names are used before one repeats
	prefixLength = 10
)

// names makes the local parts of reply channels. They consist of letters, never
// repeat, and come in no obvious order, so that no program relies on their order.
type names struct {
	first uint64
	count atomic.Uint64
}

func newNames() *names { return &names{first: randomUint() % localNames} }

// next returns prefix followed by a new local part.
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

// randomLetters returns n letters that cannot be guessed.
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
