package budget

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A client is a sender that is silent in its first Read.
type client struct {
	interrupted chan struct{}
	stack       string // of the call of Interrupt
}

func (c *client) Interrupt() {
	c.stack = string(debug.Stack())
	close(c.interrupted)
}

func (c *client) Pause(bool) {}

func (c *client) Read([]byte) (int, error) {
	<-c.interrupted
	return 0, errors.New("interrupted")
}

// TestAnArrivalThatWaitsLooksForSilentClients checks that no goroutine but those of the
// connections refuses a silent client, so that none is left when they have ended.
func TestAnArrivalThatWaitsLooksForSilentClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(1, context.Background())
		var conns [2]atomic.Int64
		silent := &client{interrupted: make(chan struct{})}
		holding := b.Arrival(silent, &conns[0], -1)
		if err := holding.Reserve(nil, 2*ConnBytes, 2*ConnBytes); err != nil {
			t.Fatal(err)
		}
		go func() {
			holding.Read(silent, nil)
			if !holding.End() {
				t.Error("the silent client was not refused")
			}
		}()
		synctest.Wait()
		began := time.Now()
		waiting := b.Arrival(nopSender{}, &conns[1], -1)
		if err := waiting.Reserve(nil, 2*ConnBytes, 2*ConnBytes); err != nil || time.Since(began) != SilentTimeout {
			t.Errorf("the other has memory after %v, %v", time.Since(began), err)
		}
		if !strings.Contains(silent.stack, "Reserve") {
			t.Errorf("the client was refused by a goroutine that has no owner:\n%s", silent.stack)
		}
	})
}

// A stream is a sender that sends size bytes, some every second.
type stream struct {
	interrupted chan struct{}
	size, some  int64
}

func (s *stream) Interrupt() { close(s.interrupted) }
func (s *stream) Pause(bool) {}

func (s *stream) Read([]byte) (int, error) {
	select {
	case <-time.After(time.Second):
		s.size -= s.some
		return int(s.some), nil
	case <-s.interrupted:
		return 0, errors.New("interrupted")
	}
}

// TestClientsMustFillTheMemoryThatTheyHold checks that a client must send faster the
// more it holds, while others wait.
func TestClientsMustFillTheMemoryThatTheyHold(t *testing.T) {
	for _, size := range []int64{120 << 10, 1 << 20, 100 << 20} {
		for _, test := range []struct {
			seconds int64 // that all of it would take
			refused bool
		}{{140, true}, {90, false}} {
			t.Run(fmt.Sprint(size, test), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := New(1, context.Background())
					var conns [2]atomic.Int64
					s := &stream{make(chan struct{}), size, size / test.seconds}
					holding := b.Arrival(s, &conns[0], -1)
					if err := holding.Reserve(nil, 2*ConnBytes, size); err != nil {
						t.Fatal(err)
					}
					go func() {
						var err error
						for s.size > 0 && err == nil {
							_, err = holding.Read(s, nil)
						}
						if refused := holding.End(); refused != test.refused {
							t.Errorf("refused is %v", refused)
						}
					}()
					time.Sleep(2 * SilentTimeout) // it is tolerated while no other waits
					began := time.Now()
					waiting := b.Arrival(nopSender{}, &conns[1], -1)
					if err := waiting.Reserve(nil, 2*ConnBytes, 2*ConnBytes); err != nil {
						t.Fatal(err)
					}
					if took := time.Since(began); test.refused && took > 2*SilentTimeout {
						t.Errorf("another waits for %v", took)
					}
				})
			})
		}
	}
}

type nopSender struct{}

func (nopSender) Interrupt() {}
func (nopSender) Pause(bool) {}

func TestSilenceNamesItsLimits(t *testing.T) {
	if want := fmt.Sprintf("less than %d KiB in %.0f s", LeastMoved>>10, SilentTimeout.Seconds()); Silence != want {
		t.Errorf("Silence is %q, want %q", Silence, want)
	}
}
