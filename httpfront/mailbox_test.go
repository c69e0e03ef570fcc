package httpfront

import (
	"testing"

	"asgibox/asgi"
)

// noOwner owns a mailbox that the test itself empties.
type noOwner struct{}

func (noOwner) wake() {}
func (noOwner) full() {}
func (noOwner) drop() {}

func (noOwner) cuts(asgi.Message) bool { return false }
func (noOwner) delivered() int64       { return 0 }
func (noOwner) ends(asgi.Message) bool { return false }

func TestMailboxThatIsNeverEmptyDoesNotGrow(t *testing.T) {
	b := mailbox{owner: noOwner{}, outputs: new(outputs)}
	put := func(i int) {
		m := asgi.MustMessage(asgi.Field{Key: "text", Value: "x"}, asgi.Field{Key: "i", Value: i})
		if err := b.put(asgi.Delivery{Channel: "reply!c", Message: m}); err != nil {
			t.Fatal(err)
		}
	}
	put(0)
	for i := 1; i < 100_000; i++ {
		put(i)
		e, ok := b.take()
		if !ok || e.message.Int("i") != int64(i-1) {
			t.Fatalf("take %d: %v, %v", i, e.message, ok)
		}
		b.release(e)
	}
	if n := cap(b.queue); n > 16 {
		t.Errorf("one message waits, and there is room for %d", n)
	}
}
