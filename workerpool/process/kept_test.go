package process

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"asgibox/asgi"
	"asgibox/asgi/remote"
)

// heapInUse returns the bytes of the heap that are in use.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestAConnectionKeepsLittleOfItsFrames sends long frames. A receive that waits, an answer
// that is not read, and a connection without a call keep none of them.
func TestAConnectionKeepsLittleOfItsFrames(t *testing.T) {
	const n, length = 10, 200_000
	long := strings.Repeat("a", length)
	receive := func(pairs ...any) []any { return append([]any{"id", 1, "call", "receive", "block", true}, pairs...) }
	for name, frame := range map[string][]any{
		"a receive that waits, with the line of the call": receive("channels", "jobs", "at", long),
		"an error that quotes a key":                      receive("channels", "jobs", long, 1),
		"an error that quotes a name":                     receive("channels", long),
		"many values of a call that fails":                receive("channels", "jobs", "timeout", make([]any, length/5)),
		"a segment":                                       {"call", "state/get", "key", "none", "default", asgi.Bytes(long), "quiet", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, n<<20)
				before := heapInUse()
				for range n {
					if err := s.join().write(frame...); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				if kept := heapInUse() - before; kept > n*length/4 {
					t.Errorf("%d frames of %d bytes keep %d bytes", n, length, kept)
				}
			})
		})
	}
}

// TestAnAnswerFitsIntoAFrame checks that the length of a frame has four bytes.
func TestAnAnswerFitsIntoAFrame(t *testing.T) {
	length := int64(1) << 32
	if err := new(conn).hold(nil, int(length)); err == nil || remote.ErrorOf(err).Kind != remote.MessageTooLarge {
		t.Errorf("an answer of 4 GiB: %v", err)
	}
}
