package routing

import (
	"crypto/sha256"
	"sync"
)

// MaxWarnings is how many warnings about the messages of an application are logged.
const MaxWarnings = 1000

// Warned is the set of warnings of one kind that were logged. The zero Warned is empty.
type Warned struct {
	mu   sync.Mutex // guards sums
	sums map[[sha256.Size]byte]bool
}

// First reports whether a warning must be logged: it was not logged before, and fewer
// than limit others were. It does not keep the text, a part of which a client may have
// chosen.
func (w *Warned) First(text string, limit int) bool {
	sum := sha256.Sum256([]byte(text))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sums[sum] || len(w.sums) >= limit {
		return false
	}
	if w.sums == nil {
		w.sums = map[[sha256.Size]byte]bool{}
	}
	w.sums[sum] = true
	return true
}
