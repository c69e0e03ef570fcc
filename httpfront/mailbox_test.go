package httpfront

import (
	"errors"
	"testing"

	"asgibox/asgi"
)

// noOwner owns a mailbox that the test itself empties. It counts the calls of delivered.
type noOwner struct{ asked *int }

func (noOwner) wake()     {}
func (noOwner) full(bool) {}
func (noOwner) drop()     {}

func (noOwner) cuts(asgi.Message) bool { return false }
func (noOwner) ends(asgi.Message) bool { return false }
func (o noOwner) delivered() int64     { *o.asked++; return 7 }

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
		b.release(e.size)
	}
	if n := cap(b.queue); n > 16 {
		t.Errorf("one message waits, and there is room for %d", n)
	}
}

// TestOnlySendersThatWaitAskWhatAClientHasRead checks that a message without room costs
// no question to the system, because most senders do not need the answer.
func TestOnlySendersThatWaitAskWhatAClientHasRead(t *testing.T) {
	asked := 0
	b := mailbox{owner: noOwner{&asked}, outputs: new(outputs)}
	d := asgi.Delivery{Channel: "reply!c", Message: asgi.MustMessage(asgi.Field{Key: "text", Value: "x"})}
	var full *asgi.ChannelFullError
	for range mailboxMessages {
		if err := b.put(d); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		if err := b.put(d); !errors.As(err, &full) {
			t.Fatalf("put: %v", err)
		}
	}
	if asked != 0 {
		t.Errorf("10 messages without room asked %d times what the client has read", asked)
	}
	if n := full.Read(); n != 7 {
		t.Errorf("the client has read %d bytes, want 7", n)
	}
}
