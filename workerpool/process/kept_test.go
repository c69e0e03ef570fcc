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

// TestTheReceivesOfGuestsThatWaitHaveALimit checks that there is one for all programs that
// asgibox did not start, which does not hold up a child.
func TestTheReceivesOfGuestsThatWaitHaveALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, 1<<20)
		wait := func(c *client, id int) {
			if err := c.write("id", id, "call", "receive", "channels", "jobs", "block", true); err != nil {
				t.Fatal(err)
			}
		}
		s.waits.Store(maxGuestWaits - 1) // of other connections
		first, other := s.join(), s.join()
		wait(first, 1)
		synctest.Wait()
		wait(other, 1)
		if got, err := other.r.Read(); err != nil || find[string](got, "error") != remote.TooManyConnections {
			t.Errorf("one more receive: %v, %v", got, err)
		}
		if err := s.addWait(&conn{child: &child{}}); err != nil {
			t.Errorf("a receive of a child: %v", err)
		}
		if err := first.write("id", 2, "call", "cancel", "of", 1); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := first.r.Read(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		wait(other, 2)
		if _, err := other.call("statistics"); err != nil {
			t.Errorf("a receive after another has ended: %v", err)
		}
	})
}

// TestAnAnswerFitsIntoAFrame checks that the length of a frame has four bytes.
func TestAnAnswerFitsIntoAFrame(t *testing.T) {
	length := int64(1) << 32
	if err := new(conn).hold(nil, int(length)); err == nil || remote.ErrorOf(err).Kind != remote.MessageTooLarge {
		t.Errorf("an answer of 4 GiB: %v", err)
	}
}
