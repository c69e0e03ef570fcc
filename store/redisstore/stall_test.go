package redisstore

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"asgibox/asgi"
)

// A mailbox is a bound function with a state of its own.
type mailbox struct {
	mu   sync.Mutex // guards the rest
	err  error      // what deliver returns
	got  []int
	lost int
}

func (m *mailbox) deliver(d asgi.Delivery) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.err == nil && !d.Probe:
		m.got = append(m.got, int(d.Message.Int("n")))
	case d.Lost:
		m.lost++
	}
	return m.err
}

func (m *mailbox) set(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// openTwo opens a layer of a front end, which has the mailbox "front!x", and that of a
// worker.
func openTwo(t *testing.T, m *mailbox) (front, worker *Layer) {
	s := sharedServer(t)
	front = open(t, s, Options{})
	o := front.Options()
	worker = open(t, s, Options{Prefix: o.Prefix, StatsPrefix: o.StatsPrefix})
	unbind, err := front.Bind("front!", m.deliver)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unbind)
	return front, worker
}

// sendUntil sends messages with the numbers 0, 1 and so on until a send fails with want.
// It returns how many were sent.
func sendUntil(t *testing.T, l *Layer, want error) (sent int) {
	t.Helper()
	eventually(t, fmt.Sprintf("a send fails: %v", want), func() bool {
		err := l.Send(t.Context(), nil, "front!x", numbered(sent), asgi.ReportGone)
		switch {
		case err == nil:
			sent++
		case !errors.Is(err, want):
			t.Fatalf("send: %v, want %v", err, want)
		}
		return err != nil
	})
	return sent
}

func TestASenderOfAnotherProcessLearnsThatAMailboxIsFull(t *testing.T) {
	t.Parallel()
	m := &mailbox{err: asgi.ErrChannelFull}
	front, worker := openTwo(t, m)
	sent := sendUntil(t, worker, asgi.ErrChannelFull)
	if err := front.Send(t.Context(), nil, "front!x", numbered(-1)); !errors.Is(err, asgi.ErrChannelFull) {
		t.Errorf("a message of the same process overtakes those that wait: %v", err)
	}
	m.set(nil)
	eventually(t, "there is room again", func() bool {
		return worker.Send(t.Context(), nil, "front!x", numbered(sent)) == nil
	})
	eventually(t, "all messages arrive in order", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i, n := range m.got {
			if n != i {
				t.Fatalf("got %v", m.got)
			}
		}
		return len(m.got) == sent+1
	})
	if m.lost > 0 {
		t.Errorf("%d messages were lost", m.lost)
	}
}

func TestASenderOfAnotherProcessLearnsThatAConnectionHasEnded(t *testing.T) {
	t.Parallel()
	for _, first := range []error{asgi.ErrGone, asgi.ErrChannelFull} {
		t.Run(first.Error(), func(t *testing.T) {
			t.Parallel()
			m := &mailbox{err: first}
			_, worker := openTwo(t, m)
			sendUntil(t, worker, first)
			m.set(fmt.Errorf("the connection: %w", asgi.ErrGone))
			eventually(t, "the connection counts as gone", func() bool {
				return worker.Send(t.Context(), nil, "front!x", numbered(0), asgi.ReportGone) == asgi.ErrGone
			})
			if err := worker.Send(t.Context(), nil, "front!x", numbered(0)); err != nil {
				t.Errorf("without ReportGone: %v", err)
			}
			if err := worker.Send(t.Context(), nil, "front!y", numbered(0), asgi.ReportGone); err != nil {
				t.Errorf("another connection: %v", err)
			}
		})
	}
}

// TestMessagesOfASenderThatDoesNotWaitAreLost sends like asgi_redis, which knows no
// mailboxes.
func TestMessagesOfASenderThatDoesNotWaitAreLost(t *testing.T) {
	t.Parallel()
	m := &mailbox{err: asgi.ErrChannelFull}
	front, _ := openTwo(t, m)
	p := newPeer(t, sharedServer(t), front)
	const size, count = 512 << 10, 2 * heldByChannel / (512 << 10)
	for range count {
		eventually(t, "the list has room", func() bool {
			return p.send(t.Context(), "front!x", map[string]any{"n": 1, "text": strings.Repeat("x", size)}) == nil
		})
	}
	eventually(t, "messages are lost", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.lost > count/3
	})
	m.set(nil)
	eventually(t, "the others arrive", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.got) > count/3
	})
}

func TestABindingEndsWhileMessagesAreHeld(t *testing.T) {
	t.Parallel()
	m := &mailbox{err: asgi.ErrChannelFull}
	front, worker := openTwo(t, m)
	sendUntil(t, worker, asgi.ErrChannelFull)
	if err := front.Close(); err != nil {
		t.Error(err)
	}
}

// Messages to connections that have ended, taken together, cost one call.
func TestEndedConnectionsAreNotedTogether(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	worker := open(t, s, Options{})
	o := worker.Options()
	var calls atomic.Int64
	o.Observe = func(kind string, _ time.Duration, _ error) {
		if kind == "send" {
			calls.Add(1)
		}
	}
	front := open(t, s, o)
	for range 5 {
		for _, channel := range []string{"front!x", "front!y"} {
			if err := worker.Send(t.Context(), nil, channel, numbered(1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	m := &mailbox{err: asgi.ErrGone}
	unbind, err := front.Bind("front!", m.deliver)
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	for _, channel := range []string{"front!x", "front!y"} {
		if err := worker.Send(t.Context(), nil, channel, numbered(1), asgi.ReportGone); err != asgi.ErrGone {
			t.Errorf("%s: %v", channel, err)
		}
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls for two connections", n)
	}
}
